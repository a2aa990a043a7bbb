# SPDX-License-Identifier: Apache-2.0
"""The signals that a person has named, kept in ``/etc/jepa/signals.toml``: a line ``name = "source"`` each.

It is configuration: written by a person's command or editor, never by a daemon, and the reader starts and
ends with the file.
"""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jepa.durable import replace_file, sync_folder
from jepa.errors import JepaError
from jepa.signals.signal import LONGEST_SOURCE, Signal, check_name

FILE: Final = Path("/etc/jepa/signals.toml")
MOST: Final = 32
"""Signals of a machine: each is a thread of the reader."""
_LARGEST: Final = 1 << 16


class SignalStore:
    """The file of signals. Every change appears whole or not at all, also after a power cut."""

    def __init__(self, path: Path = FILE) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._signals: tuple[Signal, ...] = ()
        self.fault = ""
        """Why the file cannot be used; what was read last stays in force."""

    def __call__(self) -> Sequence[Signal]:
        """The signals now, by name; read anew when the file has changed."""
        try:
            found = self._path.stat()
        except OSError:
            self._stamp, self._signals, self.fault = None, (), ""
            return self._signals
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._signals, self.fault = self._read(), ""
            except JepaError as error:
                self.fault = str(error)
        return self._signals

    def add(self, signal: Signal) -> None:
        """Keep ``signal``. JepaError: 409 when the name is taken or all are, 403 without the right."""
        signals = self._read()
        if any(each.name == signal.name for each in signals):
            raise JepaError(
                f"There is a signal {signal.name} already.",
                f"Remove it first: `jepa signal remove {signal.name}`.",
                status=409,
            )
        if len(signals) >= MOST:
            raise JepaError(f"There are {MOST} signals, which is the most.", "Remove one first.", status=409)
        self._write((*signals, signal))

    def remove(self, name: str) -> None:
        """Forget the signal ``name``; JepaError: 404 when there is none, 403 without the right."""
        signals = self._read()
        if name not in [each.name for each in signals]:
            raise JepaError(
                f"There is no signal {name[:60]!r}.", "`jepa signal list` shows those there are.", status=404
            )
        self._write(tuple(each for each in signals if each.name != name))

    def _read(self) -> tuple[Signal, ...]:
        from jepa.signals.sources import check_source  # what names alone are wanted of does not need it

        try:
            with self._path.open("rb") as file:
                content = tomllib.loads(file.read(_LARGEST).decode())
        except FileNotFoundError:
            return ()
        except PermissionError:
            raise JepaError(f"{self._path} cannot be read.", "Read it as root.", status=403) from None
        except (OSError, ValueError, RecursionError) as error:
            raise JepaError(f"{self._path} cannot be used: {error}.", "Correct it.", status=500) from error
        if len(content) > MOST:
            raise JepaError(f"{self._path} has more than {MOST} signals.", "Leave some out.", status=500)
        for name, source in content.items():
            check_name(name)
            if not isinstance(source, str):
                raise JepaError(f"{name} of {self._path} is no text.", "Correct it.", status=500)
            check_source(source)
        return tuple(Signal(name, content[name]) for name in sorted(content))

    def _write(self, signals: Sequence[Signal]) -> None:
        """All of them; the file goes with the last one, and so does the reader."""
        lines = [
            f"{each.name} = {json.dumps(each.source)}\n" for each in signals
        ]  # TOML's escapes are JSON's
        folder = self._path.parent
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not signals:
                self._path.unlink(missing_ok=True)
                sync_folder(folder)
            else:
                text = ["# written by `jepa signal`; a name and its source a line\n", *lines]
                replace_file(self._path, "".join(text))
        except OSError as error:
            raise JepaError(
                f"{self._path} cannot be written: {error.strerror}.",
                "Signals are everybody's, so they are set as root.",
                status=403,
            ) from error


assert LONGEST_SOURCE * MOST * 2 < _LARGEST
