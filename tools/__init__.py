# SPDX-License-Identifier: Apache-2.0
"""Programs that build, run and measure the image; start each with ``python -m tools.NAME``."""
