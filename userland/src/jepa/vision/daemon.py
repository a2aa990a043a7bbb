# SPDX-License-Identifier: Apache-2.0
"""jepa-vision: watches the cameras, under systemd or in the foreground, and reports what surprises."""

import argparse
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from jepa.ending import when_asked
from jepa.errors import JepaError
from jepa.notify import Notifier
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.reporting import EventReporter
from jepa.telemetry.events.reports import WatchState
from jepa.vision.camera_watch import CameraWatch
from jepa.vision.config import FILE, MOST, Config, load_config, plugged_in
from jepa.vision.deviation import CoarseSight, LatentSight, Sight

_LOOK_S = 2.0
"""How often new cameras are looked for, and the watchdog is fed."""
_SAY_EVERY = 5
"""Looks between two reports of how it does."""
_END_S = 2.0
"""How long a camera is waited for at the end; eight of them still end in time."""


class Cameras:
    """Watches each camera that ``found`` names in a thread of its own, from when it is first named.

    ``made`` makes the watch of one; ``report`` is given its events, from its thread.
    """

    def __init__(
        self,
        found: Callable[[], Sequence[str]],
        made: Callable[[str], CameraWatch],
        report: Callable[[Event], object],
    ) -> None:
        self._found, self._made, self._report = found, made, report
        self._watches: dict[str, CameraWatch] = {}
        self._threads: list[threading.Thread] = []
        self._broken: BaseException | None = None

    def look(self) -> None:
        """Take in those that are new, up to MOST; what broke a camera's thread is raised."""
        for where in self._found():
            if where not in self._watches and len(self._watches) < MOST:
                watch = self._watches[where] = self._made(where)
                thread = threading.Thread(target=self._follow, args=(watch,), name=watch.unit, daemon=True)
                self._threads.append(thread)
                thread.start()
        if self._broken is not None:
            raise self._broken

    def _follow(self, watch: CameraWatch) -> None:
        try:
            for events in watch:
                for event in events:
                    self._report(event)
        except BaseException as error:  # whatever it is, the process is to end and be started again
            self._broken = error

    def state(self) -> WatchState:
        """How all of them do, for people."""
        if not self._watches:
            return WatchState(True, "no camera is plugged in")
        faults = [watch.fault for watch in self._watches.values() if watch.fault]
        counts = [f"{watch.unit}: {watch.counts.words}" for watch in self._watches.values()]
        return WatchState(not faults, " ".join([*faults, *counts]))

    def stop(self) -> None:
        """End every watch, waiting a while for each to let go of its camera."""
        for watch in self._watches.values():
            watch.stop()
        for thread in self._threads:
            thread.join(_END_S)


def sights(pack: Path | None) -> tuple[Callable[[], Sight], str]:
    """What makes the sight of a camera, and why it is coarse; JepaError only for a pack that is named."""
    from jepa.packs.pack import first_of_kind
    from jepa.vision.model import VisionModel

    folder = pack or first_of_kind("vision")
    if folder is None:
        return CoarseSight, "There is no vision pack here."
    try:
        model = VisionModel.load(folder)
        model.open()
    except JepaError as error:
        if pack is not None:
            raise
        return CoarseSight, str(error)
    lock = threading.Lock()
    return lambda: LatentSight(model, lock), ""


def main(argv: Sequence[str] | None = None) -> int:
    """Watch until SIGTERM or SIGINT; 1 with one sentence when it cannot."""
    parser = argparse.ArgumentParser(
        prog="jepa-vision",
        description="Watch the cameras, and report to jepa-telemetry what surprises. No picture is kept.",
    )
    parser.add_argument("--config", type=Path, default=FILE, help="what to watch (default: %(default)s)")
    parser.add_argument("--reports", type=Path, help="where to report (default: jepa-telemetry's socket)")
    args = parser.parse_args(argv)
    try:
        watch(load_config(args.config), EventReporter(args.reports))
    except JepaError as error:
        print(f"jepa-vision: {error}", file=sys.stderr)
        return 1
    return 0


def watch(config: Config, reporter: EventReporter, found: Callable[[], Sequence[str]] = plugged_in) -> None:
    """Watch what ``config`` says until SIGTERM or SIGINT; JepaError when its pack cannot be used."""
    notifier = Notifier()
    notifier.send(STATUS="Starting.")
    ending = threading.Event()
    when_asked(ending.set)
    sight, coarse_because = sights(config.pack)
    if coarse_because:
        _say(f"watching plain changes of coarse pictures. {coarse_because}")
    cameras = Cameras(
        found if config.cameras is None else lambda: config.cameras or (),
        lambda where: CameraWatch(where, sight(), config.fps, patient=True),
        lambda event: _report(event, reporter),
    )
    said_ok = True
    try:
        for looks in _count_until(ending):
            cameras.look()
            state = cameras.state()
            if looks == 0:
                notifier.send(READY=1)
            notifier.send(WATCHDOG=1, STATUS=state.reason)
            if looks % _SAY_EVERY == 0 or state.ok != said_ok:
                reporter.report_state(state)
                said_ok = state.ok
    finally:
        notifier.send(STOPPING=1)
        cameras.stop()
        _say(cameras.state().reason)
        reporter.close()


def _count_until(ending: threading.Event) -> Iterator[int]:
    looks = 0
    while not ending.is_set():
        yield looks
        looks += 1
        ending.wait(_LOOK_S)


def _report(event: Event, reporter: EventReporter) -> None:
    _say(" ".join(filter(None, (event.kind, event.unit, event.detail))))
    reporter.report(event)


def _say(text: str) -> None:
    print(f"jepa-vision: {text}", file=sys.stderr, flush=True)
