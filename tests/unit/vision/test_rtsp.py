# SPDX-License-Identifier: Apache-2.0
"""A camera on the network: its pictures arrive, one that goes or is silent is told, and no password is."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.shell.cli import main
from jepa.telemetry.events.event import Event
from jepa.telemetry.linelog import read_rows
from jepa.vision import source as sources
from jepa.vision.camera_watch import CameraWatch
from jepa.vision.config import load_config
from jepa.vision.daemon import Cameras
from jepa.vision.deviation import CoarseSight
from jepa.vision.source import open_source
from tests.rtsp import RtspCamera
from tests.unit.vision.conftest import FPS, drawn
from tests.unit.vision.test_camera_watch import SOON, whole
from tests.unit.vision.test_vision_daemon import until

SECRET = "hush-hush"


def some() -> Iterator[np.ndarray]:
    return map(drawn, range(12))


def without_end() -> Iterator[np.ndarray]:
    return map(drawn, itertools.count())


def test_its_pictures_arrive_as_they_were_sent_and_in_their_time() -> None:
    with RtspCamera(some, FPS) as camera, closing(open_source(camera.url())) as source:
        pictures = list(source)
    assert source.live
    assert source.damaged == 0
    np.testing.assert_allclose([picture.at_s for picture in pictures], np.arange(12) / FPS, atol=0.001)
    for picture, sent in zip(pictures, some(), strict=True):
        assert picture.rgb.shape == (80, 96, 3)
        assert np.abs(picture.rgb.astype(int) - sent).mean() < 2


def test_large_pictures_that_take_many_packets_are_whole() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 480, 640, 3), np.uint8)
    with RtspCamera(lambda: noise, FPS) as camera, closing(open_source(camera.url())) as source:
        assert [picture.rgb.shape for picture in source] == [(480, 640, 3)] * 3
    assert source.damaged == 0


def test_only_pictures_are_asked_for_and_who_closes_it_says_so() -> None:
    with RtspCamera(without_end, FPS, every_s=0.01) as camera:
        with closing(open_source(camera.url())) as source:
            next(iter(source))
        until(lambda: not camera.connections)
    assert camera.methods == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]


def test_one_whose_plug_is_pulled_is_told_once_and_watched_again_when_it_is_back() -> None:
    with RtspCamera(without_end, 4, every_s=0.01, password=SECRET) as camera:
        watch = CameraWatch(camera.url(), CoarseSight(), 4.0, patient=True, retry_s=SOON)
        told: list[Event] = []
        for events in watch:
            told += events
            if watch.counts.clips == 3 and not told:
                camera.off()
            elif [each.kind for each in events] == ["camera_lost"]:
                camera.on()
            if watch.counts.reconnects and watch.counts.clips >= 8:
                break
    name = f"rtsp://127.0.0.1:{camera.port}/yard"
    assert [(each.kind, each.unit) for each in told] == [("camera_lost", name), ("camera_back", name)]
    assert told[0].detail == f"{name} has ended"
    assert watch.fault == ""
    assert whole(watch.counts)


def test_a_silent_one_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_PATIENCE_S", 0.3)
    with (
        RtspCamera(some, FPS, falls_silent=True, password=SECRET) as camera,
        closing(open_source(camera.url())) as source,
        pytest.raises(JepaError, match=r"^rtsp://127.0.0.1:\d+/yard is gone: it said nothing for 0.3 s\."),
    ):
        list(source)


@pytest.mark.parametrize("password", ["wrong-one", SECRET])
def test_no_password_is_said_whether_it_is_right_or_wrong(password: str) -> None:
    with RtspCamera(some, FPS, password=SECRET) as camera:
        where = camera.url().replace(SECRET, password)
        told: list[Event] = []
        cameras = Cameras(
            lambda: [where],
            lambda where: CameraWatch(where, CoarseSight(), FPS, patient=True, retry_s=SOON),
            told.append,
        )
        cameras.look()
        until(lambda: told)
        cameras.stop()
    said = f"{cameras.state()} {told}"
    assert ("authorization failed" in said) == (password != SECRET)
    assert f"rtsp://127.0.0.1:{camera.port}/yard" in said
    for hidden in ("viewer", SECRET, "wrong-one"):
        assert hidden not in said


def test_neither_is_it_kept_beside_latents_nor_in_what_an_error_was_made_of(
    vision_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RtspCamera(some, FPS, password=SECRET) as camera:
        place = ["--pack", str(vision_pack), "--index", str(tmp_path / "index")]
        assert main(["vision", "embed", camera.url(), *place]) == 0
    rows = list(read_rows(tmp_path / "index/clips.lines"))
    assert {row["source"] for row in rows} == {f"rtsp://127.0.0.1:{camera.port}/yard"}
    with pytest.raises(JepaError) as refused:
        open_source(camera.url())
    assert refused.value.__suppress_context__
    assert main(["vision", "embed", camera.url(), *place]) == 1
    said = capsys.readouterr()
    assert "Connection refused" in said.err
    assert SECRET not in said.out + said.err


def test_a_wrong_file_of_cameras_does_not_say_their_passwords(tmp_path: Path) -> None:
    for wrong in (f"http://viewer:{SECRET}@h/", f"rtsp://viewer:{SECRET}@h/ x", f'" {SECRET}'):
        (tmp_path / "v.toml").write_text(f'cameras = ["{wrong}"]')
        with pytest.raises(JepaError) as refused:
            load_config(tmp_path / "v.toml")
        assert SECRET not in str(refused.value)


def test_who_may_not_use_the_network_hears_so_and_the_remedy() -> None:
    program = Path(__file__).with_name("no_network.py")
    done = subprocess.run(
        [sys.executable, str(program), f"rtsp://viewer:{SECRET}@127.0.0.1:9/yard"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rtsp://127.0.0.1:9/yard cannot be opened: this process may not use the network" in done.stdout
    assert "systemctl edit jepa-vision" in done.stdout
