# SPDX-License-Identifier: Apache-2.0
"""The planner that a pack is for."""

from pathlib import Path

from jepa.packs.pack import read_manifest
from jepa.packs.vision import VisionManifest
from jepa.robots.action_conditioned import ActionConditionedPlanner, SearchSettings
from jepa.robots.planner import RobotPlanner
from jepa.robots.visual_planner import VisualPlanner
from jepa.vision.model import VisionModel


def load_planner(folder: Path, how: SearchSettings) -> RobotPlanner:
    """Of the pack in ``folder``, which is for robots or a V-JEPA 2-AC; ``how`` counts for the latter.

    JepaError when it is neither, not whole, or too large for the memory that is free.
    """
    if isinstance(read_manifest(folder), VisionManifest):
        return ActionConditionedPlanner(VisionModel.load(folder), how)
    return VisualPlanner.load(folder)
