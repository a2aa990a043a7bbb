# SPDX-License-Identifier: Apache-2.0
"""A version is fetched from a server by way of this machine: byte for byte the same, and little of it."""

import http.client
import lzma
import random
import urllib.error
import urllib.request
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jepa.updates.nearby import HOST, nearby
from tests.authority import Authority
from tests.unit.updates.verity_files import BLOCK, hashes
from tests.web import Halting, Parts, Whole, server

NEW, NEW_HASHES = (f"jepa-os_2_x86-64_{name}" for name in ("a-b.usr.raw", "c-d.usr-verity.raw"))
ROOT_HASH = "1" * 32 + "2" * 32
COUNT = 600


@pytest.fixture
def here() -> bytes:
    return random.Random(1).randbytes(COUNT * BLOCK)


@pytest.fixture
def new(here: bytes) -> bytes:
    """What the running version has, a block further on, with a new one in the middle, and zeros."""
    moved = random.Random(2).randbytes(BLOCK) + here[: 300 * BLOCK] + random.Random(3).randbytes(BLOCK)
    return moved + here[300 * BLOCK : -8 * BLOCK] + bytes(8 * BLOCK)


@pytest.fixture
def root(tmp_path: Path, here: bytes) -> Path:
    """Below it /usr runs as `here`."""
    root = tmp_path / "root"
    for name, content in (
        ("proc/cmdline", f"quiet usrhash={ROOT_HASH} rw\n".encode()),
        ("dev/mapper/usr", here),
        (f"dev/disk/by-partuuid/{uuid.UUID(ROOT_HASH[32:])}", hashes(here)),
    ):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def channel(tmp_path: Path, new: bytes) -> Path:
    place = tmp_path / "channel"
    place.mkdir()
    (place / NEW).write_bytes(new)
    (place / NEW_HASHES).write_bytes(hashes(new))
    (place / "SHA256SUMS").write_text("sums")
    return place


def fetch(root: Path, port: int, *names: str, scheme: str = "http") -> list[bytes]:
    """The files, one after the other, as systemd-sysupdate fetches them."""
    with nearby(f"{scheme}://{HOST}:{port}", root) as address:
        assert address.startswith(f"http://{HOST}:")
        return [urllib.request.urlopen(f"{address}/{name}", timeout=10).read() for name in names]


def test_only_what_is_not_here_is_fetched(root: Path, channel: Path, new: bytes) -> None:
    sent: Counter[str] = Counter()
    with server(channel, Parts, sent=sent) as port:
        found = fetch(root, port, "SHA256SUMS", NEW_HASHES, NEW)
    assert found == [b"sums", hashes(new), new]
    assert sent[NEW] <= 2 * BLOCK + 1


def test_hashes_may_come_packed(root: Path, channel: Path, new: bytes) -> None:
    packed = channel / f"{NEW_HASHES}.xz"
    packed.write_bytes(lzma.compress((channel / NEW_HASHES).read_bytes()))
    sent: Counter[str] = Counter()
    with server(channel, Parts, sent=sent) as port:
        assert fetch(root, port, packed.name, NEW) == [packed.read_bytes(), new]
    assert sent[NEW] <= 2 * BLOCK + 1


def test_a_block_that_cannot_be_read_here_is_fetched(root: Path, channel: Path, new: bytes) -> None:
    with (root / "dev/mapper/usr").open("r+b") as usr:
        usr.truncate(500 * BLOCK)
    sent: Counter[str] = Counter()
    with server(channel, Parts, sent=sent) as port:
        assert fetch(root, port, NEW_HASHES, NEW) == [hashes(new), new]
    assert sent[NEW] < 400 * BLOCK


@pytest.mark.parametrize("lacking", ["dev/mapper/usr", "proc/cmdline"])
def test_where_no_system_of_ours_runs_the_channel_is_asked_itself(root: Path, lacking: str) -> None:
    (root / lacking).unlink()
    with nearby("http://10.0.0.1", root) as address:
        assert address == "http://10.0.0.1"


def test_a_directory_is_read_itself(root: Path) -> None:
    with nearby("file:///media/stick", root) as address:
        assert address == "file:///media/stick"


def test_a_server_whose_certificate_is_not_taken_is_left_to_who_fetches(
    root: Path, channel: Path, tmp_path: Path
) -> None:
    secure = Authority("unknown").server(HOST, tmp_path / "pem")
    with server(channel, Parts, secure=secure, sent=Counter()) as port:
        channels = f"https://{HOST}:{port}"
        with nearby(channels, root) as address:
            assert address == channels


def test_of_an_https_server_too_only_what_is_new_is_fetched(
    root: Path, channel: Path, new: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, sent = Authority("trusted"), Counter[str]()
    (tmp_path / "trusted").write_text(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted"))
    with server(channel, Parts, secure=authority.server(HOST, tmp_path / "pem"), sent=sent) as port:
        assert fetch(root, port, NEW_HASHES, NEW, scheme="https") == [hashes(new), new]
    assert 0 < sent[NEW] < len(new)


@pytest.mark.parametrize("spoiled", [b"no hashes", b""])
def test_without_hashes_that_can_be_read_all_is_fetched(
    root: Path, channel: Path, new: bytes, spoiled: bytes
) -> None:
    (channel / NEW_HASHES).write_bytes(spoiled)
    sent: Counter[str] = Counter()
    with server(channel, Parts, sent=sent) as port:
        assert fetch(root, port, NEW_HASHES, NEW) == [spoiled, new]
    assert sent[NEW] == len(new)


def test_a_file_of_another_length_than_its_hashes_say_is_fetched_as_it_is(root: Path, channel: Path) -> None:
    (channel / NEW).write_bytes(b"cut short")
    with server(channel, Parts, sent=Counter()) as port:
        assert fetch(root, port, NEW_HASHES, NEW)[1] == b"cut short"


def test_a_server_that_gives_no_parts_gives_all(root: Path, channel: Path, new: bytes) -> None:
    with server(channel, Whole) as port:
        assert fetch(root, port, NEW_HASHES, NEW) == [hashes(new), new]


def test_a_server_that_goes_away_is_seen_to(root: Path, channel: Path) -> None:
    with server(channel, Halting) as port, pytest.raises(http.client.IncompleteRead):
        fetch(root, port, NEW_HASHES)


class Leaving(Parts):
    """Gives the first part of the data that is asked for after the hashes, and then no more."""

    def send_head(self) -> Any:
        """Answer, or say that it is out of order."""
        if sum(self.sent[name] for name in self.sent if name == NEW) > BLOCK:
            self.send_error(503)
            return None
        return super().send_head()


def test_a_server_that_goes_away_between_two_parts_is_seen_to(root: Path, channel: Path) -> None:
    with (
        server(channel, Leaving, sent=Counter()) as port,
        pytest.raises(http.client.IncompleteRead),
    ):
        fetch(root, port, NEW_HASHES, NEW)


@pytest.mark.parametrize(("name", "code"), [("none", 404), ("../secret", 404), ("a/b", 404)])
def test_what_the_channel_lacks_is_lacking_here(root: Path, channel: Path, name: str, code: int) -> None:
    with (
        server(channel, Parts, sent=Counter()) as port,
        pytest.raises(urllib.error.HTTPError) as caught,
    ):
        fetch(root, port, name)
    assert caught.value.code == code


def test_a_channel_that_does_not_answer_answers_no_more(root: Path) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(root, 9, "SHA256SUMS")
    assert caught.value.code == 502
