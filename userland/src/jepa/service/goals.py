# SPDX-License-Identifier: Apache-2.0
"""The captured states of this machine, kept in one file, with a bound for each user."""

import contextlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jepa.durable import PRIVATE, replace_file
from jepa.errors import JepaError
from jepa.planning.captured import Captured, capture, check_name
from jepa.service.api import GoalOut
from jepa.service.predictor import Predictor
from jepa.service.ring import Ring
from jepa.telemetry.linelog import encode, read_rows
from jepa.telemetry.schema import Schema

MOST: Final = 128
MOST_OF_A_USER: Final = 16


class Goals:
    """Captures, keeps and forgets states; may be used from any thread."""

    def __init__(self, path: Path | None, schema: Schema, predictor: Predictor, ring: Ring) -> None:
        """Without a ``path`` they are kept in memory. A damaged row costs itself."""
        self._path = path
        self._schema = schema
        self._predictor = predictor
        self._ring = ring
        self._lock = threading.Lock()
        self._kept: dict[str, Captured] = {}
        if path is not None:
            with contextlib.suppress(OSError):
                for row in read_rows(path):
                    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                        each = Captured.from_row(row)
                        self._kept[each.name] = each

    def captured(self) -> Mapping[str, Captured]:
        """By name."""
        with self._lock:
            return dict(self._kept)

    def all(self) -> list[GoalOut]:
        """As messages, by name."""
        return [self._out(each) for _, each in sorted(self.captured().items())]

    def capture(self, name: str, over_s: int, uid: int) -> GoalOut:
        """Keep the state of the last ``over_s`` seconds as ``name``, for the user ``uid``.

        JepaError: 422 for a name that cannot be, 409 for one that is taken, or where there is no room, 503
        where the model has not seen so much, 507 when it cannot be kept.
        """
        check_name(name)
        entries = self._ring.newest()
        since_ns = entries[-1].frame.ts_ns - over_s * 1_000_000_000 if entries else 0
        seen = [
            (each.frame, each.tick)
            for each in entries
            if each.tick is not None and each.frame.ts_ns > since_ns
        ]
        with self._predictor.borrowed() as loaded:
            model = loaded.pack, getattr(loaded.model, "schema", self._schema).digest
        made = capture(name, uid, over_s, model, self._schema.names, seen)
        with self._lock:
            self._check_room(name, uid)
            self._keep({**self._kept, name: made})
        return self._out(made)

    def remove(self, name: str, uid: int) -> GoalOut:
        """Forget ``name``; JepaError: 404 when there is none, 403 when it is another user's."""
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                raise unknown(name, self._kept)
            if uid not in (0, found.uid):
                raise JepaError(
                    f"The goal {name} was captured by user {found.uid}.", "Ask them, or root.", status=403
                )
            self._keep({each: kept for each, kept in self._kept.items() if each != name})
        return self._out(found)

    def _check_room(self, name: str, uid: int) -> None:
        if name in self._kept:
            raise JepaError(
                f"There is a goal {name} already.",
                f"Remove it first: `jepa goal remove {name}`.",
                status=409,
            )
        own = sum(each.uid == uid for each in self._kept.values())
        if len(self._kept) >= MOST or (uid != 0 and own >= MOST_OF_A_USER):
            raise JepaError(
                f"{own} of {len(self._kept)} goals are yours; {MOST_OF_A_USER} of {MOST} may be.",
                "Remove one with `jepa goal remove`.",
                status=409,
            )

    def _keep(self, wanted: dict[str, Captured]) -> None:
        """The file appears whole or not at all."""
        if self._path is not None:
            try:
                self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
                replace_file(
                    self._path, b"".join(encode(each.as_row()) for each in wanted.values()), PRIVATE
                )
            except OSError as error:
                raise JepaError(
                    f"The goals cannot be kept in {self._path}: {error.strerror}.",
                    "Make room, or see `jepa doctor`.",
                    status=507,
                ) from error
        self._kept = wanted

    def _out(self, each: Captured) -> GoalOut:
        return GoalOut(
            name=each.name,
            uid=each.uid,
            captured=each.ts_ns,
            over_s=each.over_s,
            frames=each.frames,
            pack=each.pack,
            spread=each.spread,
            channels={name: list(values) for name, values in each.channels.items()},
        )


def unknown(name: str, known: Mapping[str, Captured]) -> JepaError:
    """The error (404) for a goal that nobody captured."""
    there = f"There are {', '.join(sorted(known))}" if known else "None was captured"
    return JepaError(
        f"There is no goal {name[:60]!r}.", f"{there}; `jepa goal capture NAME` makes one.", status=404
    )
