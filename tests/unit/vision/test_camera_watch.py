# SPDX-License-Identifier: Apache-2.0
"""What surprises is told once, a camera that goes is waited for, and every picture is counted."""

import gc
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.telemetry.events.event import Event
from jepa.vision import pipeline
from jepa.vision.camera_watch import CameraWatch, WatchCounts
from jepa.vision.deviation import CoarseSight
from jepa.vision.source import Picture, PictureSource, open_source

FPS = 4.0
SOON = (0.01, 0.02)


@pytest.fixture(autouse=True)
def nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """These cameras give all their pictures at once."""
    monkeypatch.setattr(pipeline, "_QUEUE", 10_000)


class Camera:
    """Grey pictures as a camera gives them, then it is gone, unless ``goes`` is false."""

    damaged = jumps = 0

    def __init__(self, greys: list[int], *, live: bool = True, goes: bool = True, size: int = 40) -> None:
        self.live, self.closed = live, False
        self._greys, self._goes, self._size = greys, goes, size

    def __iter__(self) -> Iterator[Picture]:
        for number, grey in enumerate(self._greys):
            yield Picture(number / FPS, np.full((self._size, 50, 3), grey, np.uint8))
        if self._goes:
            raise JepaError("/dev/video0 is gone: No such device.", "Is it plugged in?")

    def close(self) -> None:
        self.closed = True


class Port:
    """Where cameras are plugged in one after the other; None is a time without one."""

    def __init__(self, *cameras: Camera | None) -> None:
        self.cameras = list(cameras)
        self.opened: list[Camera] = []

    def __call__(self, where: str) -> PictureSource:
        camera = self.cameras.pop(0) if self.cameras else None
        if camera is None:
            raise JepaError(f"{where} cannot be opened: No such file or directory.", "Is it plugged in?")
        self.opened.append(camera)
        return camera


def watched(watch: CameraWatch, clips: int) -> list[Event]:
    """The events until so many clips."""
    told: list[Event] = []
    end = time.monotonic() + 20
    for events in watch:
        assert time.monotonic() < end, watch.counts
        told += events
        if watch.counts.clips >= clips:
            break
    return told


def whole(seen: WatchCounts) -> bool:
    """Whether every picture is in a clip, dropped or left."""
    return seen.taken == 4 * seen.clips + seen.dropped + seen.left


QUIET = [100, 101] * 60
"""30 clips of next to nothing."""


def test_a_sudden_change_is_one_event_and_its_end_another() -> None:
    watch = CameraWatch(
        "/dev/video0", CoarseSight(), FPS, opened=Port(Camera([*QUIET, *[250] * 20])), wall_ns=lambda: 7
    )
    told = watched(watch, 35)
    assert [(each.kind, each.unit, each.source, each.ts_ns) for each in told] == [
        ("anomaly", "/dev/video0", "vision", 7),
        ("anomaly_over", "/dev/video0", "vision", 7),
    ]
    assert "times what is usual, more than 100.0% of 29 clips (plain change of coarse" in (
        told[0].detail or ""
    )
    assert watch.counts.strange == 1
    assert watch.counts.unchanged == 33


def test_what_always_moves_surprises_nobody() -> None:
    waves = [int(100 + 80 * np.sin(number / 3)) for number in range(600)]
    assert watched(CameraWatch("c", CoarseSight(), FPS, opened=Port(Camera(waves))), 150) == []


def test_a_camera_that_is_unplugged_is_told_once_and_taken_up_when_it_is_back() -> None:
    cameras = Camera([100] * 10), Camera([100] * 9), Camera([100] * 8, goes=False)
    port = Port(cameras[0], None, None, None, cameras[1], cameras[2])
    watch = CameraWatch("/dev/video0", CoarseSight(), FPS, opened=port, retry_s=SOON)
    told = watched(watch, 6)
    assert [each.kind for each in told] == ["camera_lost", "camera_back"] * 2
    assert told[0].detail == "/dev/video0 is gone: No such device"
    assert (watch.counts.reconnects, watch.counts.clips, watch.counts.taken, watch.counts.left) == (
        2,
        6,
        27,
        3,
    )
    assert whole(watch.counts)
    assert all(camera.closed for camera in cameras)
    assert watch.fault == ""


def test_a_hundred_replugs_leave_nothing_behind() -> None:
    descriptors, threads = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    port = Port(*(Camera([100] * 9) for _ in range(100)))
    watch = CameraWatch("/dev/video0", CoarseSight(), FPS, opened=port, retry_s=(0.0, 0.0))
    told = watched(watch, 200)
    assert len(told) == 198
    assert watch.counts.reconnects == 99
    assert whole(watch.counts)
    assert threading.active_count() == threads
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert all(camera.closed for camera in port.opened)


def test_a_camera_that_went_is_forgotten_at_once_not_when_garbage_is_collected() -> None:
    port = Port(*(Camera([100] * 9) for _ in range(5)))
    gone = [weakref.ref(camera) for camera in port.cameras if camera is not None]
    gc.collect()
    gc.disable()
    try:
        watch = CameraWatch("/dev/video0", CoarseSight(), FPS, opened=port, retry_s=(0.0, 0.0))
        watched(watch, 10)
        port.opened.clear()
        assert [each() for each in gone] == [None] * 5
    finally:
        gc.enable()


def test_a_change_while_it_was_away_is_no_surprise() -> None:
    port = Port(Camera(QUIET), Camera([250] * 40))
    told = watched(CameraWatch("c", CoarseSight(), FPS, opened=port, retry_s=SOON), 40)
    assert [each.kind for each in told] == ["camera_lost", "camera_back"]


def test_a_clip_follows_only_one_that_was_looked_at() -> None:
    class Told(CoarseSight):
        gate = 0.02

        def __init__(self) -> None:
            super().__init__()
            self.follows: list[bool] = []

        def look(self, frames: Sequence[np.ndarray], *, follows: bool) -> float | None:
            self.follows.append(follows)
            return super().look(frames, follows=follows)

    sight = Told()
    port = Port(Camera([0] * 4 + [90] * 4 + [91] * 4 + [180] * 4 + [0] * 4), Camera([99] * 4))
    watched(CameraWatch("c", sight, FPS, opened=port, retry_s=SOON), 6)
    assert sight.follows == [False, True, False, True, False]


def test_a_camera_known_by_its_port_is_not_taken_for_another_with_its_number() -> None:
    with pytest.raises(JepaError, match="is not plugged in"):
        list(CameraWatch("/dev/v4l/by-path/none", CoarseSight(), FPS, opened=Port(Camera([1] * 4))))


def test_a_camera_that_ends_without_a_word_is_lost_too() -> None:
    told = watched(
        CameraWatch(
            "c", CoarseSight(), FPS, opened=Port(Camera([1] * 4, goes=False), Camera([1] * 4)), retry_s=SOON
        ),
        2,
    )
    assert [(each.kind, each.detail) for each in told] == [
        ("camera_lost", "c has ended"),
        ("camera_back", "after 0 s"),
    ]


def test_a_silent_camera_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_SILENT_S", 0.05)
    monkeypatch.setattr(pipeline, "_LET_GO_S", 0.05)
    let_go = threading.Event()

    class Silent(Camera):
        def __iter__(self) -> Iterator[Picture]:
            let_go.wait(10)
            return iter(())

    silent = Silent([])
    told = watched(
        CameraWatch("c", CoarseSight(), FPS, opened=Port(silent, Camera([1] * 4)), retry_s=SOON), 1
    )
    assert told[0].detail == "It has given no picture for 0 s"
    let_go.set()


def test_a_camera_that_was_never_there_is_refused_unless_it_is_waited_for() -> None:
    with pytest.raises(JepaError, match="cannot be opened"):
        list(CameraWatch("/dev/video9", CoarseSight(), FPS, opened=Port()))
    port = Port(None, None, Camera([100] * 4))
    told = watched(
        CameraWatch("/dev/video9", CoarseSight(), FPS, opened=port, patient=True, retry_s=SOON), 1
    )
    assert [each.kind for each in told] == ["camera_lost", "camera_back"]


def test_it_ends_when_it_is_told_to_also_while_it_waits() -> None:
    class Endless(Camera):
        def __iter__(self) -> Iterator[Picture]:
            for number in itertools.count():
                time.sleep(0.001)
                yield Picture(number / FPS, np.full((40, 50, 3), 100, np.uint8))

    for port in (Port(), Port(Endless([]))):
        watch = CameraWatch("c", CoarseSight(), FPS, opened=port, patient=True, retry_s=(30, 30))
        thread = threading.Thread(target=lambda watch=watch: list(watch))
        thread.start()
        watch.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_pictures_of_changing_size_are_watched_on() -> None:
    class Growing(Camera):
        def __iter__(self) -> Iterator[Picture]:
            for number in range(160):
                size = 40 + number // 8
                yield Picture(number / FPS, np.full((size, 90 - size, 3), 100, np.uint8))

    watch = CameraWatch("c", CoarseSight(), FPS, opened=Port(Growing([], live=False)))
    assert list(watch) == [[]] * 40
    assert whole(watch.counts)


def test_a_video_is_watched_to_its_end_and_says_when(video: Callable[..., Path]) -> None:
    watch = CameraWatch(str(video(frames=120, dark_from=100)), CoarseSight(), FPS)
    told = [event for events in watch for event in events]
    assert [each.kind for each in told] == ["anomaly", "anomaly_over"]
    assert (told[0].detail or "").startswith("at 25.0 s: ")
    assert watch.counts.clips == 30


def test_a_truncated_video_is_watched_as_far_as_it_is_whole(video: Callable[..., Path]) -> None:
    path = video("video.mkv", frames=80)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    watch = CameraWatch(str(path), CoarseSight(), FPS)
    assert list(watch)
    assert 5 < watch.counts.clips < 20
    assert whole(watch.counts)


@pytest.mark.parametrize(
    ("camera", "sentence"),
    [
        (Camera([], live=False, goes=False), None),
        (Camera([1], live=False, size=0), "has no colours"),
    ],
)
def test_no_picture_at_all(camera: Camera, sentence: str | None) -> None:
    watch = CameraWatch("c", CoarseSight(), FPS, opened=Port(camera))
    if sentence is None:
        assert list(watch) == []
    else:
        with pytest.raises(JepaError, match=sentence):
            list(watch)


def test_a_video_without_frames_is_one_sentence(video: Callable[..., Path]) -> None:
    path = video("none.mkv", frames=1)
    content = path.read_bytes()
    path.write_bytes(content[: content.find(b"\x1f\x43\xb6\x75") + 8])
    with pytest.raises(JepaError, match=r"no whole frame|cannot be opened|holds no video"):
        list(CameraWatch(str(path), CoarseSight(), FPS, opened=open_source))
