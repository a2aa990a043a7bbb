# SPDX-License-Identifier: Apache-2.0
"""What the full screen hears of a line while it is answered, apart from the text of the answer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from jepa.service.api import FrameOut

Kind = Literal["result", "evidence", "refused"]
"""What the text of an answer is."""


class Listener(Protocol):
    """Takes what a line comes to, part by part, as it is known; called from the thread that runs it."""

    def understood(self, meaning: str, spec: Mapping[str, Any], spans: Mapping[str, Any]) -> None:
        """The sentence means ``meaning``; ``spans`` are the places of its words that gave each field."""

    def planned(self, plan: Mapping[str, Any], past: "Sequence[FrameOut]") -> None:
        """A plan was made; ``past`` are the newest frames. Its text is not written."""

    def writes(self, kind: Kind) -> None:
        """What is written from now on is of this kind."""

    def wrote(self, text: str) -> None:
        """So much is written so far."""
