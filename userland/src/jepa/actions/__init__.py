# SPDX-License-Identifier: Apache-2.0
"""Typed, bounded changes of the machine: what can be set, who may, how it is applied and taken back."""
