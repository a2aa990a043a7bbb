# SPDX-License-Identifier: Apache-2.0
"""Versions of the system on this machine: which one runs, which lies beside it and why, and newer ones."""
