# SPDX-License-Identifier: Apache-2.0
"""A vision pack encodes and predicts, and what it cannot hold in memory it refuses first."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.packs.places import default_pack_dir
from jepa.vision.model import VisionModel


@pytest.fixture
def frames() -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(4, 3, 64, 64)).astype(np.float32))


def test_it_encodes_and_predicts(vision_pack: Path, frames: list[np.ndarray]) -> None:
    model = VisionModel.load(vision_pack)
    latents = model.encode(frames)
    assert latents.shape == (2, 16, 128)
    assert model.predict(latents).shape == (2, 16, 128)
    assert np.isfinite(latents).all()
    with pytest.raises(ValueError, match="4 frames, not 3"):
        model.encode(frames[:3])


def test_too_little_memory_is_said_before_anything_is_loaded(
    vision_pack: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 100 kB\nMemAvailable:    1000 kB\n")
    model = VisionModel.load(vision_pack, tmp_path)
    with pytest.raises(JepaError, match=r"needs \d+ MiB for its encoder, and 0 MiB are free"):
        model.encode(frames)
    assert not model._sessions
    (tmp_path / "proc/meminfo").write_text("rubbish\nMemAvailable: much\n")
    assert VisionModel.load(vision_pack, tmp_path).encode(frames).shape == (2, 16, 128)


def test_limits_of_the_process_count_as_well(
    vision_pack: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemAvailable:    100000000 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/jepa.slice/jepa-vision.service\n")
    group = tmp_path / "sys/fs/cgroup/jepa.slice"
    (group / "jepa-vision.service").mkdir(parents=True)
    for folder, limit in ((group / "jepa-vision.service", "max"), (group, "66001000")):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("66000000\n")
    with pytest.raises(JepaError, match="and 0 MiB are free"):
        VisionModel.load(vision_pack, tmp_path).open()
    (group / "memory.max").write_text("max\n")
    VisionModel.load(vision_pack, tmp_path).open()


def test_limits_of_a_version_1_group_count_also_where_a_container_shows_only_the_root(
    vision_pack: Path, tmp_path: Path
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemAvailable:    100000000 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("4:cpu,memory:/docker/1\n1:name=systemd:/x\n0::/\nrubbish\n")
    group = tmp_path / "sys/fs/cgroup/memory"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("66001000\n")
    (group / "memory.usage_in_bytes").write_text("66000000\n")
    with pytest.raises(JepaError, match="and 0 MiB are free"):
        VisionModel.load(vision_pack, tmp_path).open()


def test_a_machine_pack_sees_nothing() -> None:
    with pytest.raises(JepaError, match="is for the machine"):
        VisionModel.load(default_pack_dir())


def test_weights_that_were_changed_are_not_run(
    vision_pack: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(vision_pack, tmp_path / "pack"))
    with (copy / "encoder.onnx.data").open("r+b") as data:
        data.write(b"x")
    with pytest.raises(JepaError, match="is not the one its pack was made with"):
        VisionModel.load(copy).encode(frames)
    manifest = copy / "pack.toml"
    manifest.write_text(manifest.read_text().replace('"encoder.onnx"', '"a/../../../etc/passwd"'))
    with pytest.raises(JepaError, match=r"outside itself|cannot be read"):
        VisionModel.load(copy).encode(frames)
