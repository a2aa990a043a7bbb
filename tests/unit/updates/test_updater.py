# SPDX-License-Identifier: Apache-2.0
"""systemd-sysupdate is given what was asked for, and the loader's files say what is to start next.

The commands are answered here, since they need the image; tests/vm/test_update.py runs the real ones.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.updates.updater import SYSUPDATE, Updater, source
from jepa.updates.versions import versions
from tests.unit.updates.machines import machine, record

UKI = b"MZ"


class Commands:
    """Answers commands: the place of the loader, and what sysupdate says."""

    def __init__(self, out: str = "", error: str = "", status: int = 0, place: str = "/boot") -> None:
        self.out, self.error, self.status, self.place = out, error, status, place
        self.asked: list[Sequence[str]] = []
        self.definitions: dict[str, str] = {}

    def __call__(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        self.asked.append(command)
        if command[0] == "bootctl":
            return subprocess.CompletedProcess(command, 0 if self.place else 1, f"{self.place}\n", "")
        if command[0] == "sync":
            return subprocess.CompletedProcess(command, 0, "", "")
        assert command[0] == SYSUPDATE
        folder = Path(command[1].removeprefix("--definitions="))
        self.definitions = {path.name: path.read_text() for path in folder.iterdir()}
        return subprocess.CompletedProcess(command, self.status, self.out, self.error)


def with_slots(root: Path, other: str = "_empty") -> Path:
    """A machine that runs 1.2.0, with ``other`` in its second slot."""
    made = machine(root, "jepa-os_1.2.0", other)
    (made / "boot/EFI/Linux/jepa-os_1.2.0.efi").write_bytes(UKI)
    return made


def test_the_source_is_what_is_named_or_set(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="No source"):
        source(tmp_path, None)
    settings = tmp_path / "etc/jepa/update.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('source = "https://example.org/releases/"\n')
    assert source(tmp_path, None) == "https://example.org/releases"
    assert source(tmp_path, str(tmp_path)) == f"file://{tmp_path}"
    with pytest.raises(JepaError, match="neither a directory"):
        source(tmp_path, "ftp://example.org")
    settings.write_text("sauce = 1\n")
    with pytest.raises(JepaError, match=r"update\.toml cannot be used"):
        source(tmp_path, None)


def test_a_newer_version_is_looked_for_where_it_was_asked(tmp_path: Path) -> None:
    commands = Commands('{"available":"1.3.0"}')
    assert Updater(machine(tmp_path), commands).newer("https://example.org/r") == "1.3.0"
    assert commands.definitions == {
        "10-usr.transfer": "[Source]\nType=url-file\nPath=https://example.org/r\n"
    }
    assert commands.asked[-1][2:] == ["--json=short", "check-new"]


@pytest.mark.parametrize("out", ['{"available":null}', '{"available":"1.1.0"}', '{"available":"1.2.0"}'])
def test_what_is_not_newer_is_not_taken_unasked(tmp_path: Path, out: str) -> None:
    assert Updater(machine(tmp_path), Commands(out, status=1)).newer("file:///r") is None


def test_what_is_offered_comes_in_order(tmp_path: Path) -> None:
    commands = Commands('{"current":"1.2.0","all":["1.10.0","1.2.0","1.9.0"],"appstreamUrls":[]}')
    assert Updater(machine(tmp_path), commands).offered("file:///r") == ["1.2.0", "1.9.0", "1.10.0"]


def test_a_source_that_is_refused_is_told_with_the_reason(tmp_path: Path) -> None:
    commands = Commands(error="Downloading.\nDOWNLOAD INVALID: Signature verification failed.\n", status=1)
    with pytest.raises(JepaError, match="list of sums was altered") as caught:
        Updater(machine(tmp_path), commands).newer("file:///r")
    assert "as it was" in caught.value.remedy


def test_what_was_put_in_place_is_pending(tmp_path: Path) -> None:
    root = with_slots(tmp_path)
    record(root, "1.3.0", "long ago", failed="1.3.0\tIt failed at that time.\n")
    commands = Commands()
    Updater(root, commands).apply("file:///r", "1.3.0")
    assert commands.asked[-2][2:] == ["update", "1.3.0"]
    assert commands.asked[-1] == ["sync", str(root / "boot/EFI/Linux/jepa-os_1.2.0.efi")]
    found = versions(machine(tmp_path, "jepa-os_1.3.0"))
    assert found is not None
    assert (found.other, found.role, found.reason) == ("1.3.0", "pending", "")
    assert (root / "boot/EFI/Linux/jepa-os_1.2.0.efi").exists()


def test_an_older_one_that_is_asked_for_goes_before_the_one_that_runs(tmp_path: Path) -> None:
    root = with_slots(tmp_path)
    Updater(root, Commands()).apply("file:///r", "1.1.0")
    assert [path.name for path in (root / "boot/EFI/Linux").iterdir()] == ["jepa-os_1.2.0+0-0.efi"]
    found = versions(machine(tmp_path, "jepa-os_1.1.0"))
    assert found is not None
    assert (found.other, found.role) == ("1.1.0", "pending")


def test_an_update_that_breaks_off_leaves_no_record(tmp_path: Path) -> None:
    root = with_slots(tmp_path)
    said = "Transfer failed: Transferred a partial file\n"
    with pytest.raises(JepaError, match=r"1\.3\.0 was not put in place: the connection broke off"):
        Updater(root, Commands(error=said, status=1)).apply("file:///r", "1.3.0")
    assert not (root / "var/lib/jepa-update").exists()
    assert [path.name for path in (root / "boot/EFI/Linux").iterdir()] == ["jepa-os_1.2.0.efi"]


def test_nothing_is_fetched_where_the_loader_has_no_room(tmp_path: Path) -> None:
    root = with_slots(tmp_path)
    with (root / "boot/EFI/Linux/jepa-os_1.2.0.efi").open("wb") as huge:
        huge.truncate(1 << 42)
    commands = Commands()
    with pytest.raises(JepaError, match="firmware starts from is full"):
        Updater(root, commands).apply("file:///r", "1.3.0")
    assert [command[0] for command in commands.asked] == ["bootctl"]


def test_nothing_is_fetched_where_there_is_no_second_slot(tmp_path: Path) -> None:
    root = machine(tmp_path, "jepa-os_1.2.0", "jepa-root")
    commands = Commands()
    with pytest.raises(JepaError, match="no second slot"):
        Updater(root, commands).apply("file:///r", "1.3.0")
    assert [command[0] for command in commands.asked] == ["bootctl"]


def test_what_is_here_already_is_not_fetched_again(tmp_path: Path) -> None:
    root = with_slots(tmp_path, "jepa-os_1.3.0")
    (root / "boot/EFI/Linux/jepa-os_1.3.0+0-3.efi").write_bytes(UKI)
    for version, where in (("1.3.0", "is here"), ("1.2.0", "runs")):
        with pytest.raises(JepaError, match=f"{version} {where} already"):
            Updater(root, Commands()).apply("file:///r", version)


def test_what_an_update_left_half_done_is_put_in_place_anew(tmp_path: Path) -> None:
    root = with_slots(tmp_path, "jepa-os_1.3.0")
    commands = Commands()
    Updater(root, commands).apply("file:///r", "1.3.0")
    assert commands.asked[-2][2:] == ["update", "1.3.0"]
    assert commands.asked[-1] == ["sync", str(root / "boot/EFI/Linux/jepa-os_1.2.0.efi")]


def test_a_name_without_content_that_a_power_cut_left_is_no_version(tmp_path: Path) -> None:
    root = with_slots(tmp_path, "jepa-os_1.3.0")
    empty = root / "boot/EFI/Linux/jepa-os_1.3.0+3-0.efi"
    empty.touch()
    with pytest.raises(JepaError, match="no other version"):
        Updater(root, Commands()).back()
    empty.touch()
    assert Updater(root, Commands('{"available":"1.3.0"}')).newer("file:///r") == "1.3.0"
    assert not empty.exists()
    empty.touch()
    commands = Commands()
    Updater(root, commands).apply("file:///r", "1.3.0")
    assert commands.asked[-2][2:] == ["update", "1.3.0"]
    assert [path.name for path in empty.parent.iterdir()] == ["jepa-os_1.2.0.efi"]


def test_nothing_is_put_in_place_where_the_loader_is_not_there(tmp_path: Path) -> None:
    commands = Commands(place="")
    with pytest.raises(JepaError, match="firmware starts from"):
        Updater(machine(tmp_path), commands).apply("file:///r", "1.3.0")
    assert [command[0] for command in commands.asked] == ["bootctl"]


def test_a_clock_that_was_never_set_is_named(tmp_path: Path) -> None:
    root = with_slots(tmp_path)
    os.utime(root / "usr/lib/os-release", (1 << 33, 1 << 33))
    with pytest.raises(JepaError, match="The clock shows"):
        Updater(root, Commands('{"available":"1.3.0"}')).newer("file:///r")


def test_going_back_lets_the_loader_prefer_the_other(tmp_path: Path) -> None:
    root = with_slots(tmp_path, "jepa-os_1.1.0")
    folder = root / "boot/EFI/Linux"
    for name in ("jepa-os_1.1.0.efi", "other.efi"):
        (folder / name).write_bytes(UKI)
    assert Updater(root, Commands()).back() == "1.1.0"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("jepa-os_1.1.0.efi", "jepa-os_1.2.0+0-0.efi", "other.efi"),
    ]
    before = versions(root)
    assert before is not None
    assert (before.other, before.role) == ("1.1.0", "pending")
    after = versions(machine(root, version="1.1.0", boot="later"))
    assert after is not None
    assert (after.other, after.role, after.reason) == ("1.2.0", "failed", "a person went back from it.")
    assert not after.trial


@pytest.mark.parametrize("other", ["jepa-os_1.3.0+0-3.efi", "jepa-os_1.2.0.efi", "memtest.efi"])
def test_there_is_no_going_back_to_what_failed_or_is_not_there(tmp_path: Path, other: str) -> None:
    root = with_slots(tmp_path, "jepa-os_1.3.0")
    folder = root / "boot/EFI/Linux"
    (folder / other).write_bytes(UKI)
    before = sorted(folder.iterdir())
    with pytest.raises(JepaError, match="no other version"):
        Updater(root, Commands()).back()
    assert sorted(folder.iterdir()) == before
