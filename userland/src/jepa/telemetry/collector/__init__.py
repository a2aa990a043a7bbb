# SPDX-License-Identifier: Apache-2.0
"""The collector: the one process that may look into the kernel, and how others read what it sees."""
