# SPDX-License-Identifier: Apache-2.0
"""`jepa events`: recent and new events: failed units, devices, errors in the kernel log."""

import time
from collections.abc import Iterator
from itertools import chain

from jepa.service.api import EventOut, TickOut
from jepa.shell.formatting import event_line
from jepa.shell.request import Request


def run(request: Request) -> int:
    """Show the events of the last while; with --follow also those to come, until Ctrl-C."""
    since_s: int = request.args.since
    since_ns = max(0, time.time_ns() - since_s * 1_000_000_000)
    follow = request.args.follow and not request.prompt
    kept = request.client.events(limit=1000)
    known = [event for event in kept if event.ts_ns > since_ns]
    coming: Iterator[TickOut | EventOut] = iter(())
    if follow:
        # By number, not by time: an event may be heard of late, or the clock be set back.
        coming = request.client.stream(after=kept[-1].sequence if kept else 0)
    shown = 0
    try:
        for event in chain(known, (each for each in coming if isinstance(each, EventOut))):
            if request.args.kind and event.kind not in request.args.kind:
                continue
            if request.out.json:
                request.out.data(event)
            else:
                request.out.line(event_line(event))
            request.out.flush()
            shown += 1
    except KeyboardInterrupt:
        pass
    if not shown and not request.out.json and not follow:
        request.out.line("No events. `jepa doctor` says whether they are watched for.")
    return 0
