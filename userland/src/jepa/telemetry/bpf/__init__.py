# SPDX-License-Identifier: Apache-2.0
"""Programs in the kernel: loading them, reading what they counted, and what they cost."""
