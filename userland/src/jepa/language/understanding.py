# SPDX-License-Identifier: Apache-2.0
"""The parser over what is on this machine now: looked at again once it is some seconds old."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from jepa.language.inventory import Inventory, look
from jepa.language.parser import parse
from jepa.language.resolve import resolve

FRESH_S: Final = 10.0
"""How long what was seen of the machine is taken for what is there."""


class Understanding:
    """May be used from any thread."""

    def __init__(
        self, look: Callable[[], Inventory] = look, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._look = look
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: tuple[float, Inventory] | None = None

    @property
    def inventory(self) -> Inventory:
        """What is here."""
        with self._lock:
            now = self._monotonic()
            if self._seen is None or now - self._seen[0] > FRESH_S:
                self._seen = (now, self._look())
            return self._seen[1]

    def parse(self, text: str) -> dict[str, Any]:
        """The task spec of ``text``; its names as they were said."""
        return parse(text, self.inventory)

    def resolved(self, spec: dict[str, Any]) -> dict[str, Any]:
        """``spec`` with its names as units of this machine."""
        return resolve(spec, self.inventory)
