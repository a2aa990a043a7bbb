# SPDX-License-Identifier: Apache-2.0
"""The commands of `jepa-lab`, one module each: what it takes and what it does.

A module gives ``HELP``, ``add_arguments(parser)`` and ``run(arguments)``. What a command needs to do its
work is imported when it runs: PyTorch alone takes seconds, and a VM that only records has none of it.
"""
