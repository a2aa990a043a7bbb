# SPDX-License-Identifier: Apache-2.0
"""Which QEMU is taken, and how one inside the tools tree is started."""

import subprocess
from pathlib import Path

import pytest

from tools.vm import emulator
from tools.vm.board import ARM, PC, Board
from tools.vm.emulator import (
    HOST,
    IMAGE_TOOL,
    Emulator,
    Firmware,
    installed,
    parse_version,
)


def make_tree(root: Path, version: str, board: Board = PC) -> Path:
    """A tree whose dynamic loader prints how it was started, or the version when asked for it."""
    loader = root / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    loader.parent.mkdir(parents=True)
    loader.write_text(
        f'#!/bin/sh\ncase "$*" in *--version) echo "QEMU emulator version {version} (Debian)" ;;'
        ' *) echo "$QEMU_MODULE_DIR $*" ;; esac\n'
    )
    loader.chmod(0o755)
    for name in (board.program, IMAGE_TOOL, *board.firmware[0]):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright", (7, 2, 22)),
        ("QEMU emulator version 10.0.13", (10, 0, 13)),
        ("no such option", ()),
    ],
)
def test_the_version_is_read_from_what_qemu_prints(said: str, version: tuple[int, ...]) -> None:
    assert parse_version(said) == version


@pytest.mark.parametrize(("first", "second", "taken"), [("9.2.1", "10.0.13", 1), ("10.0", "7.2.22", 0)])
def test_the_newest_is_taken_by_number_not_by_letter(
    tmp_path: Path, first: str, second: str, taken: int
) -> None:
    roots = make_tree(tmp_path / "a", first), make_tree(tmp_path / "b", second)
    assert installed(roots, PC)[0].root == roots[taken]


@pytest.mark.parametrize("lacking", [PC.program, IMAGE_TOOL, PC.firmware[0][0], "usr/lib/x86_64-linux-gnu"])
def test_a_tree_with_something_missing_is_no_emulator(tmp_path: Path, lacking: str) -> None:
    root = make_tree(tmp_path / "tree", "10.0.13")
    (root / lacking).rename(tmp_path / "away")
    assert installed((root,), PC) == []


def test_what_runs_from_the_tree_uses_its_loader_libraries_modules_and_data(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree", "10.0.13")
    (found,) = installed((root,), PC)
    libraries = root / "usr/lib/x86_64-linux-gnu"
    said = subprocess.run([*found.system_command(), "-m", "1"], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [
        f"{libraries}/qemu", "--library-path", str(libraries), f"{root}/{PC.program}",
        "-L", f"{root}/usr/share/qemu", "-L", f"{root}/usr/share/seabios", "-m", "1",
    ]  # fmt: skip
    assert str(found) == "QEMU 10.0.13 of the image's tools tree"
    firmware = found.firmware()
    assert firmware is not None
    assert firmware.code == root / PC.firmware[0][0]


def test_firmware_with_secure_boot_is_another_and_may_be_missing(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree", "10.0.13")
    (found,) = installed((root,), PC)
    assert found.firmware(secure=True) is None
    (root / PC.secure_firmware[0][0]).touch()
    code, variables = (root / each for each in PC.secure_firmware[0])
    assert found.firmware(secure=True) == Firmware(code, variables, secure=True)


def test_an_emulator_of_one_kind_of_machine_is_none_of_the_other(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree", "10.0.13", ARM)
    assert installed((root,), PC) == []
    (found,) = installed((root,), ARM)
    assert found.system_command()[-5] == f"{root}/usr/bin/qemu-system-aarch64"


def test_the_hosts_own_is_started_plainly() -> None:
    assert Emulator(HOST, (7, 2), PC).system_command() == [f"/{PC.program}"]
    assert Emulator(HOST, (7, 2)).image_command() == [f"/{IMAGE_TOOL}"]
    assert str(Emulator(HOST, (7, 2))) == "QEMU 7.2 of the host"


def test_without_any_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "installed", lambda board: [])
    with pytest.raises(FileNotFoundError, match=r"make image$"):
        emulator.newest(PC)
    with pytest.raises(FileNotFoundError, match="make image ARCH=arm64"):
        emulator.newest(ARM)
