# SPDX-License-Identifier: Apache-2.0
"""jepa-vision: its file, the cameras that come, and its reports, also while nobody hears them."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.reporting import EventReporter
from jepa.telemetry.events.reports import Reports, WatchState
from jepa.vision.camera_watch import CameraWatch
from jepa.vision.config import Config, load_config
from jepa.vision.daemon import Cameras, sights
from jepa.vision.deviation import CoarseSight, LatentSight
from tests.unit.vision.test_camera_watch import FPS, SOON, Camera, Port


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (None, Config()),
        ("", Config()),
        ("cameras = []", Config(cameras=())),
        ('cameras = ["/dev/video2"]\nfps = 0.5', Config(cameras=("/dev/video2",), fps=0.5)),
    ],
)
def test_what_the_file_says(tmp_path: Path, text: str | None, config: Config) -> None:
    if text is not None:
        (tmp_path / "v.toml").write_text(text)
    assert load_config(tmp_path / "v.toml") == config


@pytest.mark.parametrize(
    "text",
    ["cameras = [", "camera = []", "fps = 0", 'cameras = ["holiday.mp4"]', "\x00", "cameras = 'all'"],
)
def test_a_file_that_is_wrong_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.toml").write_text(text)
    with pytest.raises(JepaError, match=r"v\.toml"):
        load_config(tmp_path / "v.toml")


def test_every_camera_is_watched_from_when_it_comes() -> None:
    ports = {"/dev/video0": Port(Camera([100] * 9)), "/dev/video1": Port(Camera([100] * 40, goes=False))}
    there: list[str] = []
    told: list[Event] = []
    cameras = Cameras(
        lambda: there,
        lambda where: CameraWatch(
            where, CoarseSight(), FPS, opened=ports[where], patient=True, retry_s=SOON
        ),
        told.append,
    )
    cameras.look()
    assert cameras.state() == WatchState(True, "no camera is plugged in")
    there += ["/dev/video0"]
    cameras.look()
    until(lambda: told)
    assert (told[0].kind, told[0].unit) == ("camera_lost", "/dev/video0")
    state = cameras.state()
    assert not state.ok
    assert state.reason.startswith("/dev/video0 ")
    assert "2 clips" in state.reason
    there += ["/dev/video1"]
    cameras.look()
    until(lambda: "10 clips" in cameras.state().reason)
    cameras.stop()


def test_what_breaks_a_thread_ends_the_process_that_looks() -> None:
    class Broken(CoarseSight):
        def look(self, frames: object, *, follows: bool) -> float | None:
            raise MemoryError

    port = Port(Camera([100] * 40))
    cameras = Cameras(
        lambda: ["c"], lambda where: CameraWatch(where, Broken(), FPS, opened=port), lambda event: None
    )

    def looked() -> bool:
        cameras.look()
        return False

    with pytest.raises(MemoryError):
        until(looked)


def test_without_a_pack_that_can_be_used_changes_are_watched_and_the_reason_is_said(
    vision_pack: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made, why = sights(vision_pack)
    assert isinstance(made(), LatentSight)
    assert why == ""
    monkeypatch.setenv("JEPA_PACK", str(tmp_path / "machine"))
    made, why = sights(None)
    assert isinstance(made(), CoarseSight)
    assert why == "There is no vision pack here."
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/pack.toml").write_text((vision_pack / "pack.toml").read_text())
    made, why = sights(None)
    assert isinstance(made(), CoarseSight)
    assert "cannot be read" in why
    with pytest.raises(JepaError, match="cannot be read"):
        sights(tmp_path / "broken")


def event(number: int) -> Event:
    return Event(time.time_ns(), "anomaly", "/dev/video0", str(number), "info", "vision")


def test_reports_wait_for_a_collector_that_is_away_and_the_oldest_are_let_go(place: Path) -> None:
    path = place / "reports.sock"
    with contextlib.closing(EventReporter(path)) as reporter:
        for number in range(250):
            reporter.report(event(number))
        assert (reporter.waiting, reporter.lost) == (200, 50)
        assert "No such file" in reporter.fault
        with contextlib.closing(Reports(path)) as reports:
            told: list[Event] = []
            until(
                lambda: (
                    reporter.report_state(WatchState(True, ""))
                    or told.extend(reports.ready())
                    or not reporter.waiting
                )
            )
            told += reports.ready()
            assert told[0].detail == "50"
            assert [each.kind for each in told[50:]] == ["events_lost"] * len(told[50:])
            assert reporter.fault == ""


def test_the_daemon_starts_without_a_camera_waits_for_one_and_ends_when_told(place: Path) -> None:
    (place / "vision.toml").write_text('cameras = ["/dev/video99"]')
    with contextlib.closing(Reports(place / "reports.sock")) as reports:
        command = "import sys; from jepa.vision.daemon import main; sys.exit(main(sys.argv[1:]))"
        options = ["--config", str(place / "vision.toml"), "--reports", str(place / "reports.sock")]
        process = subprocess.Popen(
            [sys.executable, "-c", command, *options], stderr=subprocess.PIPE, text=True
        )
        told: list[Event] = []
        until(lambda: told.extend(reports.ready()) or told)
        assert (told[0].kind, told[0].unit) == ("camera_lost", "/dev/video99")
        until(lambda: reports.ready() or not reports.state().ok)
        assert "/dev/video99 cannot be opened" in reports.state().reason
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in said


def test_a_wrong_file_ends_the_daemon_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from jepa.vision.daemon import main

    (tmp_path / "v.toml").write_text("fps = -1")
    assert main(["--config", str(tmp_path / "v.toml")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
