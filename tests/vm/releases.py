# SPDX-License-Identifier: Apache-2.0
"""Later versions of the image for tests of updates, signed with a key of the tests' own, and servers."""

import lzma
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.web import Halting, Parts, server
from tools import keys, release
from tools.vm.image import BUILD, ROOT, Image

HOST = "10.0.2.2"
"""This host, as QEMU's user network shows it to a guest."""
TRUSTED = "/etc/systemd/import-pubring.gpg"
"""Where an administrator names another key than that of the image."""
NATIVE = "x86-64"
KEYS = BUILD / "image-keys"
"""Of the tests: later versions are built with these, and signed."""


SHIPPED = ("issue.net", "shipped-with", "debian_version")
"""Files of /etc in which a later version has its number; the image under test lacks the second."""


def built(version: str, image: Image) -> Path:
    """The directory with an image of ``version``, built unless it is as new as ``image``; takes minutes.

    It differs from ``image`` by its number, its keys and the files SHIPPED.
    """
    place = BUILD / f"image-{version}"
    raw = place / "jepa-os.raw"
    keys.make(KEYS)
    if not raw.exists() or raw.stat().st_mtime < image.raw.stat().st_mtime:
        command = [sys.executable, "-m", "tools.build_image", "--version", version, "--to", str(place)]
        with tempfile.TemporaryDirectory(prefix="jepa-over-") as over:
            Path(over).chmod(0o755)  # becomes that of the image's root
            etc = Path(over) / "etc"
            etc.mkdir()
            for name in SHIPPED:
                (etc / name).write_text(f"{version}\n", encoding="utf-8")
            subprocess.run([*command, "--keys", str(KEYS), "--over", over], cwd=ROOT, check=True)
        os.utime(raw)
    return place


def released(version: str, image: Image) -> Path:
    """A channel with ``version`` as `make release` makes it, signed with KEYS; compressing takes minutes."""
    place, made = BUILD / f"release-{version}", built(version, image)
    sums = place / release.SUMS
    if not sums.exists() or sums.stat().st_mtime < (made / "jepa-os.raw").stat().st_mtime:
        shutil.rmtree(place, ignore_errors=True)
        release.make(made, place, KEYS, NATIVE)
    return place


class Channel:
    """Releases in a directory, and the key they are signed with."""

    def __init__(self, place: Path, key: Path) -> None:
        self.place, self._key = place, key
        keys.make(key)

    @property
    def public_key(self) -> bytes:
        """For those who are to trust it."""
        return keys.public_key(self._key).read_bytes()

    def add(self, image: Path) -> None:
        """Release the image in the directory ``image``; not compressed, which a guest unpacks slowly."""
        release.make(image, self.place, self._key, NATIVE, compress=False)

    def other(self, name: str, version: str, architecture: str = NATIVE) -> "Channel":
        """A channel beside this one with ``version`` alone, as if for ``architecture``."""
        place = self.place.with_name(name)
        place.mkdir()
        for path in self.place.glob(f"jepa-os_{version}_*"):
            (place / path.name.replace(NATIVE, architecture)).hardlink_to(path)
        channel = Channel(place, self._key)
        channel.sign()
        return channel

    def file(self, ending: str) -> Path:
        """The one file with ``ending``."""
        (found,) = self.place.glob(f"*{ending}")
        return found

    def change(self, ending: str, content: bytes) -> None:
        """Give the file with ``ending`` another content. The list of sums stays as it is until ``sign``."""
        path = self.file(ending)
        path.unlink()  # other channels have the same file
        path.write_bytes(content)

    def compress(self, ending: str) -> None:
        """Compress the file with ``ending``, as `make release` does with both of a slot."""
        path = self.file(ending)
        path.with_name(f"{path.name}.xz").write_bytes(
            lzma.compress(path.read_bytes(), preset=release.PRESET)
        )
        path.unlink()

    def flip(self, ending: str, place: int) -> None:
        """Alter one bit of the file with ``ending``."""
        content = bytearray(self.file(ending).read_bytes())
        content[place] ^= 1
        self.change(ending, bytes(content))

    def sign(self) -> None:
        """Sign the files as they are now."""
        release.sign(self.place, self._key)


@contextmanager
def served(
    place: Path,
    *,
    halting: bool = False,
    sent: Counter[str] | None = None,
    secure: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """Serve the directory ``place``, of partitions the half when ``halting``; yields its address.

    ``sent`` is given the bytes that were fetched of each file. With ``secure`` it is served over HTTPS.
    """
    options = {} if halting else {"sent": Counter() if sent is None else sent}
    with server(place, Halting if halting else Parts, secure=secure, **options) as port:
        yield f"{'http' if secure is None else 'https'}://{HOST}:{port}"


def with_words(uki: bytes, words: str) -> bytes:
    """``uki`` with ``words`` at the end of the kernel's command line, in the room that its section has."""
    data = bytearray(uki)
    header = int.from_bytes(data[0x3C:0x40], "little")
    count = int.from_bytes(data[header + 6 : header + 8], "little")
    table = header + 24 + int.from_bytes(data[header + 20 : header + 22], "little")
    for entry in range(table, table + 40 * count, 40):
        if data[entry : entry + 8].rstrip(b"\0") != b".cmdline":
            continue
        size, stored, place = (
            int.from_bytes(data[entry + at : entry + at + 4], "little") for at in (8, 16, 20)
        )
        line = bytes(data[place : place + min(size, stored)]).rstrip(b"\0\n") + f" {words}\0".encode()
        assert len(line) <= stored, "the section has no room for more words"
        data[place : place + stored] = line.ljust(stored, b"\0")
        data[entry + 8 : entry + 12] = len(line).to_bytes(4, "little")
        return bytes(data)
    raise ValueError("this UKI has no command line")
