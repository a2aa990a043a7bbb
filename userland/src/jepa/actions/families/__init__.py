# SPDX-License-Identifier: Apache-2.0
"""Families of actions: each module reads, checks, applies, verifies and undoes one kind of setting."""
