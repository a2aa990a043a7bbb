# SPDX-License-Identifier: Apache-2.0
"""Sources yield every whole frame, count damaged ones, and say what is wrong in one sentence."""

from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.vision.source import VideoSource, open_source
from tests.unit.vision.conftest import FPS, drawn


def test_a_video_yields_its_frames_in_time(video: Callable[..., Path]) -> None:
    with closing(open_source(str(video(frames=12)))) as source:
        pictures = list(source)
    assert not source.live
    assert len(pictures) == 12
    np.testing.assert_allclose([picture.at_s for picture in pictures], np.arange(12) / FPS, atol=0.01)
    assert pictures[3].rgb.shape == (80, 96, 3)
    assert np.abs(pictures[3].rgb.astype(int) - drawn(3)).mean() < 8, "it is what was drawn"
    assert source.damaged == 0


def test_a_live_source_gives_the_same_pictures_from_memory_of_its_own(video: Callable[..., Path]) -> None:
    path = str(video(frames=12))
    with closing(VideoSource(path, live=False)) as file, closing(VideoSource(path, live=True)) as live:
        for one, other in zip(file, live, strict=True):
            assert one.at_s == other.at_s
            np.testing.assert_array_equal(one.rgb, other.rgb)


def test_a_truncated_video_yields_what_is_whole(video: Callable[..., Path]) -> None:
    path = video("video.mkv", frames=40)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with closing(open_source(str(path))) as source:
        assert 5 < len(list(source)) < 40


def test_damage_in_the_middle_is_passed_over(video: Callable[..., Path]) -> None:
    path = video("video.mkv", frames=40)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    with closing(open_source(str(path))) as source:
        assert len(list(source)) > 20


@pytest.mark.parametrize("content", [b"", b"no video", bytes(5000)])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(JepaError, match="cannot be opened"):
        open_source(str(path))


def test_a_video_without_frames_is_refused(video: Callable[..., Path]) -> None:
    path = video("none.mkv", frames=1)
    content = path.read_bytes()
    path.write_bytes(content[: content.find(b"\x1f\x43\xb6\x75") + 8])  # up to its first cluster
    with (
        pytest.raises(JepaError, match=r"no whole frame|cannot be opened|holds no video"),
        closing(open_source(str(path))) as source,
    ):
        list(source)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(JepaError, match="holds no video"):
        open_source(str(path))


@pytest.mark.parametrize("where", ["/nowhere", "/dev/video99", "rtsp://127.0.0.1:9/none"])
def test_what_is_not_there_is_named(where: str) -> None:
    with pytest.raises(JepaError, match=where.rpartition("/")[2]):
        open_source(where)


def test_a_folder_yields_its_pictures_by_name_and_counts_those_that_are_none(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        with av.open(str(tmp_path / f"{number}.png"), "w", format="image2") as container:
            stream = container.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = 96, 80, "rgb24"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(drawn(number), format="rgb24")))
            container.mux(stream.encode())
    (tmp_path / "0b.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not looked at")
    source = open_source(str(tmp_path))
    pictures = list(source)
    assert source.damaged == 1
    assert len(pictures) == 3
    for number, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture.rgb, drawn(number))


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="no pictures"):
        open_source(str(tmp_path))


def test_a_screen_that_is_not_there_is_named() -> None:
    with pytest.raises(JepaError, match="cannot be opened"):
        open_source("screen", {"DISPLAY": ":99"})


def encoded(path: Path, codec: str, count: int = 100, first: int = 0) -> Path:
    """Pictures at 25 a second, stamped from the ``first`` such period on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 96, 80, "yuv420p"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(drawn(number), format="rgb24")
            frame.pts, frame.time_base = first + number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_all_pictures_of_joined_recordings_are_used(tmp_path: Path, codec: str) -> None:
    one = encoded(tmp_path / "one.ts", codec).read_bytes()
    (tmp_path / "joined.ts").write_bytes(one + one + one)
    with closing(open_source(str(tmp_path / "joined.ts"))) as source:
        times = [picture.at_s for picture in source]
    assert len(times) == 300
    np.testing.assert_allclose(times, np.arange(300) / 25, atol=0.02)
    assert source.jumps == 2


@pytest.mark.parametrize("name", ["raw.h264", "out of order.avi"])
def test_pictures_without_good_stamps_follow_each_other(tmp_path: Path, name: str) -> None:
    with closing(open_source(str(encoded(tmp_path / name, "libx264")))) as source:
        times = np.array([picture.at_s for picture in source])
    assert len(times) == 100
    assert (np.diff(times) > 0).all()
    assert times[-1] == pytest.approx(99 / 25, abs=0.5)
    assert source.jumps == 0


def test_one_picture_stamped_hours_ahead_leaves_the_rest_in_time(tmp_path: Path) -> None:
    parts = [
        encoded(tmp_path / f"{first}.ts", "mpeg2video", count, first).read_bytes()
        for first, count in ((0, 25), (36_000 * 25, 1), (26, 24))
    ]
    (tmp_path / "leap.ts").write_bytes(b"".join(parts))
    with closing(open_source(str(tmp_path / "leap.ts"))) as source:
        times = [picture.at_s for picture in source]
    np.testing.assert_allclose(times, np.arange(50) / 25, atol=0.02)
    assert source.jumps == 2


def test_a_video_of_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    stamps_ms = [0, 40, 45, 1000, 1010, 4000, 9500, 9540]
    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 80, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, at in enumerate(stamps_ms):
            frame = av.VideoFrame.from_ndarray(drawn(number), format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with closing(open_source(str(tmp_path / "v.mkv"))) as source:
        times = [picture.at_s for picture in source]
    np.testing.assert_allclose(times, np.array(stamps_ms) / 1000, atol=1e-3)
    assert source.jumps == 0


def test_a_file_whose_duration_lies_gives_all_its_pictures(video: Callable[..., Path]) -> None:
    path = video(frames=12)
    content = bytearray(path.read_bytes())
    for box, said in ((b"mvhd", b"\x7f\xff\xff\xff"), (b"mdhd", b"\0\0\0\1")):
        at = content.index(box) + 20
        content[at : at + 4] = said
    path.write_bytes(content)
    with closing(open_source(str(path))) as source:
        assert len(list(source)) == 12
