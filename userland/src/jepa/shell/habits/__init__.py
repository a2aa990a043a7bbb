# SPDX-License-Identifier: Apache-2.0
"""Learns which line a person is likely to type next, on the machine, when that person has asked for it."""
