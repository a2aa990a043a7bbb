# SPDX-License-Identifier: Apache-2.0
"""The manifest of a robot pack: a visual world model with actions, and what it was trained for."""

from typing import Literal

from pydantic import Field, model_validator

from jepa.packs.manifest import FileName, GraphFile, Manifest, Provenance
from jepa.packs.vision import Clip

ROBOT_GRAPHS = frozenset({"encode", "imagine", "propose"})


class RobotManifest(Manifest):
    """The content of pack.toml."""

    kind: Literal["robot"]
    results: FileName
    clip: Clip
    """How a picture is made; one frame."""
    width: int = Field(ge=1, le=65536)
    """Of a latent."""
    actions: int = Field(ge=1, le=256)
    """Numbers in one action, each -1..1."""
    periods: int = Field(default=1, ge=1, le=256)
    """Of the robot, that one action fills: it holds the numbers of each, one after the other."""
    steps: int = Field(ge=1, le=256)
    """Actions of an imagined sequence."""
    candidates: int = Field(ge=1, le=4096)
    """Action sequences imagined at once."""
    farthest: int = Field(ge=1)
    """Periods that a distance of 1 means, or more."""
    provenance: Provenance
    graphs: dict[str, GraphFile]

    @model_validator(mode="after")
    def _complete(self) -> "RobotManifest":
        if set(self.graphs) != ROBOT_GRAPHS:
            raise ValueError(f"graphs must be {', '.join(sorted(ROBOT_GRAPHS))}")
        if self.actions % self.periods:
            raise ValueError("every period has as many numbers of an action")
        if self.clip.frames != 1:
            raise ValueError("a picture is one frame")
        return self
