# SPDX-License-Identifier: Apache-2.0
"""One who follows ticks and events: first the events that were missed, then all that happens."""

from collections.abc import Sequence

from jepa.service.api import EventOut
from jepa.service.ring import Entry
from jepa.service.subscription import Subscription


class StreamSubscription:
    """A subscription to ticks and events in which no event comes twice."""

    def __init__(self, reader: Subscription[Entry | EventOut], earlier: Sequence[EventOut]) -> None:
        self.reader = reader
        self._earlier = list(earlier)
        self._sequence = 0

    @property
    def ended(self) -> bool:
        """True when nothing more will come."""
        return self.reader.ended

    def take(self, timeout_s: float) -> list[Entry | EventOut]:
        """Whatever is there, after waiting up to ``timeout_s`` for something or the end."""
        earlier, self._earlier = self._earlier, []
        taken: list[Entry | EventOut] = []
        for each in (*earlier, *self.reader.take(0.0 if earlier else timeout_s)):
            if isinstance(each, EventOut):
                if each.sequence <= self._sequence:
                    continue
                self._sequence = each.sequence
            taken.append(each)
        return taken
