# SPDX-License-Identifier: Apache-2.0
"""Where signals come from: a file, a UNIX socket that sends lines, a Prometheus page of this machine."""

import contextlib
import os
import re
import socket
import stat
import time
from typing import Final, Protocol

from jepa.errors import JepaError
from jepa.signals.exposition import Extractor, parse_selector
from jepa.signals.signal import LONGEST_SOURCE, NoNews, Unreachable

DEADLINE_S: Final = 2.0
"""For one reading."""
_TAIL_BYTES: Final = 4096
_LINE_BYTES: Final = 256
_DRAIN_BYTES: Final = 1 << 16
_NUMBER: Final = re.compile(
    r"(?<![\w.])[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|inf|nan)(?![\w.])", re.ASCII | re.IGNORECASE
)
_LOOPBACK: Final = re.compile(
    r"http://(?P<host>127(?:\.\d{1,3}){3}|localhost|\[::1\])(?::(?P<port>\d{1,5}))?(?P<target>/[!-~]*)?",
    re.ASCII,
)
_PATH: Final = re.compile(r"/[^\0\n]{0,107}")
"""As long as the address of a socket may be."""


class SignalSource(Protocol):
    """One number that can be read again and again."""

    least: float | None
    """What it cannot fall below by its nature, or None."""

    def read(self) -> float:
        """The newest number, within ``DEADLINE_S``. Raises Unreachable, NoNews and OSError, nothing else."""

    def close(self) -> None:
        """Release what is held."""


class FileSource:
    """The last number of a file that is rewritten, or appended to line by line."""

    least: float | None = None

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    def read(self) -> float:
        """NoNews when nobody has written since the last reading."""
        # not to wait for whoever writes to a pipe
        fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise Unreachable("it is no regular file")
            at = max(0, found.st_size - _TAIL_BYTES)
            text = os.pread(fd, _TAIL_BYTES, at)
        finally:
            os.close(fd)
        value = last_number(text, whole=at == 0)
        seen = found.st_mtime_ns, found.st_size, found.st_ino
        if seen == self._seen:
            raise NoNews("nobody writes to the file")
        self._seen = seen
        return value

    def close(self) -> None:
        """Nothing is held."""


def last_number(text: bytes, *, whole: bool) -> float:
    """The last number of the last line; Unreachable when that has none.

    Of several lines the last one counts once its newline is there, so that none is read half; the first one
    does not where the text is not the ``whole`` file.
    """
    lines = text.split(b"\n")
    if len(lines) > 1:
        lines.pop()
    if not whole:
        lines = lines[1:]
    line = next((each for each in reversed(lines) if each.strip()), b"").decode("ascii", "replace")
    found = _NUMBER.findall(line)
    if not found:
        raise Unreachable("there is no number in its last line")
    return float(found[-1])


class LineSource:
    """The last number that a UNIX socket sent: whoever listens there writes a line for each."""

    least: float | None = None

    def __init__(self, path: str) -> None:
        self._path = path
        self._line: socket.socket | None = None
        self._begun = b""

    def read(self) -> float:
        """NoNews when no whole line came since the last one."""
        line = self._connected()
        value: float | None = None
        for _ in range(_DRAIN_BYTES // _TAIL_BYTES):
            try:
                got = line.recv(_TAIL_BYTES)
            except BlockingIOError:
                break
            except OSError:
                self.close()
                raise
            if not got:
                self.close()
                if value is None:
                    raise Unreachable("whoever sent has hung up")
                break
            *lines, self._begun = (self._begun + got).split(b"\n")
            if len(self._begun) > _LINE_BYTES:
                self.close()
                raise Unreachable(f"it sends lines of more than {_LINE_BYTES} bytes")
            for each in lines:
                value = last_number(each[:_LINE_BYTES], whole=True)
        if value is None:
            raise NoNews("nothing is sent")
        return value

    def _connected(self) -> socket.socket:
        if self._line is None:
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                line.settimeout(DEADLINE_S)
                line.connect(self._path)
                line.settimeout(0.0)
            except BaseException:
                line.close()
                raise
            self._line, self._begun = line, b""
        return self._line

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.close()
        self._line, self._begun = None, b""


class PrometheusSource:
    """One number of a page that a program of this machine serves, over loopback or a UNIX socket."""

    def __init__(self, address: str, selector: str) -> None:
        """JepaError (422) for an address elsewhere, or a selector that selects nothing."""
        chosen = parse_selector(selector)
        self.least = chosen.least
        self._extractor = Extractor(chosen)
        self._host, self._target = "localhost", "/metrics"
        found = _LOOPBACK.fullmatch(address)
        if found is not None:
            self._host, self._target = found["host"].strip("[]"), found["target"] or "/metrics"
            port = int(found["port"] or 80)
            bytes_fit = ":" in self._host or self._host == "localhost" or _is_ipv4(self._host)
            if not 0 < port < 65536 or not bytes_fit:
                raise _elsewhere(address)
            self._port = port
            self._path = ""
        elif address.startswith("unix:") and _PATH.fullmatch(address[5:]):
            self._path = address[5:]
        else:
            raise _elsewhere(address)

    def read(self) -> float:
        """NoNews before the second page of what is counted."""
        from jepa.signals.page import fetch, left  # h11 takes longer to import than all else here

        deadline = time.monotonic() + DEADLINE_S
        with contextlib.closing(self._connect(left(deadline))) as line:
            page = fetch(line, self._host, self._target, deadline)
        return self._extractor.read(page, time.monotonic())

    def close(self) -> None:
        """Nothing is held."""

    def _connect(self, timeout_s: float) -> socket.socket:
        """Without asking a resolver: localhost is what it is everywhere."""
        if not self._path:
            return socket.create_connection(
                ("127.0.0.1" if self._host == "localhost" else self._host, self._port), timeout_s
            )
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            line.settimeout(timeout_s)
            line.connect(self._path)
        except BaseException:
            line.close()
            raise
        return line


def open_source(source: str) -> SignalSource:
    """What reads ``source``; opens nothing yet. JepaError (422) when it is no source."""
    kind, _, rest = source.partition(":")
    if len(source) > LONGEST_SOURCE or not source.isascii() or not source.isprintable():
        raise JepaError(
            f"A source is at most {LONGEST_SOURCE} printable ASCII characters.", _EXAMPLES, status=422
        )
    if kind == "prometheus":
        address, mark, selector = rest.partition("#")
        if not mark:
            raise JepaError(f"{source[:80]!r} does not say which number of the page.", _EXAMPLES, status=422)
        return PrometheusSource(address, selector)
    if kind in ("file", "unix") and _PATH.fullmatch(rest):
        return FileSource(rest) if kind == "file" else LineSource(rest)
    raise JepaError(f"{source[:80]!r} is no source of a signal.", _EXAMPLES, status=422)


def check_source(source: str) -> str:
    """``source``; JepaError (422) when it is none."""
    open_source(source)
    return source


_EXAMPLES: Final = (
    "Write prometheus:http://127.0.0.1:9102/metrics#request_seconds:p99, "
    "file:/run/shop/queue or unix:/run/shop/latency.sock."
)


def _is_ipv4(host: str) -> bool:
    return all(int(part) < 256 for part in host.split("."))


def _elsewhere(address: str) -> JepaError:
    return JepaError(
        f"{address[:80]!r} is no page of this machine: nothing else is ever asked.",
        "Write http:// with 127.0.0.1, localhost or [::1], or unix:/path of a socket that serves /metrics.",
        status=422,
    )
