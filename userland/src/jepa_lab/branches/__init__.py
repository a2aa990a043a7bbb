# SPDX-License-Identifier: Apache-2.0
"""Moments of work recorded with and without an action, as branches of one snapshot of a machine."""
