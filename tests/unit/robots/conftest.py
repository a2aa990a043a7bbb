# SPDX-License-Identifier: Apache-2.0
"""Tiny packs, those that vision is tested with."""

from tests.unit.vision.conftest import acting_pack, acting_reference, vision_pack

__all__ = ["acting_pack", "acting_reference", "vision_pack"]
