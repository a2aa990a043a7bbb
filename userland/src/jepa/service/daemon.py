# SPDX-License-Identifier: Apache-2.0
"""jepad: the engine and the API on a socket, under systemd or in the foreground of any Linux."""

import argparse
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jepa.ending import when_asked
from jepa.errors import JepaError
from jepa.long_turns import take_long_turns
from jepa.notify import Notifier
from jepa.service.paths import socket_path, state_dir
from jepa.service.share import own_share
from jepa.sockets import listen

if TYPE_CHECKING:
    from jepa.service.engine import Engine

ALIVE_PERIODS = 10
"""The watchdog is fed while the engine's loop came round within so many periods."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run jepad until SIGTERM or SIGINT; 1 with one sentence when it cannot start."""
    parser = argparse.ArgumentParser(
        prog="jepad",
        description="Watch this machine, forecast it, and answer on a local socket.",
    )
    add_options(parser)
    args = parser.parse_args(argv)
    take_long_turns()
    try:
        serve(args.socket, args.state_dir)
    except JepaError as error:
        print(f"jepad: {error}", file=sys.stderr)
        return 1
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of jepad, for it and for `jepa serve`."""
    parser.add_argument(
        "--socket", type=Path, help="where to listen (default: $JEPA_SOCKET or /run/jepa/api.sock)"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        help="where to keep history (default: $STATE_DIRECTORY or the person's own)",
    )


def serve(path: Path | None = None, state: Path | None = None) -> None:
    """Run the service until SIGTERM or SIGINT; JepaError when it cannot start."""
    path = socket_path() if path is None else path
    state = state_dir() if state is None else state
    notifier = Notifier()
    notifier.send(STATUS="Starting.")
    listener = listen(path, socket.SOCK_STREAM, "jepad")
    share = own_share()  # before the imports, which are most of a start
    try:
        # Imported after the socket is there, so that clients wait for it instead of failing.
        from jepa.service.assembly import machine_engine

        engine = machine_engine(state, mode="daemon", share=share)
    except JepaError:
        share.close()
        listener.close()
        path.unlink(missing_ok=True)
        raise
    run(engine, listener, notifier)


def run(engine: "Engine", listener: socket.socket, notifier: Notifier) -> None:
    """Run ``engine`` and answer on ``listener`` until SIGTERM or SIGINT; removes the socket at the end."""
    from jepa.service.http import Server

    path = Path(listener.getsockname())
    ending = threading.Event()
    when_asked(ending.set)
    engine.start()
    server = Server(engine, listener)
    serving = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    serving.start()
    try:
        while not ending.is_set() and not engine.ring.wait(1, timeout_s=0.2):
            pass
        if not ending.is_set():
            print(f"jepad: listening on {path}", file=sys.stderr, flush=True)
            notifier.send(READY=1, STATUS="The first frame is taken.")
        _watch(engine, serving, notifier, ending)
    finally:
        notifier.send(STOPPING=1, STATUS="Stopping.")
        engine.stop()  # ends the streams
        server.shutdown()
        server.server_close()
        path.unlink(missing_ok=True)


def _watch(engine: "Engine", serving: threading.Thread, notifier: Notifier, ending: threading.Event) -> None:
    """Feed the watchdog while the engine and the server live, and say the state, until ``ending``."""
    step = min(5.0, (notifier.watchdog_s or 10.0) / 3)
    said = ""
    while not ending.is_set():
        fresh = time.monotonic() - engine.loop_at < ALIVE_PERIODS * engine.period_s
        if fresh and serving.is_alive():
            notifier.send(WATCHDOG=1)
        status = engine.status()
        wrong = [part for part in status.parts if part.state in ("degraded", "failed")]
        line = "; ".join(f"{part.name} {part.state}: {part.reason}" for part in wrong) or "All parts are ok."
        notifier.send(STATUS=f"{status.frames} frames, {status.missed} missed. {line}")
        if (now := ",".join(f"{part.name} {part.state}" for part in wrong)) != said:
            print(f"jepad: {line}", file=sys.stderr, flush=True)
            said = now
        ending.wait(step)
