# SPDX-License-Identifier: Apache-2.0
"""The planner that a pack is for."""

from pathlib import Path

from jepa.packs.pack import read_manifest
from jepa.packs.vision import VisionManifest
from jepa.vision.acting import ActingPlanner, Search
from jepa.vision.model import VisionModel
from jepa.vision.planning import Planner, VisualPlanner


def load_planner(folder: Path, how: Search) -> Planner:
    """Of the pack in ``folder``, which is for robots or a V-JEPA 2-AC; ``how`` counts for the latter.

    JepaError when it is neither, not whole, or too large for the memory that is free.
    """
    if isinstance(read_manifest(folder), VisionManifest):
        return ActingPlanner(VisionModel.load(folder), how)
    return VisualPlanner.load(folder)
