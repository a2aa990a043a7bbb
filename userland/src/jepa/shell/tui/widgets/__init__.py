# SPDX-License-Identifier: Apache-2.0
"""The parts of the full screen; none of them asks the service for anything."""
