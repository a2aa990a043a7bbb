# SPDX-License-Identifier: Apache-2.0
"""The guard: everything that may refuse a change before it is made."""
