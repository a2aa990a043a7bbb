# SPDX-License-Identifier: Apache-2.0
"""The parser over what is on this machine now, with the encoder of the language pack where there is one."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from jepa.errors import JepaError
from jepa.language.inventory import Inventory, look
from jepa.language.parser import Parsed, parse_openly
from jepa.language.resolve import resolve
from jepa.packs.places import chosen_title

if TYPE_CHECKING:
    from jepa.language.encoder import Encoder

FRESH_S: Final = 10.0
"""How long what was seen of the machine is taken for what is there."""


def installed() -> "Encoder | None":
    """The encoder of the language pack that is here; None where there is none."""
    # Read when a sentence first needs it: numpy and the runtime take memory.
    from jepa.language.encoder import installed_encoder

    return installed_encoder()


class Understanding:
    """May be used from any thread."""

    def __init__(
        self,
        look: Callable[[], Inventory] = look,
        monotonic: Callable[[], float] = time.monotonic,
        find: Callable[[], "Encoder | None"] = installed,
        chosen: Callable[[], str | None] = lambda: chosen_title("language"),
    ) -> None:
        """``find`` brings the encoder when it is first needed; its JepaError is kept as ``fault``.

        It is asked again when ``chosen`` names another pack than then.
        """
        self._look = look
        self._find, self._chosen = find, chosen
        self._encoder: Encoder | None = None
        self._found_for: tuple[str | None] | None = None
        self.fault: JepaError | None = None
        """Why templates alone are used, where there is a language pack."""
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
        return self.parse_openly(text).spec

    def parse_openly(self, text: str) -> Parsed:
        """As ``parse``, with what the question asks between."""
        read = parse_openly(text, self.inventory)
        if not read.unsettled or (encoder := self._encoder_here()) is None:
            return read
        try:
            return parse_openly(text, self.inventory, encoder)
        except JepaError as error:
            self.fault, self._encoder = error, None
            return read

    def _encoder_here(self) -> "Encoder | None":
        with self._lock:
            now = (self._chosen(),)
            if self._found_for != now:
                self._found_for, self._encoder, self.fault = now, None, None
                try:
                    self._encoder = self._find()
                except JepaError as error:
                    self.fault = error
            return self._encoder

    def resolved(self, spec: dict[str, Any]) -> dict[str, Any]:
        """``spec`` with its names as units of this machine."""
        return resolve(spec, self.inventory)
