# SPDX-License-Identifier: Apache-2.0
"""What goes into the image has the modes of a system's files, whatever the clone's."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tools.disk_files import disk, portable_executable
from tools import userland
from tools.build_image import ARTIFACTS, lacking_room, publish, set_modes, share_tools
from tools.vm.image import ROOT


@pytest.fixture(scope="module")
def private_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository, without its packs, that nobody but its owner may read."""
    clone = tmp_path_factory.mktemp("clone") / "jepa"
    sparse = ["git", "-C", str(clone), "sparse-checkout", "set", "mkosi.extra", "userland/src/jepa"]
    for command in (
        ["git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(clone)],
        sparse,
        ["git", "-C", str(clone), "checkout", "--quiet"],
    ):
        subprocess.run(command, check=True, umask=0o077)
    assert (clone / "mkosi.extra/usr/bin/jepa").stat().st_mode & 0o777 == 0o700
    return clone


def modes(tree: Path) -> Iterator[tuple[Path, int]]:
    """Each file and directory in ``tree`` that is no link, and its mode."""
    for path in tree.rglob("*"):
        if not path.is_symlink():
            yield path.relative_to(tree), path.stat().st_mode & 0o7777


def expected(clone: Path, prefix: str) -> dict[Path, int]:
    """The mode of each file below ``prefix`` as git keeps it."""
    listed = subprocess.run(
        ["git", "-C", str(clone), "ls-files", "--stage", "-z", "--", prefix],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    entries = (entry.split("\t") for entry in listed.split("\0") if entry)
    return {
        Path(name).relative_to(prefix): int(stage.split()[0], 8) & 0o777
        for stage, name in entries
        if not stage.startswith("120000")
    }


def test_the_userland_of_a_private_clone_is_readable_by_all(
    private_clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(userland, "ROOT", private_clone)
    monkeypatch.setattr(userland, "BUILD", private_clone / "build")
    before = os.umask(0o077)
    try:
        userland.make_userland()
    finally:
        os.umask(before)
    set_modes(private_clone / "build/userland")
    made = private_clone / "build/userland"
    found = dict(modes(made))
    assert Path("usr/lib/jepa/jepa/__init__.py") in found
    assert {mode for path, mode in found.items() if (made / path).is_dir()} == {0o755}
    assert {mode for path, mode in found.items() if (made / path).is_file()} == {0o644}


def test_the_files_of_a_private_clone_get_the_modes_that_git_keeps(
    private_clone: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    # As mkosi does, which leaves directories like /usr with the modes of the clone's, too.
    shutil.copytree(private_clone / "mkosi.extra", root, symlinks=True)
    (root / "var").mkdir()
    (root / "etc/shadow").write_text("jepa:!*:20786::::::\nlocked:!:0::::::\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/extra").symlink_to(private_clone / "mkosi.extra")
    (root / "usr/lib/modules/7.3").mkdir(parents=True)
    (root / "usr/lib/modules/7.3/config").write_text("CONFIG_X=y\n")
    program = root / "usr/lib/jepa/jepa/updates/etc.py"
    program.parent.mkdir(parents=True)
    shutil.copy(ROOT / "userland/src/jepa/updates/etc.py", program)
    places = {"BUILDROOT": root, "SRCDIR": tmp_path / "src", "OUTPUTDIR": tmp_path}
    environment = os.environ | {name: str(place) for name, place in places.items()}
    environment |= {"SOURCE_DATE_EPOCH": "1700000000", "IMAGE_VERSION": "0.1.0"}
    subprocess.run([ROOT / "mkosi.finalize"], env=environment, check=True, umask=0o077)
    found = dict(modes(root))
    kept = expected(private_clone, "mkosi.extra")
    assert kept
    assert {path: found[path] for path in kept} == kept
    assert (tmp_path / "jepa-os.config").read_text() == "CONFIG_X=y\n"
    assert (root / "etc/shadow").read_text() == "jepa:!*:::::::\nlocked:!:0::::::\n"
    noted = (root / "var/lib/jepa-update/etc/0.1.0").read_text()
    assert noted == (root / "usr/share/factory/etc.list").read_text()
    assert "\tfstab\n" in noted
    assert {path.lstat().st_mtime for path in root.rglob("*")} == {1700000000}
    assert {found[Path("usr")], found[Path("usr/lib/systemd/system")]} == {0o755}


def test_a_file_that_all_may_write_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "open"
    file.touch()
    file.chmod(0o666)
    set_modes(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o644


def test_the_cache_of_the_tools_tree_is_the_finished_tree_under_another_name(tmp_path: Path) -> None:
    tree, cache = tmp_path / "mkosi.output/tools", tmp_path / "mkosi.cache/tools.cache"
    for each in (tree, cache):
        (each / "usr/lib").mkdir(parents=True)
        (each / "usr/lib/os-release").write_text("ID=debian\n")
    (cache / "half").touch()
    cache.with_name("tools.linked").mkdir()  # of a build that was killed
    for _ in range(2):
        share_tools(tmp_path)
        assert (cache / "usr/lib/os-release").samefile(tree / "usr/lib/os-release")
        assert sorted(each.name for each in cache.parent.iterdir()) == ["tools.cache"]
        assert not (cache / "half").exists()


def test_a_build_that_changes_nothing_leaves_what_was_published_whole(tmp_path: Path) -> None:
    image, output = tmp_path / "image", tmp_path / "output"
    output.mkdir()
    for suffix in ARTIFACTS:
        (output / f"jepa-os.{suffix}").write_text("what mkosi made")
    (output / "jepa-os.efi").write_bytes(portable_executable((".cmdline", b"usrhash=12 rw")))
    publish(output, image)
    with (image / "jepa-os.cmdline").open() as reader:
        assert reader.read() == "usrhash=12 rw\n"
        publish(output, image)
        reader.seek(0)
        assert reader.read() == "usrhash=12 rw\n"
    assert sorted(each.name for each in image.iterdir()) == sorted(f"jepa-os.{each}" for each in ARTIFACTS)


@pytest.mark.parametrize(("room", "lacks"), [(2, False), (1, True)])
def test_a_usr_that_no_slot_has_room_for_is_told(tmp_path: Path, room: int, lacks: bool) -> None:
    usr, verity = uuid.UUID(int=7 << 90), uuid.UUID(int=11 << 80)
    (tmp_path / "jepa-os.raw").write_bytes(disk(("u", usr, bytes(2 << 20)), ("v", verity, b"h")))
    words = f"usrhash={usr.hex}{verity.hex} rw".encode()
    (tmp_path / "jepa-os.efi").write_bytes(portable_executable((".cmdline", words)))
    slot = tmp_path / "41-usr-b.conf"
    slot.write_text(f"[Partition]\nType=usr\nSizeMaxBytes={room}M\n")
    assert ("takes 2 MiB and the slot for an update has 1" in lacking_room(tmp_path, slot)) is lacks
