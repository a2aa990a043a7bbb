# SPDX-License-Identifier: Apache-2.0
"""What this machine has learned of its effects: outcomes taken from frames, kept in one file, and forgotten.

Outcomes are those of tasks: jepad plans them, knows what it foresaw, and sees what came. See
``jepa.planning.learning`` for what becomes of them.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jepa.durable import PRIVATE, replace_file
from jepa.errors import JepaError
from jepa.service.api_records import EffectSizeOut, LearnedOut, LearningOut
from jepa.service.ring import Ring
from jepa.telemetry.linelog import encode, read_rows
from jepa.telemetry.schema import Schema
from jepa.world.scale import Scale

if TYPE_CHECKING:
    from jepa.packs.effects import KnownEffects
    from jepa.planning.learning import EffectOutcome, ForeseenEffect

MOST: Final = 4096
"""Outcomes that are kept in all, the newest."""
_SEEN: Final = 0.8
"""Of a window's seconds, for which frames have to be there."""
_LATE_S: Final = 5.0
"""How long after a window its frames are waited for."""


@dataclass(slots=True)
class _Pending:
    """One change whose windows are not over."""

    ts_ns: int
    pack: str
    foreseen: "list[ForeseenEffect]"
    in_force: frozenset[str] | None = None
    """Changes in force at the first look after it, when the actuator has told of it: where others come or go
    from then on, nothing is learned."""


class Learning:
    """May be used from any thread."""

    def __init__(
        self,
        path: Path | None,
        schema: Schema,
        ring: Ring,
        in_force: Callable[[], Collection[str]],
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Without a ``path`` outcomes are kept in memory. A damaged row costs itself.

        ``in_force`` gives the ids of the changes in force.
        """
        self._path, self._schema, self._ring = path, schema, ring
        self._in_force, self._wall_ns = in_force, wall_ns
        self._scale = Scale(schema)
        self._lock = threading.Lock()
        self._pending: list[_Pending] = []
        self._outcomes: list[tuple[str, EffectOutcome]] | None = None
        """By pack, the oldest first; None until they are read."""

    def expect(self, foreseen: "Collection[ForeseenEffect]", pack: str, ts_ns: int) -> None:
        """A change was made at ``ts_ns`` of which that was ``foreseen``: learn from what comes of it."""
        if foreseen:
            with self._lock:
                self._pending.append(_Pending(ts_ns, pack, list(foreseen)))

    def look(self) -> None:
        """Learn from the windows that are over; to be called every second."""
        if not self._pending:
            return
        from jepa.planning.learning import EffectOutcome

        now_ns = self._wall_ns()
        fresh: list[tuple[str, EffectOutcome]] = []
        with self._lock:
            undisturbed = frozenset(self._in_force())
            for pending in self._pending:
                pending.in_force = undisturbed if pending.in_force is None else pending.in_force
            self._pending = [each for each in self._pending if each.in_force == undisturbed]
            for pending in self._pending:
                due: list[ForeseenEffect] = []
                later: list[ForeseenEffect] = []
                for each in pending.foreseen:
                    over = now_ns > pending.ts_ns + each.horizon_s * 1_000_000_000
                    (due if over else later).append(each)
                for each in due:
                    observed = self._observed(each.channel, pending.ts_ns, each.horizon_s)
                    if observed is not None:
                        outcome = EffectOutcome(pending.ts_ns, each, observed - each.without)
                        fresh.append((pending.pack, outcome))
                    elif now_ns < pending.ts_ns + int((each.horizon_s + _LATE_S) * 1e9):
                        later.append(each)
                pending.foreseen = later
            self._pending = [each for each in self._pending if each.foreseen]
            if fresh:
                with contextlib.suppress(JepaError):  # of a full disk: it is learned until jepad ends
                    self._keep([*self._known(), *fresh][-MOST:])

    def corrected(self, pack: str, effects: "KnownEffects") -> "KnownEffects":
        """``effects`` of ``pack`` with what was learned here and is used."""
        from jepa.planning.learning import corrected, learned

        own = self._of(pack)
        return corrected(effects, learned(effects, own, self._wall_ns())) if own else effects

    def shown(self, pack: str, effects: "KnownEffects | None") -> LearningOut:
        """What was learned of each effect of ``pack``."""
        from jepa.planning.learning import learned

        own = self._of(pack)
        found = learned(effects, own, self._wall_ns()) if effects is not None else []
        return LearningOut(
            pack=pack,
            outcomes=len(own),
            used=sum(each.used for each in found),
            effects=[
                LearnedOut(
                    setting=each.key[0],
                    direction="up" if each.key[1] else "down",
                    channel=each.key[2],
                    horizon_s=each.key[3],
                    outcomes=each.outcomes,
                    scored=each.scored,
                    ahead=round(each.ahead, 4),
                    used=each.used,
                    before=EffectSizeOut(
                        size=round(each.before.size, 3), spread=round(each.before.spread, 3)
                    ),
                    after=EffectSizeOut(size=round(each.after.size, 3), spread=round(each.after.spread, 3)),
                )
                for each in found
            ],
        )

    def reset(self) -> int:
        """Forget all that was learned, of every pack, and what is waited for; how many outcomes that were.

        JepaError (507) when the file cannot be written: then nothing is forgotten.
        """
        with self._lock:
            count = len(self._known())
            self._keep([])
            self._pending.clear()
            return count

    def _of(self, pack: str) -> "list[EffectOutcome]":
        with self._lock:
            return [outcome for of, outcome in self._known() if of == pack]

    def _observed(self, channel: str, since_ns: int, horizon_s: int) -> float | None:
        """The mean of a window on the unit scale; None where too little of it was seen."""
        until_ns = since_ns + horizon_s * 1_000_000_000
        at = self._schema.index(channel)
        values = [
            entry.frame.values[at]
            for entry in self._ring.newest(4 * horizon_s + 60)
            if since_ns < entry.frame.ts_ns <= until_ns and entry.frame.valid[at]
        ]
        if len(values) < _SEEN * horizon_s:
            return None
        row = np.zeros(len(self._schema.channels), np.float32)
        row[at] = np.mean(values)
        return float(self._scale.to_unit(row)[at])

    def _known(self) -> "list[tuple[str, EffectOutcome]]":
        if self._outcomes is None:
            from jepa.planning.learning import EffectOutcome

            self._outcomes = []
            with contextlib.suppress(OSError):
                for row in read_rows(self._path) if self._path is not None else ():
                    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                        self._outcomes.append((str(row["pack"]), EffectOutcome.from_row(row)))
        return self._outcomes

    def _keep(self, wanted: "list[tuple[str, EffectOutcome]]") -> None:
        """The file appears whole or not at all."""
        kept, self._outcomes = self._known(), wanted
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            replace_file(
                self._path, b"".join(encode(_row(pack, outcome)) for pack, outcome in wanted), PRIVATE
            )
        except OSError as error:
            self._outcomes = wanted if wanted else kept
            raise JepaError(
                f"What was learned cannot be kept in {self._path}: {error.strerror}.",
                "Make room, or see `jepa doctor`.",
                status=507,
            ) from error


def _row(pack: str, outcome: "EffectOutcome") -> dict[str, Any]:
    return {"pack": pack, **outcome.as_row()}
