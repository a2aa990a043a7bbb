# SPDX-License-Identifier: Apache-2.0
"""Extension images of packs: what is refused before it is mounted, and what becomes of one that is taken.

The commands that mount are answered here by copying a directory; tests/vm/test_packs.py runs the real ones.
"""

import platform
import shutil
import struct
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.packs.extension_image import _KINDS, examine
from jepa.packs.images import ARCHITECTURES, Images
from jepa.packs.places import IMAGES, MOUNTED, chosen_title, installed_in_use, mounted_packs

SOURCE = Path(__file__).parents[3] / "model-packs" / "machine"
NATIVE = ARCHITECTURES[platform.machine()]
OTHER = next(name for name in _KINDS if name != NATIVE)


def image(path: Path, kinds: Sequence[str], cut: int = 0) -> Path:
    """An image whose partition table has partitions of ``kinds``; without its last ``cut`` bytes."""
    entries = b"".join(uuid.UUID(kind).bytes_le.ljust(128, b"\1") for kind in kinds).ljust(128 * 128, b"\0")
    header = (
        b"EFI PART".ljust(32, b"\0") + struct.pack("<Q", 99) + bytes(32) + struct.pack("<QII", 2, 128, 128)
    )
    path.write_bytes(
        (bytes(512) + header.ljust(512, b"\0") + entries).ljust(100 * 512, b"\0")[: 51200 - cut]
    )
    return path


class Mounting:
    """Answers the commands: to mount is to copy ``tree``, and says ``error`` where there is one."""

    def __init__(self, tree: Path, error: str = "") -> None:
        self.tree, self.error = tree, error

    def __call__(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        if "systemd-dissect" in command:
            assert "--image-policy=root=signed:=absent" in command
            if self.error:
                return subprocess.CompletedProcess(command, 1, "", self.error)
            shutil.copytree(self.tree, command[-1], dirs_exist_ok=True)
        if command[0] == "umount":
            for path in Path(command[-1]).iterdir():
                shutil.rmtree(path)
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system without packs."""
    release = tmp_path / "root/usr/lib/os-release"
    release.parent.mkdir(parents=True)
    release.write_text('ID=debian\nIMAGE_ID="jepa-os"\n')
    return tmp_path / "root"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What is in the image of the machine pack as version 9.1.0."""
    folder = tmp_path / "tree"
    pack = folder / "usr/lib/jepa/packs/machine"
    pack.mkdir(parents=True)
    for path in (*SOURCE.glob("*.onnx"), SOURCE / "effects.json"):
        shutil.copy(path, pack)
    manifest = (SOURCE / "pack.toml").read_text()
    version = next(line for line in manifest.splitlines() if line.startswith("version = "))
    (pack / "pack.toml").write_text(manifest.replace(version, 'version = "9.1.0"'))
    releases = folder / "usr/lib/extension-release.d"
    releases.mkdir()
    (releases / "extension-release.machine_9.1.0").write_text(f"ID=_any\nARCHITECTURE={NATIVE}\n")
    return folder


def nothing_stays(root: Path) -> bool:
    place = root / IMAGES
    mounts = root / MOUNTED
    return not (place.is_dir() and any(place.iterdir())) and not (mounts.is_dir() and any(mounts.iterdir()))


@pytest.mark.parametrize(
    ("kinds", "cut", "reason"),
    [
        (_KINDS[NATIVE], 1, "cut short: 51,199 of 51,200 bytes"),
        (_KINDS[NATIVE], 51000, "is no extension image"),
        (_KINDS[OTHER], 0, f"is made for {OTHER}, and this machine is {NATIVE}"),
        ((str(uuid.UUID(int=7)),), 0, "for no architecture that is known"),
        (_KINDS[NATIVE][:2], 0, "is not signed"),
    ],
)
def test_an_image_that_cannot_be_mounted_is_refused_at_once(
    tmp_path: Path, root: Path, tree: Path, kinds: Sequence[str], cut: int, reason: str
) -> None:
    source = image(tmp_path / "machine_9.1.0.raw", kinds, cut)
    with pytest.raises(JepaError, match=reason):
        Images(root, Mounting(tree)).add(source)
    assert nothing_stays(root)


def test_a_whole_image_passes(tmp_path: Path) -> None:
    examine(image(tmp_path / "machine_9.1.0.raw", _KINDS[NATIVE]), NATIVE)


def test_an_image_lies_beside_others_until_it_is_dropped(tmp_path: Path, root: Path, tree: Path) -> None:
    images = Images(root, Mounting(tree))
    source = image(tmp_path / "machine_9.1.0.raw", _KINDS[NATIVE])
    manifest = images.add(source)
    assert (manifest.name, manifest.version) == ("machine", "9.1.0")
    assert images.titles() == ["machine_9.1.0"]
    (mounted,) = mounted_packs(root)
    assert chosen_title("machine", root) is None
    images.choose("machine", "machine_9.1.0")
    assert installed_in_use("machine", root) == mounted
    with pytest.raises(JepaError, match="installed already"):
        images.add(source)
    images.choose("machine", None)
    images.drop("machine_9.1.0")
    assert (images.titles(), mounted_packs(root), chosen_title("machine", root)) == ([], [], None)


def test_after_a_boot_all_are_there_again_and_the_same_one_is_in_use(
    tmp_path: Path, root: Path, tree: Path
) -> None:
    images = Images(root, Mounting(tree))
    images.add(image(tmp_path / "machine_9.1.0.raw", _KINDS[NATIVE]))
    images.choose("machine", "machine_9.1.0")
    shutil.rmtree(root / MOUNTED)
    (root / IMAGES / ".machine_9.2.0.raw").write_bytes(b"the power went")
    assert images.mount_all() == []
    assert installed_in_use("machine", root) is not None
    assert sorted(path.name for path in (root / IMAGES).iterdir()) == ["in-use", "machine_9.1.0.raw"]
    shutil.rmtree(root / MOUNTED)
    (fault,) = Images(root, Mounting(tree, "Failed to mount image: Structure needs cleaning")).mount_all()
    assert "cannot be mounted: Failed to mount image: Structure needs cleaning." in fault.problem
    assert (chosen_title("machine", root), installed_in_use("machine", root)) == ("machine_9.1.0", None)


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("extension-release.d/extension-release.machine_9.1.0", "ID=fedora\n", "an extension for fedora"),
        (
            "extension-release.d/extension-release.machine_9.1.0",
            f"ID=_any\nARCHITECTURE={OTHER}\n",
            f"is for {OTHER}",
        ),
        ("extension-release.d/extension-release.machine_9.1.0", None, "for no system at all"),
        ("jepa/packs/machine/encode.onnx", "x", "encode.onnx is not the one its pack was made with"),
        ("jepa/packs/machine/pack.toml", None, "There is no pack in"),
    ],
)
def test_an_image_that_does_not_fit_leaves_nothing_behind(
    tmp_path: Path, root: Path, tree: Path, path: str, content: str | None, reason: str
) -> None:
    file = tree / "usr/lib" / path
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    with pytest.raises(JepaError, match=reason):
        Images(root, Mounting(tree)).add(image(tmp_path / "machine_9.1.0.raw", _KINDS[NATIVE]))
    assert nothing_stays(root)


def test_an_image_is_called_after_what_it_holds(tmp_path: Path, root: Path, tree: Path) -> None:
    with pytest.raises(JepaError, match="is not called NAME_VERSION"):
        Images(root, Mounting(tree)).add(image(tmp_path / "machine.raw", _KINDS[NATIVE]))
    releases = tree / "usr/lib/extension-release.d"
    (releases / "extension-release.machine_9.1.0").rename(releases / "extension-release.machine_9.2.0")
    with pytest.raises(JepaError, match=r"machine_9.2.0 holds machine 9.1.0"):
        Images(root, Mounting(tree)).add(image(tmp_path / "machine_9.2.0.raw", _KINDS[NATIVE]))
    assert nothing_stays(root)


def test_a_strange_signature_is_told_from_other_faults(tmp_path: Path, root: Path, tree: Path) -> None:
    said = "Failed to activate verity device: Required key not available\n"
    with pytest.raises(JepaError, match="signed by nobody who is trusted here"):
        Images(root, Mounting(tree, said)).add(image(tmp_path / "machine_9.1.0.raw", _KINDS[NATIVE]))
    assert nothing_stays(root)


def test_without_room_nothing_is_copied(
    tmp_path: Path, root: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: _Full)
    with pytest.raises(JepaError, match="16 MiB are needed, 1 free"):
        Images(root, Mounting(tree)).add(image(tmp_path / "machine_9.1.0.raw", _KINDS[NATIVE]))
    assert nothing_stays(root)


class _Full:
    free = 1 << 20
