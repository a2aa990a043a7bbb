# SPDX-License-Identifier: Apache-2.0
"""Keys are made once, are nobody else's to read, and sign what the firmware starts."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import keys
from tools.build_image import signatures, trust


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short name: the socket of the key's agent lies in it."""
    place = Path(tempfile.mkdtemp(prefix="keys-"))
    yield place
    subprocess.run(["gpgconf", "--homedir", str(place / "gnupg"), "--kill", "all"], check=False)
    shutil.rmtree(place, ignore_errors=True)  # the agent removes its sockets meanwhile


def test_keys_are_their_owners_alone_and_the_certificate_fits_the_key(place: Path) -> None:
    keys.make(place)
    assert place.stat().st_mode & 0o777 == 0o700
    publics = []
    for pair in (keys.secure_boot(place), keys.packs(place), keys.expected_pcr(place)):
        assert pair.key.stat().st_mode & 0o777 == 0o600
        public = [
            subprocess.run(["openssl", *words], check=True, capture_output=True).stdout
            for words in (
                ["pkey", "-in", str(pair.key), "-pubout"],
                ["x509", "-in", str(pair.certificate), "-noout", "-pubkey"],
            )
        ]
        assert public[0] == public[1] != b""
        publics.append(public[0])
    assert len(set(publics)) == 3, "who may sign packs may not sign what the firmware starts"


def test_what_is_there_stays_and_what_is_missing_is_made(place: Path) -> None:
    keys.make(place)
    pair = keys.secure_boot(place)
    release, boot = keys.public_key(place).read_bytes(), pair.key.read_bytes()
    pair.certificate.unlink()  # as before there was Secure Boot
    keys.make(place)
    assert keys.public_key(place).read_bytes() == release
    assert pair.key.read_bytes() != boot
    assert pair.made


def test_an_image_is_signed_only_when_there_is_a_key(tmp_path: Path) -> None:
    assert signatures(tmp_path) == []
    pair = keys.secure_boot(tmp_path)
    pair.key.touch()
    assert signatures(tmp_path) == [], "half a pair signs nothing"
    pair.certificate.touch()
    assert f"--secure-boot-key={pair.key}" in signatures(tmp_path)
    assert not any("expected-pcr" in option for option in signatures(tmp_path)), "keys made before it"
    for path in (keys.expected_pcr(tmp_path).key, keys.expected_pcr(tmp_path).certificate):
        path.touch()
    assert "--sign-expected-pcr=yes" in signatures(tmp_path)
    assert f"--secure-boot-key={pair.key}" in signatures(tmp_path)


def test_an_image_trusts_the_keys_it_was_built_with_and_without_them_nobody(
    tmp_path: Path, place: Path
) -> None:
    trust(tmp_path / "none", tmp_path)
    assert (tmp_path / "none/systemd/import-pubring.gpg").read_bytes() == b""
    assert not (tmp_path / "none/verity.d").exists()
    keys.make(place)
    trust(tmp_path / "lib", place)
    assert (tmp_path / "lib/systemd/import-pubring.gpg").read_bytes() == keys.public_key(place).read_bytes()
    certificate = keys.packs(place).certificate.read_bytes()
    assert (tmp_path / "lib/verity.d/jepa-packs.crt").read_bytes() == certificate
