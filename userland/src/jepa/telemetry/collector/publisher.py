# SPDX-License-Identifier: Apache-2.0
"""Gives packets to every reader of a local socket; one that is slow or gone never holds up the collector."""

import socket
from collections.abc import Callable, Sequence

READERS = 16
"""Readers at a time; more are turned away."""
_BUFFER_BYTES = 1 << 20


class Publisher:
    """Packets for whoever is connected to ``listener``, which it closes at the end."""

    def __init__(self, listener: socket.socket, greeting: Callable[[], Sequence[bytes]]) -> None:
        self.lost = 0
        """Packets not given because a reader was slow."""
        self._listener = listener
        self._greeting = greeting
        self._readers: list[socket.socket] = []
        listener.setblocking(False)

    @property
    def readers(self) -> int:
        """Connected readers; one that left counts until the next packet."""
        return len(self._readers)

    def fileno(self) -> int:
        """Readable when somebody wants to be accepted."""
        return self._listener.fileno()

    def accept(self) -> None:
        """Take in whoever waits, with the greeting."""
        while True:
            try:
                reader, _ = self._listener.accept()
            except OSError:
                return
            reader.setblocking(False)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            if len(self._readers) >= READERS:
                reader.close()
                continue
            self._readers.append(reader)
            for packet in self._greeting():
                self._give(reader, packet)

    def send(self, packet: bytes) -> None:
        """Give ``packet`` to every reader."""
        for reader in list(self._readers):
            self._give(reader, packet)

    def _give(self, reader: socket.socket, packet: bytes) -> None:
        try:
            reader.send(packet, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            self.lost += 1
        except OSError:
            if reader in self._readers:
                self._readers.remove(reader)
            reader.close()

    def close(self) -> None:
        """End every reader's stream."""
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        self._listener.close()
