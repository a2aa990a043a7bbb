# SPDX-License-Identifier: Apache-2.0
"""What is asked of a robot: the part of LeRobot's interface that is needed here."""

from collections.abc import Mapping
from typing import Any, Protocol

Action = Mapping[str, float]


class Robot(Protocol):
    """What LeRobot's Robot offers (lerobot/robots/robot.py), as far as it is needed here."""

    @property
    def action_features(self) -> Mapping[str, Any]:
        """The names of an action's numbers, in order."""

    @property
    def is_connected(self) -> bool:
        """Whether it answers."""

    def connect(self) -> None:
        """Reach it."""

    def get_observation(self) -> Mapping[str, Any]:
        """Numbers by name, and pictures (H, W, 3) by the camera's name."""

    def send_action(self, action: Action) -> Mapping[str, Any]:
        """Move there; answers what was sent in truth."""

    def disconnect(self) -> None:
        """Let go."""
