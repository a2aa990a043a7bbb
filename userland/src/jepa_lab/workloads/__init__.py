# SPDX-License-Identifier: Apache-2.0
"""Seeded real workloads: what the machine does while its frames are recorded."""
