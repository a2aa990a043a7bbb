# SPDX-License-Identifier: Apache-2.0
"""Readers of the kernel's files: one module per source, each of which only reads, types and derives."""
