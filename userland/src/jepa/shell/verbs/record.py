# SPDX-License-Identifier: Apache-2.0
"""`jepa record`: frames of this machine into a directory, as Parquet, and to a store; needs no daemon."""

import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jepa.errors import JepaError
from jepa.shell.durations import duration
from jepa.shell.request import Request
from jepa.text import shown

if TYPE_CHECKING:
    from jepa.fleet.parts import Record
    from jepa.fleet.spool import Spool
    from jepa.fleet.upload import Uploader
    from jepa.telemetry.frame import Frame
    from jepa.telemetry.recording import Meta

_AN_HOUR_S: Final = 3600
"""A part, unless the person says otherwise."""


def run(request: Request) -> int:
    """Record until --seconds, Ctrl-C, SIGTERM or SIGHUP, then write the Parquet files."""
    seconds: int | None = request.args.seconds
    if request.prompt and seconds is None:
        raise JepaError("At this prompt a recording needs an end.", "Add --seconds 60, or use a terminal.")
    from jepa.service.assembly import machine_source
    from jepa.telemetry.recording import LISTENED, record
    from jepa.telemetry.schema import load_schema

    taken = 0
    progress = sys.stderr.isatty() and not request.prompt

    def on_frame(frame: "Frame") -> None:
        nonlocal taken
        taken += 1
        if progress:
            end = f" of {duration(seconds)}" if seconds else ", Ctrl-C ends it"
            with suppress(OSError):  # a terminal that is gone must not end the recording
                sys.stderr.write(f"\r{duration(taken)}{end}  ")
                sys.stderr.flush()

    if not request.prompt:
        # Started by a script it ignores Ctrl-C's signal, and none of them may cost what was recorded.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # with nohup it goes on
            signal.signal(signal.SIGHUP, signal.default_int_handler)
    limit: int | None = request.args.limit
    limit_bytes = limit * 2**20 if limit else None
    source = machine_source(load_schema(), local=True)

    def into(folder: Path, wanted: int | None, most: int | None = None) -> "Meta":
        return record(
            source,
            folder,
            wanted,
            labels={LISTENED: True},
            on_frame=on_frame,
            listen=source.listen,
            limit_bytes=most,
        )

    try:
        if request.args.every or request.args.to:
            return _parts(request, into, limit_bytes)
        meta = into(request.args.folder, seconds, limit_bytes)
    finally:
        source.close()
        if progress:
            with suppress(OSError):
                sys.stderr.write("\n")
    if request.out.json:
        request.out.data(asdict(meta))
    else:
        request.out.line(f"{taken} frames are in {request.args.folder}, {meta.missed} missed.")
        request.out.line(f"Replay them with jepa evaluate {request.args.folder}.")
    return 0


def _parts(request: Request, record: "Record", limit_bytes: int | None) -> int:
    """Record in parts, and send them when a store is named."""
    from jepa.fleet.command import told
    from jepa.fleet.parts import Sender, complete_interrupted, record_parts
    from jepa.fleet.spool import Spool
    from jepa.telemetry.schema import load_schema

    args = request.args
    spool = Spool(args.folder)
    complete_interrupted(spool, load_schema())
    sender = None if args.to is None else Sender(_uploader(args.to, args.key, spool))
    made = record_parts(
        record,
        spool,
        args.every or _AN_HOUR_S,
        args.seconds,
        limit_bytes=limit_bytes,
        finished=sender.start if sender else lambda: None,
    )
    report = sender.end() if sender else None
    if request.out.json:
        request.out.data({"parts": made, "sent": None if report is None else asdict(report)})
    else:
        request.out.line(f"{made} parts were recorded in {args.folder}.")
        if report is not None:
            request.out.line(told(report))
            for why in report.refused:
                request.out.line(f"Put aside: {shown(why)}")
    return 1 if report is not None and (report.fault or report.refused) else 0


def _uploader(address: str, key: Path | None, spool: "Spool") -> "Uploader":
    from jepa.fleet.keys import read_fleet_key
    from jepa.fleet.settings import KEY_FILE, USUAL_KIB_PER_S
    from jepa.fleet.store import Store
    from jepa.fleet.upload import Uploader
    from jepa.telemetry.schema import load_schema

    fleet = read_fleet_key(key or KEY_FILE)
    return Uploader(spool, Store(address), fleet, load_schema(), USUAL_KIB_PER_S * 1024)
