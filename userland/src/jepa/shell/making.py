# SPDX-License-Identifier: Apache-2.0
"""Makes the change that a person was shown, counts down while it is watched, and says what came of it."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from jepa.actions.change import Change, State
from jepa.actions.client import Progress
from jepa.actions.messages import ActionRequest as ActionRequest
from jepa.actions.rows import change_row, state
from jepa.shell.changes import STATE_COLOURS
from jepa.shell.request import Request


def make(request: Request, wanted: ActionRequest, consent: bool) -> int:
    """Have ``wanted`` done; 1 when it was reverted or failed."""
    out = request.out
    with _countdown(request) as progress:
        change = request.actuator.act(wanted, consent, progress)
    if out.json:
        out.data(change_row(change))
    else:
        word = out.coloured(state(change), STATE_COLOURS[state(change)])
        out.line(f"{change.id}  {word}{f': {change.detail}' if change.detail else ''}")
    return 0 if change.state in (State.APPLIED, State.COMMITTED) else 1


@contextmanager
def _countdown(request: Request) -> Iterator[Progress]:
    """Show on a terminal how much longer the change is watched."""
    watched = threading.Event()
    over = threading.Event()

    def progress(change: Change) -> None:
        if change.state is State.APPLIED:
            watched.set()

    def count() -> None:
        watched.wait()
        left = request.args.watch
        while left > 0 and not over.is_set():
            with suppress(OSError):  # a terminal that is gone must not end the watch
                sys.stderr.write(f"\r  in force, watched for {left} s more  ")
                sys.stderr.flush()
            over.wait(1.0)
            left -= 1
        with suppress(OSError):
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    shows = request.args.watch and sys.stderr.isatty() and not request.prompt and not request.out.json
    thread = threading.Thread(target=count, name="countdown", daemon=True) if shows else None
    if thread is not None:
        thread.start()
    try:
        yield progress
    finally:
        over.set()
        watched.set()
        if thread is not None:
            thread.join()
