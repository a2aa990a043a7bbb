# SPDX-License-Identifier: Apache-2.0
"""A file of any kind gives the picture that a person would see: upright, whole, in its colours."""

import base64
import gc
import os
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from jepa.errors import JepaError
from jepa.packs.vision import Clip
from jepa.vision.clip import Framer
from jepa.vision.source import VideoSource, open_source

WIDTH, HEIGHT = 64, 48
Pixels = np.ndarray
TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda picture: picture,
    2: np.fliplr,
    3: lambda picture: np.rot90(picture, 2),
    4: np.flipud,
    5: lambda picture: picture.swapaxes(0, 1),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: np.rot90(picture, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""What is to be done to the stored picture, by EXIF orientation (CIPA DC-008, section 4.6.4)."""
MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""The same as display matrices a, b, c, d (ISO 14496-12, section 6.2.2)."""


def corners() -> Pixels:
    """(H, W, 3), no two corners of one colour."""
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    picture[:16, :16], picture[:16, -16:] = (220, 30, 30), (30, 200, 30)
    picture[-16:, :16], picture[-16:, -16:] = (30, 30, 220), (240, 240, 240)
    return picture


def encoded(path: Path, codec: str, *frames: av.VideoFrame, **settings: Any) -> Path:
    """Write ``frames`` as they are to ``path``."""
    pictures = path.suffix in {".png", ".jpg", ".tiff", ".bmp", ".webp"}
    with av.open(str(path), "w", format="image2" if pictures else None) as container:
        stream = container.add_stream(
            codec, rate=settings.pop("rate", 25), options=settings.pop("options", {})
        )
        stream.width, stream.height, stream.pix_fmt = (
            frames[0].width,
            frames[0].height,
            frames[0].format.name,
        )
        if (matrix := settings.pop("matrix", None)) is not None:
            stream.set_display_matrix(matrix)
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def frame_of(pixels: Pixels, format: str = "rgb24", stored: str | None = None) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=format)
    return frame.reformat(format=stored) if stored else frame


def shown(path: Path) -> Pixels:
    with closing(open_source(str(path))) as source:
        return next(iter(source)).rgb


def assert_alike(one: Pixels, other: Pixels, most: float = 6.0) -> None:
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other.astype(int)).mean() < most


def exif(orientation: int) -> bytes:
    """TIFF with that one entry."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("orientation", TURNS)
def test_a_jpeg_is_shown_as_its_exif_says(tmp_path: Path, orientation: int) -> None:
    path = encoded(tmp_path / "p.jpg", "mjpeg", frame_of(corners(), stored="yuvj420p"))
    content, said = path.read_bytes(), b"Exif\0\0" + exif(orientation)
    path.write_bytes(content[:2] + b"\xff\xe1" + struct.pack(">H", len(said) + 2) + said + content[2:])
    assert_alike(shown(path), TURNS[orientation](corners()))


@pytest.mark.parametrize("orientation", TURNS)
def test_a_png_is_shown_as_its_exif_says(tmp_path: Path, orientation: int) -> None:
    path = encoded(tmp_path / "p.png", "png", frame_of(corners()))
    content, head = path.read_bytes(), 8 + 25
    path.write_bytes(content[:head] + chunk(b"eXIf", exif(orientation)) + content[head:])
    np.testing.assert_array_equal(shown(path), TURNS[orientation](corners()))


@pytest.mark.parametrize("orientation", MATRICES)
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_video_is_shown_as_its_display_matrix_says(tmp_path: Path, orientation: int, suffix: str) -> None:
    a, b, c, d = (each << 16 for each in MATRICES[orientation])
    matrix = [a, b, 0, c, d, 0, 0, 0, 1 << 30]
    frames = [frame_of(corners(), stored="yuv420p") for _ in range(2)]
    path = encoded(tmp_path / f"v.{suffix}", "mpeg4", *frames, matrix=matrix)
    assert_alike(shown(path), TURNS[orientation](corners()), 12)


def test_a_video_that_turns_is_upright_before_and_after(tmp_path: Path) -> None:
    frames = [frame_of(corners(), stored="yuv420p") for _ in range(4)]
    path = encoded(tmp_path / "v.h264", "libx264", *frames, options={"crf": "10"})
    upright = path.read_bytes()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        # Said at key frames alone, in an SEI message, and meant for those that follow too.
        said = BitStreamFilterContext("h264_metadata=display_orientation=insert:rotate=90", stream)
        packets = [each for packet in container.demux(stream) for each in said.filter(packet)]
    path.write_bytes(upright + b"".join(map(bytes, packets)) + upright)
    with closing(open_source(str(path))) as source:
        pictures = [picture.rgb for picture in source]
    assert len(pictures) == 12
    for number, picture in enumerate(pictures):
        assert_alike(picture, np.rot90(corners()) if 4 <= number < 8 else corners())


def test_each_picture_of_a_motion_jpeg_is_shown_as_its_exif_says(tmp_path: Path) -> None:
    path = tmp_path / "v.mjpeg"
    for orientation in (1, 6, 6, 2, 1):
        test_a_jpeg_is_shown_as_its_exif_says(tmp_path, orientation)
        with path.open("ab") as video:
            video.write((tmp_path / "p.jpg").read_bytes())
    with closing(open_source(str(path))) as source:
        pictures = [picture.rgb for picture in source]
    for orientation, picture in zip((1, 6, 6, 2, 1), pictures, strict=True):
        assert_alike(picture, TURNS[orientation](corners()))


def test_pictures_of_a_folder_are_upright_too(tmp_path: Path) -> None:
    test_a_jpeg_is_shown_as_its_exif_says(tmp_path, 6)
    with closing(open_source(str(tmp_path))) as source:
        assert [picture.rgb.shape for picture in source] == [(WIDTH, HEIGHT, 3)]


@pytest.mark.parametrize(("name", "codec"), [("p.png", "png"), ("p.webp", "libwebp"), ("p.mov", "qtrle")])
def test_what_is_transparent_shows_white(tmp_path: Path, name: str, codec: str) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    pixels[..., 0], pixels[:, 32:, 3] = 200, 255  # a hidden red on the left
    pixels[:16, :, 3] = 128
    stored = {"png": "rgba", "libwebp": "bgra", "qtrle": "argb"}[codec]
    options = {"lossless": "1"} if codec == "libwebp" else {}
    path = encoded(tmp_path / name, codec, frame_of(pixels, "rgba", stored), options=options)
    picture = shown(path)
    assert_alike(picture[20:40, 2:30], np.full((20, 28, 3), 255, np.uint8), 2)
    assert_alike(picture[20:40, 34:62], np.full((20, 28, 3), (200, 0, 0), np.uint8), 2)
    assert_alike(picture[2:14, 2:30], np.full((12, 28, 3), (227, 127, 127), np.uint8), 2)


def test_alpha_beside_the_picture_of_a_webm_shows_white(tmp_path: Path) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    pixels[..., 0], pixels[:, 32:, 3] = 200, 255
    frames = [frame_of(pixels, "rgba", "yuva420p") for _ in range(3)]
    path = encoded(tmp_path / "v.webm", "libvpx-vp9", *frames)
    with closing(open_source(str(path))) as source:
        pictures = list(source)
    assert [round(picture.at_s, 2) for picture in pictures] == [0, 0.04, 0.08]
    for picture in pictures:
        assert_alike(picture.rgb[:, 2:30], np.full((HEIGHT, 28, 3), 255, np.uint8), 2)
        assert_alike(picture.rgb[:, 34:62], np.full((HEIGHT, 28, 3), (200, 0, 0), np.uint8), 2)


@pytest.mark.parametrize(
    ("codec", "alpha", "left"), [("huffyuv", 0, 200), ("rawvideo", 0, 200), ("huffyuv", 255, 255)]
)
def test_the_fourth_byte_of_an_avi_is_alpha_only_where_it_shows_anything(
    tmp_path: Path, codec: str, alpha: int, left: int
) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    pixels[..., :3], pixels[:, 32:, 3] = 200, alpha
    path = encoded(tmp_path / "v.avi", codec, frame_of(pixels, "rgba", "bgra"))
    picture = shown(path)
    assert picture[20, 5].tolist() == [left] * 3
    assert picture[20, 60].tolist() == [200] * 3


def test_a_screen_is_opaque_whatever_its_alpha(tmp_path: Path) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    pixels[..., 0] = 200
    path = encoded(tmp_path / "p.png", "png", frame_of(pixels, "rgba"))
    with closing(VideoSource(str(path), live=True)) as screen:
        assert next(iter(screen)).rgb[0, 0].tolist() == [200, 0, 0]


def test_a_palette_with_a_transparent_colour_shows_white(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + bytes([number // 8 % 2 for number in range(WIDTH)]) for _ in range(HEIGHT))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
    path = tmp_path / "p.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"PLTE", bytes([10, 20, 30, 200, 100, 50]))
        + chunk(b"tRNS", b"\0")  # of the first colour
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    picture = shown(path)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[0, 8].tolist() == [200, 100, 50]


@pytest.mark.parametrize(
    ("codec", "suffix", "stored"),
    [
        ("png", "png", "gray"),
        ("png", "png", "gray16be"),
        ("png", "png", "rgb48be"),
        ("png", "png", "rgba64be"),
        ("png", "png", "ya8"),
        ("png", "png", "monob"),
        ("tiff", "tiff", "rgb48le"),
        ("bmp", "bmp", "rgb565le"),
        ("mjpeg", "jpg", "yuvj444p"),
    ],
)
def test_pictures_of_every_depth_keep_their_greys(
    tmp_path: Path, codec: str, suffix: str, stored: str
) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, 32:] = 255
    if stored not in {"monob"}:
        pixels[24:, 16:48] = 130
    path = encoded(tmp_path / f"p.{suffix}", codec, frame_of(pixels, stored=stored))
    assert_alike(shown(path), pixels, 3)


@pytest.mark.parametrize(
    ("matrix", "range_", "space"),
    [("ITU601", "MPEG", 5), ("ITU601", "JPEG", 5), ("ITU709", "MPEG", 1), ("ITU709", "JPEG", 1)],
)
def test_videos_of_every_range_and_matrix_keep_their_colours(
    tmp_path: Path, matrix: str, range_: str, space: int
) -> None:
    frame = frame_of(np.full((HEIGHT, WIDTH, 3), (200, 40, 20), np.uint8))
    frame = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=range_)
    settings = {"colorspace": space, "color_range": 1 if range_ == "MPEG" else 2}
    path = encoded(tmp_path / "v.mp4", "libx264", frame, options={"crf": "1"}, **settings)
    assert_alike(shown(path), np.full((HEIGHT, WIDTH, 3), (200, 40, 20), np.uint8), 3)


def test_a_picture_of_high_dynamic_range_is_as_bright_as_on_a_usual_screen(tmp_path: Path) -> None:
    # White of a usual screen, 203 cd/m2, is 0.58 of the perceptual quantizer (ITU-R BT.2408).
    grey = frame_of(np.full((HEIGHT, WIDTH, 3), 148, np.uint8), stored="yuv420p10le")
    settings = {"colorspace": 9, "color_range": 1, "color_trc": 16, "color_primaries": 9}
    # With frames to reorder it decodes a video of one frame at a time that nobody has set.
    options = {"x265-params": "log-level=none:bframes=0", "crf": "1"}
    path = encoded(tmp_path / "v.mp4", "libx265", grey, options=options, **settings)
    assert shown(path).min() > 235


def test_pixels_that_are_not_square_become_so(tmp_path: Path) -> None:
    frame = frame_of(corners(), stored="yuv420p")
    path = encoded(tmp_path / "v.mp4", "mpeg4", frame, sample_aspect_ratio=Fraction(16, 12))
    assert shown(path).shape[:2] == (HEIGHT, round(WIDTH * 16 / 12))


def test_an_interlaced_video_shows_one_field(tmp_path: Path) -> None:
    fields = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    fields[::2, 8:24] = fields[1::2, 32:48] = 220  # it has moved between them
    frames = [frame_of(fields, stored="yuv422p") for _ in range(2)]
    options = {"flags": "+ildct+ilme", "b": "8M"}
    path = encoded(tmp_path / "v.mkv", "mpeg2video", *frames, options=options)
    picture = shown(path).astype(int)
    assert picture[:, 12:20].min() > 180, "the first field, whole"
    assert picture[:, 36:44].max() < 80, "nothing of the other"


def test_every_picture_of_an_animation_is_used(tmp_path: Path) -> None:
    for codec, suffix, stored in (("gif", "gif", "rgb8"), ("apng", "apng", "rgb24")):
        frames = [frame_of(np.full((HEIGHT, WIDTH, 3), 60 * n, np.uint8), stored=stored) for n in range(4)]
        path = encoded(tmp_path / f"a.{suffix}", codec, *frames, rate=5)
        with closing(open_source(str(path))) as source:
            pictures = list(source)
        assert [round(picture.at_s, 2) for picture in pictures] == [0, 0.2, 0.4, 0.6], suffix
        assert [int(picture.rgb.mean()) // 50 for picture in pictures] == [0, 1, 2, 3], suffix


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 5), (17, 31)])
def test_a_picture_of_any_size_makes_a_frame(tmp_path: Path, size: tuple[int, int]) -> None:
    path = encoded(tmp_path / "p.png", "png", frame_of(np.full((*size, 3), 77, np.uint8)))
    clip = Clip(frames=1, channels=3, resize=73, crop=64, mean=(0, 0, 0), std=(1, 1, 1))
    np.testing.assert_allclose(Framer(clip)(shown(path)), 77 / 255, atol=1e-6)


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    cover = encoded(tmp_path / "cover.png", "png", frame_of(corners())).read_bytes()
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=44100)
        picture = container.add_stream("png", rate=1)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "rgb24"
        picture.disposition = av.stream.Disposition.attached_pic
        packet = av.Packet(cover)
        packet.stream = picture
        container.mux(packet)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    assert len(av.open(str(path)).streams.video) == 1
    with pytest.raises(JepaError, match="holds no video"):
        open_source(str(path))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
@pytest.mark.parametrize(
    ("suffix", "codec", "stored"), [("png", "png", "rgb24"), ("jpg", "mjpeg", "yuvj420p")]
)
def test_a_truncated_picture_is_refused_or_counted(
    tmp_path: Path, suffix: str, codec: str, stored: str, share: float
) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    path = encoded(tmp_path / f"1.{suffix}", codec, frame_of(noise, stored=stored))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(JepaError), closing(open_source(str(path))) as source:
        list(source)
    (tmp_path / f"2.{suffix}").write_bytes(content)
    with closing(open_source(str(tmp_path))) as folder:
        assert len(list(folder)) == 1
        assert folder.damaged == 1


@pytest.mark.parametrize("name", ["12:30 garden.png", "frame%03d.png", "-.png", "a?b#c.png", "[1]*.png"])
def test_a_file_of_any_name_is_that_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded(tmp_path / "p.png", "png", frame_of(corners())).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(shown(Path(name)), corners())


def test_numbered_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 100):
        pixels = np.full((HEIGHT, WIDTH, 3), number, np.uint8)
        encoded(tmp_path / f"frame{number}.png", "png", frame_of(pixels))
    with closing(open_source(str(tmp_path))) as source:
        assert [int(picture.rgb[0, 0, 0]) for picture in source] == [9, 10, 100]


def test_pictures_leave_no_threads_and_no_memory_behind(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = (rng.integers(0, 256, (720, 1280, 3), np.uint8) for _ in range(40))
    file = tmp_path / "video.avi"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuvj420p"
        for picture in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    before = threads(), resident_mib()
    most = before
    with closing(open_source(str(file))) as source:
        gc.disable()
        try:
            for picture in source:
                assert picture.rgb.shape == (720, 1280, 3)
                most = max(most[0], threads()), max(most[1], resident_mib())
        finally:
            gc.enable()
    # The decoder has a few threads of its own; 40 pictures are 55 MiB.
    assert most[0] - before[0] <= 2 * (os.cpu_count() or 1) + 2
    assert most[1] - before[1] < 40


def threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


TRANSPARENT_AVIF = (
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAAGGbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAA"
    "AAAAAAAAAAAOcGl0bQAAAAAAAQAAACxpbG9jAAAAAEQAAAIAAQAAAAEAAAHFAAAANAACAAAAAQAAAa4AAAAXAAAAQmlpbmYA"
    "AAAAAAIAAAAaaW5mZQIAAAAAAQAAYXYwMUNvbG9yAAAAABppbmZlAgAAAAACAABhdjAxQWxwaGEAAAAAGmlyZWYAAAAAAAAA"
    "DmF1eGwAAgABAAEAAADDaXBycAAAAJ1pcGNvAAAAFGlzcGUAAAAAAAAAEAAAABAAAAAQcGl4aQAAAAADCAgIAAAADGF2MUOB"
    "AAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAAA5waXhpAAAAAAEIAAAADGF2MUOBABwAAAAAOGF1eEMAAAAAdXJuOm1wZWc6bXBl"
    "Z0I6Y2ljcDpzeXN0ZW1zOmF1eGlsaWFyeTphbHBoYQAAAAAeaXBtYQAAAAAAAAACAAEEAQKDBAACBAEFhgcAAABTbWRhdBIA"
    "CgUYDP/YVDIMRGAAAFCMnLwTmyiAEgAKCRgM/9ogIaDQgDIlEgf39qkAggg+QAAA0MUh5fH7UP7X7jPnMHp1xu2DEEKqlGla"
    "cA=="
)
"""16 by 16 pixels of red, transparent on the left, opaque on the right, written by Pillow 13.0 (libavif)."""


def test_alpha_in_a_picture_of_its_own_hides_what_is_under_it(tmp_path: Path) -> None:
    file = tmp_path / "half.avif"
    file.write_bytes(base64.b64decode(TRANSPARENT_AVIF))
    with closing(open_source(str(file))) as source:
        (picture,) = [each.rgb for each in source]
    np.testing.assert_allclose(picture[:, :6], 255, atol=6)
    np.testing.assert_allclose(picture[:, 10:], np.broadcast_to([200, 0, 0], (16, 6, 3)), atol=6)
