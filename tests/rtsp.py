# SPDX-License-Identifier: Apache-2.0
"""A camera on the network: an RTSP server (RFC 2326) that sends H.264 inside its TCP connection."""

import base64
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from types import TracebackType
from typing import Any, Self, cast

import av
import av.container
import numpy as np
import numpy.typing as npt

Pictures = Iterable[npt.NDArray[np.uint8]]

_LARGEST = 1200
"""Bytes of an RTP packet, so that a picture takes several."""
_RTCP = range(200, 208)
"""Types of packets that go to the second channel (RFC 3550)."""
_ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "threads": "1"}
_SDP = (
    "v=0\r\ns=yard\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:video\r\n"
    "m=audio 0 RTP/AVP 0\r\na=control:audio\r\n"
)
"""It offers sound, too, of which there is none."""
_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"


class _Datagrams:
    """Where the muxer writes, a packet at a time."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> list[bytes]:
        written, self._written = self._written, []
        return written


def packets(pictures: Pictures, fps: int) -> Iterator[list[bytes]]:
    """The RTP and RTCP packets of each of ``pictures``, (H, W, 3) with even sides."""
    datagrams = _Datagrams()
    made = av.open(datagrams, "w", format="rtp", options={"packetsize": str(_LARGEST)})
    with cast("av.container.OutputContainer", made) as container:
        stream: Any = None
        for number, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream("libx264", rate=fps, options=_ENCODER)
                stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p"
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
            yield datagrams.take()


class RtspCamera:
    """Shows ``pictures()`` from the first to each who asks; on while it is a context.

    One is sent every ``every_s``, and ``fps`` is what their times say. After the last one the connection is
    closed, or with ``falls_silent`` nothing more is said. With ``password`` it wants that of ``viewer``.
    """

    def __init__(
        self,
        pictures: Callable[[], Pictures],
        fps: int,
        *,
        every_s: float = 0.0,
        falls_silent: bool = False,
        password: str | None = None,
    ) -> None:
        self.pictures, self.fps, self.every_s, self.falls_silent = pictures, fps, every_s, falls_silent
        self.password = password
        self.methods: list[str] = []
        """What was asked for, in order."""
        self.connections: set[socket.socket] = set()
        self._server: socketserver.ThreadingTCPServer | None = None
        self.port = 0

    def url(self, host: str = "127.0.0.1") -> str:
        """Where it is for who reaches this machine as ``host``."""
        viewer = "" if self.password is None else f"viewer:{self.password}@"
        return f"rtsp://{viewer}{host}:{self.port}/yard"

    def on(self) -> None:
        """Switch it on, at the port it had before."""
        camera = self

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        class Handler(_Connection):
            def setup(self) -> None:
                self.camera = camera
                super().setup()

        server = self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def off(self) -> None:
        """Pull its plug."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in list(self.connections):
            _hang_up(connection)

    def __enter__(self) -> Self:
        self.on()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.off()


class _Connection(socketserver.StreamRequestHandler):
    """Answers requests; the pictures are sent beside, from a thread of their own."""

    camera: RtspCamera

    def handle(self) -> None:
        self._ended, self._writing = threading.Event(), threading.Lock()
        self.camera.connections.add(self.connection)
        try:
            with suppress(OSError):
                for method, headers in self._requests():
                    self.camera.methods.append(method)
                    self._answer(method, headers)
        finally:
            self._ended.set()
            self.camera.connections.discard(self.connection)

    def _requests(self) -> Iterator[tuple[str, dict[str, str]]]:
        while first := self.rfile.read(1):
            if first == b"$":  # RTCP of the client
                self.rfile.read(int.from_bytes(self.rfile.read(3)[1:], "big"))
                continue
            method = (first + self.rfile.readline()).decode().split()[0]
            lines = iter(lambda: self.rfile.readline().decode().strip(), "")
            parts = (line.partition(":") for line in lines)
            yield method, {name.lower(): value.strip() for name, _, value in parts}

    def _answer(self, method: str, headers: dict[str, str]) -> None:
        own = {"CSeq": headers["cseq"], "Session": "1;timeout=60"}
        status, body = "200 OK", ""
        secret = base64.b64encode(f"viewer:{self.camera.password}".encode()).decode()
        if self.camera.password is not None and headers.get("authorization") != f"Basic {secret}":
            status, own["WWW-Authenticate"] = "401 Unauthorized", 'Basic realm="yard"'
        elif method == "OPTIONS":
            own["Public"] = _METHODS
        elif method == "DESCRIBE":
            body, own["Content-Type"] = _SDP, "application/sdp"
        elif method == "SETUP":
            asked = headers["transport"]
            if re.search(r"RTP/AVP/TCP;.*interleaved=0-1", asked):
                own["Transport"] = asked
            else:
                status = "461 Unsupported Transport"
        own["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in own.items())
        self._send(f"RTSP/1.0 {status}\r\n{head}\r\n{body}".encode())
        if status == "200 OK" and method == "PLAY":
            threading.Thread(target=self._play, daemon=True).start()
        if method == "TEARDOWN":
            _hang_up(self.connection)

    def _play(self) -> None:
        with suppress(OSError):
            for written in packets(self.camera.pictures(), self.camera.fps):
                for each in written:
                    self._send(b"$" + bytes([each[1] in _RTCP]) + len(each).to_bytes(2, "big") + each)
                if self._ended.wait(self.camera.every_s):
                    return
            if not self.camera.falls_silent:
                _hang_up(self.connection)

    def _send(self, data: bytes) -> None:
        with self._writing:
            self.wfile.write(data)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
