# SPDX-License-Identifier: Apache-2.0
"""What a machine of a fleet gives to its owner's store: recordings in parts, without names, signed."""
