# SPDX-License-Identifier: Apache-2.0
"""What the full screen shows, worked out from plain data: no widget, no terminal, no clock of its own."""
