# SPDX-License-Identifier: Apache-2.0
"""A release is the image's /usr and UKI under names that updates look for, with sums that are signed."""

import hashlib
import json
import lzma
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tools.disk_files import disk, portable_executable
from tools import keys, release

USR, VERITY = uuid.UUID(int=7 << 90), uuid.UUID(int=11 << 80)


@pytest.fixture(scope="module")
def key() -> Iterator[Path]:
    """A key, in a directory with a short name: the agent's socket lies in it."""
    place = Path(tempfile.mkdtemp(prefix="keys-"))
    keys.make(place / "keys")
    yield place / "keys"
    subprocess.run(["gpgconf", "--homedir", str(place / "keys/gnupg"), "--kill", "all"], check=True)
    shutil.rmtree(place)


def manifest(**packages: str) -> bytes:
    listed = [{"name": name, "version": version} for name, version in packages.items()]
    return json.dumps({"packages": listed}).encode()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What `make image` leaves, in small."""
    parts = [("esp", uuid.UUID(int=1), b"e"), ("v", VERITY, b"h" * 512), ("u", USR, b"u" * 700)]
    words = f"usrhash={USR.hex}{VERITY.hex} rw".encode()
    sections = [(".osrel", b"IMAGE_VERSION=1.2\n"), (".cmdline", words)]
    for name, content in (
        ("raw", disk(*parts)),
        ("efi", portable_executable(*sections)),
        ("manifest", manifest(systemd="257.9", bash="5.2")),
    ):
        (tmp_path / f"jepa-os.{name}").write_bytes(content)
    return tmp_path


def test_the_files_are_those_that_the_root_hash_names(image: Path, key: Path) -> None:
    made = image / "release"
    assert release.make(image, made, key, "x86-64") == "1.2"
    assert sorted(path.name for path in made.iterdir()) == [
        "SHA256SUMS",
        "SHA256SUMS.gpg",
        "jepa-os_1.2_x86-64.efi",
        "jepa-os_1.2_x86-64.manifest",
        "jepa-os_1.2_x86-64.md",
        f"jepa-os_1.2_x86-64_{VERITY}.usr-verity.raw.xz",
        f"jepa-os_1.2_x86-64_{USR}.usr.raw",
    ]
    assert (made / f"jepa-os_1.2_x86-64_{USR}.usr.raw").read_bytes() == (b"u" * 700).ljust(1024, b"\0")
    with lzma.open(made / f"jepa-os_1.2_x86-64_{VERITY}.usr-verity.raw.xz") as file:
        assert file.read() == b"h" * 512


def test_the_sums_are_right_and_signed(image: Path, key: Path) -> None:
    made = image / "release"
    release.make(image, made, key, "x86-64", compress=False)
    for line in (made / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == digest
    verify = ["gpg", "--homedir", str(image), "--no-default-keyring", "--keyring", str(keys.public_key(key))]
    verify += ["--trust-model", "always", "--verify", str(made / "SHA256SUMS.gpg"), str(made / "SHA256SUMS")]
    image.chmod(0o700)
    assert subprocess.run(verify, capture_output=True).returncode == 0
    with (made / "SHA256SUMS").open("a") as file:
        file.write("0\n")
    assert subprocess.run(verify, capture_output=True).returncode != 0


def test_a_second_release_lies_beside_the_first(image: Path, key: Path) -> None:
    made = image / "release"
    release.make(image, made, key, "x86-64")
    assert "The first release here" in (made / "jepa-os_1.2_x86-64.md").read_text()
    (made / "jepa-os_1.1_x86-64.efi").write_bytes(b"older")
    release.sign(made, key)
    assert "jepa-os_1.1_x86-64.efi" in (made / "SHA256SUMS").read_text()
    assert not list(made.glob(".*"))


def test_its_notes_say_what_changed_since_the_newest_older_one_of_its_architecture(
    image: Path, key: Path
) -> None:
    made = image / "release"
    made.mkdir()
    for name, packages in (
        ("jepa-os_1.10_x86-64", {"systemd": "258"}),
        ("jepa-os_1.1_x86-64", {"systemd": "257.7", "nano": "8", "bash": "5.2"}),
        ("jepa-os_1.0_x86-64", {}),
        ("jepa-os_1.1.5_arm64", {}),
    ):
        (made / f"{name}.manifest").write_bytes(manifest(**packages))
    release.make(image, made, key, "x86-64")
    notes = (made / "jepa-os_1.2_x86-64.md").read_text()
    assert notes.startswith("# JEPA OS 1.2 for x86-64\n")
    rows = [line for line in notes.splitlines() if line.startswith("|")]
    assert rows == [
        "| package | 1.1 | 1.2 |",
        "|---|---|---|",
        "| nano | 8 | – |",
        "| systemd | 257.7 | 257.9 |",
    ]
    assert "  jepa-os_1.2_x86-64.md\n" in (made / "SHA256SUMS").read_text()
