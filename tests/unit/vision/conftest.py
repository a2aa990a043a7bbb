# SPDX-License-Identifier: Apache-2.0
"""A tiny vision pack with seeded weights, and videos of a square that moves."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from jepa_lab.vjepa2.checkpoint import open_checkpoint
from jepa_lab.vjepa2.convert import Wanted, convert
from tests.unit.jepa_lab.vjepa2 import tiny
from tests.unit.jepa_lab.vjepa2.acting_reference import ActingPredictor

FPS = 4


@pytest.fixture(scope="session")
def vision_pack(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    def make(folder: Path) -> None:
        file = tiny.write_file(tiny.original_layout(tiny.model()), folder / "vitl.pt")
        convert(open_checkpoint(file), Wanted(frames=4, crop=64), folder / "tiny", lambda _: None)

    return made_once("vision", make) / "tiny"


@pytest.fixture(scope="session")
def acting_reference() -> ActingPredictor:
    torch.set_num_threads(1)  # on a busy machine several wait for each other
    torch.manual_seed(1)
    return ActingPredictor(128, 128, 2, 2, 7, tiny.CROP // 16).eval()


@pytest.fixture(scope="session", params=[1, 2], ids=["one move", "two moves"])
def acting_pack(
    request: pytest.FixtureRequest,
    acting_reference: ActingPredictor,
    made_once: Callable[[str, Callable[[Path], object]], Path],
) -> Path:
    """Of an encoder and a predictor that is told of actions."""

    def make(folder: Path) -> None:
        predictor = {f"module.{key}": value for key, value in acting_reference.state_dict().items()}
        content = tiny.original_layout(tiny.model()) | {"predictor": predictor}
        checkpoint = open_checkpoint(tiny.write_file(content, folder / "ac.pt"))
        wanted = Wanted(crop=tiny.CROP, candidates=16, horizon=request.param)
        convert(checkpoint, wanted, folder / "tiny", lambda _: None)

    return made_once(f"acting-{request.param}", make) / "tiny"


def drawn(number: int, width: int = 96, height: int = 80, dark: bool = False) -> np.ndarray:
    """A frame with a square that goes from left to right."""
    picture = np.full((height, width, 3), 10 if dark else 200, np.uint8)
    at = 4 + 4 * number % (width - 24)
    picture[20:40, at : at + 20] = (250, 40, 20)
    return picture


@pytest.fixture
def video(tmp_path: Path) -> Callable[..., Path]:
    def write(
        name: str = "video.mp4",
        frames: int = 24,
        size: tuple[int, int] = (96, 80),
        dark: bool = False,
        dark_from: int | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for number in range(frames):
                night = dark or (dark_from is not None and number >= dark_from)
                frame = av.VideoFrame.from_ndarray(drawn(number, *size, dark=night), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
