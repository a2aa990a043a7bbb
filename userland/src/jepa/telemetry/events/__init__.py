# SPDX-License-Identifier: Apache-2.0
"""Discrete events: what the kernel, the service manager, udev and devices say has happened."""
