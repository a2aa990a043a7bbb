# SPDX-License-Identifier: Apache-2.0
"""`jepa record`: frames of this machine into a directory, as Parquet; needs no daemon."""

import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from jepa.errors import JepaError
from jepa.shell.durations import duration
from jepa.shell.request import Request

if TYPE_CHECKING:
    from jepa.telemetry.frame import Frame


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
    source = machine_source(load_schema(), local=True)
    try:
        meta = record(
            source,
            request.args.folder,
            seconds,
            labels={LISTENED: True},
            on_frame=on_frame,
            listen=source.listen,
            limit_bytes=limit * 2**20 if limit else None,
        )
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
