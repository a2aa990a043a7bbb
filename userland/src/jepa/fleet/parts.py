# SPDX-License-Identifier: Apache-2.0
"""Records in parts, one after the other, and sends what is finished while the next one is recorded."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from jepa.errors import JepaError
from jepa.fleet.spool import Spool
from jepa.fleet.upload import Report, Uploader
from jepa.telemetry.clocks import Clock, SystemClock
from jepa.telemetry.recording import Meta, finish
from jepa.telemetry.schema import Schema

Record = Callable[[Path, int], Meta]
"""Records into a folder for so many seconds, or until it is interrupted."""
_WRITTEN_NOW: Final = 409
_NO_ROOM: Final = 507


def record_parts(
    record: Record,
    spool: Spool,
    every_s: int,
    seconds: int | None,
    *,
    limit_bytes: int | None = None,
    finished: Callable[[], object] = lambda: None,
    clock: Clock | None = None,
) -> int:
    """Record parts of ``every_s`` for ``seconds``, or until one is interrupted; answers how many there are.

    ``finished`` is called after each but the last. The oldest parts go above ``limit_bytes``.
    """
    now = clock or SystemClock()
    left, made = seconds, 0
    while left is None or left > 0:
        if made:
            finished()
        wanted = every_s if left is None else min(every_s, left)
        meta = record(spool.name(now.wall_ns()), wanted)
        made += 1
        if limit_bytes is not None:
            spool.trim(limit_bytes)
        if meta.frames + (meta.missed or 0) < wanted:
            break  # the person ended it
        left = None if left is None else left - wanted
    return made


def complete_interrupted(spool: Spool, schema: Schema) -> None:
    """Complete the parts that a crash or a power cut broke off; one that cannot be is put aside."""
    for folder in spool.interrupted():
        try:
            finish(folder, schema)
        except JepaError as error:
            if error.status not in (_WRITTEN_NOW, _NO_ROOM):
                spool.refuse(folder)


class Sender:
    """Runs an uploader beside a recording, which must not wait for a network."""

    def __init__(self, uploader: Uploader) -> None:
        self._uploader = uploader
        self._thread: threading.Thread | None = None
        self._before: list[Report] = []

    def start(self) -> None:
        """Send what is finished, unless that is going on."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="uploader", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with suppress(JepaError):  # ``end`` meets it again, and tells it
            self._before.append(self._uploader.run())

    def end(self) -> Report:
        """Once that is over, send the rest, and say what came of all."""
        if self._thread is not None:
            self._thread.join()
        last = self._uploader.run()
        runs = [*self._before, last]
        return replace(
            last,
            sent=[part for each in runs for part in each.sent],
            sent_bytes=sum(each.sent_bytes for each in runs),
            refused=[why for each in runs for why in each.refused],
        )
