# SPDX-License-Identifier: Apache-2.0
"""The actuator: the one process with authority over the machine, its socket, and the ways to reach it."""
