# SPDX-License-Identifier: Apache-2.0
"""What the owner of a fleet does with the recordings that its machines have sent."""
