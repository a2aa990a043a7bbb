# SPDX-License-Identifier: Apache-2.0
"""A tiny vision pack with seeded weights, and videos of a square that moves."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from jepa_lab.vjepa2.checkpoint import open_checkpoint
from jepa_lab.vjepa2.convert import Wanted, convert
from tests.unit.jepa_lab.vjepa2 import tiny

FPS = 4


@pytest.fixture(scope="session")
def vision_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vision")
    file = tiny.write_file(tiny.original_layout(tiny.model()), folder / "vitl.pt")
    convert(open_checkpoint(file), Wanted(frames=4, crop=64), folder / "tiny", lambda _: None)
    return folder / "tiny"


def drawn(number: int, width: int = 96, height: int = 80, dark: bool = False) -> np.ndarray:
    """A frame with a square that goes from left to right."""
    picture = np.full((height, width, 3), 10 if dark else 200, np.uint8)
    at = 4 + 4 * number % (width - 24)
    picture[20:40, at : at + 20] = (250, 40, 20)
    return picture


@pytest.fixture
def video(tmp_path: Path) -> Callable[..., Path]:
    def write(
        name: str = "video.mp4", frames: int = 24, size: tuple[int, int] = (96, 80), dark: bool = False
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(drawn(number, *size, dark=dark), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
