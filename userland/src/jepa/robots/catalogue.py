# SPDX-License-Identifier: Apache-2.0
"""Robots by name: the simulated ones, and those that another package brings."""

import importlib

from jepa.errors import JepaError
from jepa.robots.envelope import Envelope
from jepa.robots.robot import Robot


def open_robot(name: str) -> tuple[Robot, Envelope]:
    """``two-room`` or ``simulated-arm``, or what ``PACKAGE.MODULE:FUNCTION`` answers: a robot, its envelope.

    JepaError when it cannot be had.
    """
    if name == "two-room":
        from jepa.robots.two_room import SimulatedRoom

        return SimulatedRoom(), SimulatedRoom.ENVELOPE
    if name == "simulated-arm":
        from jepa.robots.arm import SimulatedArm

        return SimulatedArm(), SimulatedArm.ENVELOPE
    module, _, function = name.partition(":")
    if not function:
        raise JepaError(
            f"There is no robot {name!r}.", "Name two-room, simulated-arm, or PACKAGE.MODULE:FUNCTION."
        )
    try:
        made: tuple[Robot, Envelope] = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise JepaError(f"The robot {name} cannot be had: {error}.", "Is its package installed?") from error
    return made
