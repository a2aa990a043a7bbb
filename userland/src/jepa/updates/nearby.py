# SPDX-License-Identifier: Apache-2.0
"""Shows systemd-sysupdate a channel on this machine, for which only what is new of /usr is fetched.

The hashes that come with a version say which of its blocks the one that runs has as well. All else is passed
on as it is. Nothing is taken on trust from here: systemd-pull compares what it gets with the signed sums.
"""

import http.server
import io
import lzma
import os
import re
import ssl
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final

from jepa.updates.channel import SUMS
from jepa.updates.reuse import Origin, Piece, pieces
from jepa.updates.verity import BLOCK, Hashes, read_hashes

HOST: Final = "127.0.0.1"
USR: Final = "dev/mapper/usr"
"""What runs, as dm-verity gives it out: a block that is not what it was is an error, and fetched."""
_NAME: Final = re.compile(r"/(?P<name>[A-Za-z0-9][A-Za-z0-9._+~-]*)")
_DATA: Final = ".usr.raw"
_HASHES: Final = re.compile(r"(?P<stem>.+)_[^_]+\.usr-verity\.raw(?P<packed>\.xz)?")
_MOST_HASHES: Final = 64 << 20
_PART: Final = 256
"""Blocks that are passed on at a time."""
_PATIENCE_S: Final = 30.0


class _BrokeOffError(OSError):
    """The channel gave less than it said."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A channel, and what of it need not be fetched."""

    address: str
    usr: Path
    here: Hashes
    hashes: dict[str, Hashes] = field(default_factory=dict)
    """Of versions whose hashes went by, as each comes before its data; by the beginning of their names."""

    def open(self, name: str, first: int | None = None, count: int = 0) -> HTTPResponse:
        """The file `name`, or `count` bytes of it from `first` on; OSError when it cannot be had."""
        request = urllib.request.Request(f"{self.address}/{name}")
        if first is not None:
            request.add_header("Range", f"bytes={first}-{first + count - 1}")
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=_PATIENCE_S)
        return answer

    def vouched_for(self) -> bool:
        """Whether the certificate of an https server is taken here, by other rules than systemd-pull's."""
        try:
            self.open(SUMS).close()
        except urllib.error.URLError as error:
            return not isinstance(error.reason, ssl.SSLCertVerificationError)
        except (OSError, HTTPException):
            return True
        return True

    def passed_on(self, name: str, answer: HTTPResponse) -> Iterator[bytes]:
        """What `answer` gives of the file `name`, a part at a time."""
        with answer:
            if match := _HASHES.fullmatch(name):
                content = answer.read(_MOST_HASHES)
                self._keep(match["stem"], content, packed=bool(match["packed"]))
                yield content
            while part := answer.read(_PART * BLOCK):
                yield part

    def plan(self, name: str) -> list[Piece]:
        """What the file `name` is put together from; empty when it is fetched as it is."""
        wanted = self.hashes.get(name.rpartition("_")[0]) if name.endswith(_DATA) else None
        if wanted is None:
            return []
        with self.open(name, 0, 1) as answer:
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            whole = answer.status == HTTPStatus.PARTIAL_CONTENT and total == str(len(wanted.digests) * BLOCK)
        return list(pieces(wanted, self.here)) if whole else []

    def content(self, name: str, plan: list[Piece]) -> Iterator[bytes]:
        """What the file `name` holds, a part at a time; OSError when the channel does not give it."""
        number = 0
        with self.usr.open("rb", buffering=0) as usr:
            for piece in plan:
                if piece.origin is Origin.THERE:
                    yield from self._fetched(name, number, piece.count)
                else:
                    for done in range(0, piece.count, _PART):
                        count = min(_PART, piece.count - done)
                        here = bytes(count * BLOCK)
                        if piece.origin is Origin.HERE:
                            here = _read(usr.fileno(), piece.at + done, count)
                        if here:
                            yield here
                        else:
                            yield from self._fetched(name, number + done, count)
                number += piece.count

    def _fetched(self, name: str, first: int, count: int) -> Iterator[bytes]:
        left = count * BLOCK
        with self.open(name, first * BLOCK, left) as answer:
            while left:
                part = answer.read(min(left, _PART * BLOCK))
                if not part:
                    raise _BrokeOffError(f"{name} broke off")
                left -= len(part)
                yield part

    def _keep(self, stem: str, content: bytes, *, packed: bool) -> None:
        """Remember the hashes of the version whose files' names begin with `stem`."""
        try:
            plain = lzma.LZMADecompressor().decompress(content, _MOST_HASHES) if packed else content
            self.hashes[stem] = read_hashes(io.BytesIO(plain))
        except (ValueError, lzma.LZMAError):
            return  # then the data is fetched as a whole, and whoever checks the sums says what is wrong


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, source: _Source) -> None:
        super().__init__((HOST, 0), _Handler)
        self.source = source


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Give a file of the channel, with the channel's own answer where it has none."""
        match = _NAME.fullmatch(self.path)
        if match is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            parts, length = self._found(match["name"])
            first = next(parts, b"")
        except urllib.error.HTTPError as error:
            self.send_error(error.code)
            return
        except (OSError, HTTPException):
            self.send_error(HTTPStatus.BAD_GATEWAY)
            return
        self.send_response(HTTPStatus.OK)
        if length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        # who asks sees the connection end before it has the length
        with suppress(OSError, HTTPException):
            self.wfile.write(first)
            for part in parts:
                self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: a person is told of the update as a whole."""

    def _found(self, name: str) -> tuple[Iterator[bytes], str | None]:
        """The parts of the file `name` and how long it is, if that is known."""
        source = self.server.source
        if plan := source.plan(name):
            return source.content(name, plan), str(sum(piece.count for piece in plan) * BLOCK)
        answer = source.open(name)
        return source.passed_on(name, answer), answer.headers.get("Content-Length")


@contextmanager
def nearby(address: str, root: Path) -> Iterator[str]:
    """An address on this machine that has what `address` has; itself where nothing could be spared.

    Itself, too, where its certificate is not taken here: systemd-pull then takes it, or says why not.
    """
    here = _running(root)
    if here is None or not address.startswith(("http://", "https://")):
        yield address
        return
    source = _Source(address, root / USR, here)
    if address.startswith("https://") and not source.vouched_for():
        yield address
        return
    with _Server(source) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()


def _running(root: Path) -> Hashes | None:
    """The hashes of /usr as it runs below `root`; None where it is on no dm-verity of ours."""
    try:
        words = (root / "proc/cmdline").read_text().split()
        found = [word.removeprefix("usrhash=") for word in words if word.startswith("usrhash=")]
        place = root / "dev/disk/by-partuuid" / str(uuid.UUID(found[-1][32:]))
        with place.open("rb") as file:
            return read_hashes(file) if (root / USR).exists() else None
    except (OSError, ValueError, IndexError):
        return None


def _read(usr: int, first: int, count: int) -> bytes:
    """So many blocks of /usr; empty when one of them cannot be read."""
    try:
        content = os.pread(usr, count * BLOCK, first * BLOCK)
    except OSError:
        return b""
    return content if len(content) == count * BLOCK else b""
