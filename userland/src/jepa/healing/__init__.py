# SPDX-License-Identifier: Apache-2.0
"""Repair of the machine: deterministic detectors of faults, and a ladder of guarded actions for each."""
