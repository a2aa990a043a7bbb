# SPDX-License-Identifier: Apache-2.0
"""Waits for what a driven shell comes to, without keeping it busy all the while."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from textual.geometry import Region
from textual.pilot import Pilot
from textual.widget import Widget


async def came(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Until it is ``true``."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.01)  # a pause of the pilot would ask every widget whether it has nothing to do


async def until(pilot: Pilot[Any], true: Callable[[], bool]) -> None:
    """Until it is ``true`` and everything that follows from it is on the screen."""
    await came(true)
    await pilot.pause()


async def at_rest(pilot: Pilot[Any]) -> None:
    """Until everything has its place: what is laid out anew may have other things laid out anew."""
    before: dict[Widget, Region] = {}
    while before != (now := {each: each.region for each in pilot.app.screen.query(Widget)}):
        before = now
        await pilot.pause()
