# SPDX-License-Identifier: Apache-2.0
"""A unified kernel image is read for its command line and version, and what is none is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.tools.disk_files import portable_executable
from tools.uki import command_line, of_profile, profiles, version
from tools.vm.image import ROOT

WORDS = "usrhash=0123 root=LABEL=jepa-root rw"


def test_the_command_line_is_found_among_other_sections(tmp_path: Path) -> None:
    uki = tmp_path / "uki.efi"
    sections = [(".osrel", b"ID=debian\n"), (".cmdline", WORDS.encode() + b"\0"), (".linux", b"MZ" * 999)]
    uki.write_bytes(portable_executable(*sections))
    assert command_line(uki) == WORDS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (portable_executable((".linux", b"MZ")), "no section .cmdline"),
        (b"ELF".ljust(4096, b"\0"), "no PE file"),
        (portable_executable((".cmdline", b"quiet"))[:0x90], "cut short"),
        (b"", "cut short"),
    ],
)
def test_what_has_no_command_line_is_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    uki = tmp_path / "uki.efi"
    uki.write_bytes(content)
    with pytest.raises(ValueError, match=rf"uki\.efi.*{reason}"):
        command_line(uki)


def test_each_profile_has_a_command_line_of_its_own_or_that_of_all(tmp_path: Path) -> None:
    uki = tmp_path / "uki.efi"
    base = [(".cmdline", WORDS.encode()), (".linux", b"MZ"), (".profile", b"ID=main")]
    safe = [(".profile", b'ID="safe"\nTITLE="safe: x=y"\n'), (".cmdline", WORDS.encode() + b" jepa=off\0")]
    uki.write_bytes(portable_executable(*base, *safe, (".profile", b"ID=same\n")))
    assert list(profiles(uki).items()) == [("main", WORDS), ("safe", f"{WORDS} jepa=off"), ("same", WORDS)]
    assert command_line(uki) == WORDS
    uki.write_bytes(portable_executable(*base[:2]))
    assert profiles(uki) == {}


def test_a_profile_starts_with_its_own_sections_and_else_those_of_all(tmp_path: Path) -> None:
    uki = tmp_path / "uki.efi"
    base = [(".cmdline", WORDS.encode()), (".linux", b"MZ"), (".profile", b"ID=main"), (".pcrsig", b"{}")]
    safe = [(".profile", b"ID=safe\n"), (".cmdline", b"jepa=off")]
    uki.write_bytes(portable_executable(*base, *safe))
    assert of_profile(uki, "main")[".pcrsig"] == b"{}"
    found = {".cmdline": b"jepa=off", ".linux": b"MZ", ".profile": b"ID=safe\n"}
    assert of_profile(uki, "safe") == found
    with pytest.raises(ValueError, match="no profile debug"):
        of_profile(uki, "debug")


@pytest.mark.parametrize("release", [b"IMAGE_VERSION=1.2~rc1\n", b'ID=debian\nIMAGE_VERSION="1.2~rc1"\n'])
def test_the_version_is_that_of_the_release(tmp_path: Path, release: bytes) -> None:
    uki = tmp_path / "uki.efi"
    uki.write_bytes(portable_executable((".osrel", release)))
    assert version(uki) == "1.2~rc1"


def test_a_release_without_a_version_is_refused(tmp_path: Path) -> None:
    uki = tmp_path / "uki.efi"
    uki.write_bytes(portable_executable((".osrel", b"ID=debian\nVERSION_ID=13\n")))
    with pytest.raises(ValueError, match="names no version"):
        version(uki)


def test_profiles_sort_behind_all_versions(tmp_path: Path) -> None:
    """What the boot loader sorts first starts by itself; its first key is the image's name."""
    ours = (ROOT / "tools/mkosi-programs/ukify").read_text()
    (tmp_path / "program").write_text(ours.replace("/usr/bin/ukify", str(tmp_path / "told")))
    (tmp_path / "told").write_text("import sys; print(sys.argv[sys.argv.index('--os-release') + 1])")
    for words, its_profile in ((["--profile", "@p"], True), (["--os-release", "IMAGE_ID=jepa-os"], False)):
        command = [sys.executable, tmp_path / "program", "build", *words]
        told = subprocess.run(
            command, capture_output=True, text=True, check=True, env={"IMAGE_VERSION": "1.2"}
        )
        fields = dict(line.split("=", 1) for line in told.stdout.splitlines() if line)
        assert (fields["IMAGE_ID"] > "jepa-os") is its_profile
        assert fields.get("IMAGE_VERSION") == ("1.2" if its_profile else None)
