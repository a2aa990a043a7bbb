# SPDX-License-Identifier: Apache-2.0
"""Brings one part of a store here, as the recording that it is, when it is what its machine has signed."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Final

from jepa.errors import JepaError
from jepa.fleet.manifest import LARGEST_FILE, MOST_FRAMES, StoredRecording
from jepa.fleet.store import Store, patiently
from jepa.fleet.upload import part_path
from jepa.telemetry import parquet
from jepa.telemetry.clocks import Clock, SystemClock

_MOST_COLUMNS: Final = 1_000
_FRAMES: Final = "frames.parquet"


def fetch(store: Store, host: str, part: StoredRecording, into: Path, clock: Clock | None = None) -> None:
    """Write the files of ``part`` to ``into``.

    JepaError when one is missing, was altered, or holds more than it can, however few bytes it has; with
    status 503 when the store stays away.
    """
    for file, sent in part.files.items():
        path = part_path(host, part.name, file)
        content = patiently(partial(store.read, path, LARGEST_FILE), clock or SystemClock())
        if hashlib.sha256(content).hexdigest() != sent.sha256:
            raise JepaError(f"{path} was altered since the machine sent it.", "It is left out.")
        (into / file).write_bytes(content)
        if file.endswith(".parquet"):
            _check_shape(into / file, part)


def _check_shape(file: Path, part: StoredRecording) -> None:
    rows, columns = parquet.shape(file)
    if rows > MOST_FRAMES or columns > _MOST_COLUMNS:
        raise JepaError(
            f"{file.name} of {part.name} has {rows} rows of {columns} columns.", "It is left out."
        )
    if file.name == _FRAMES and rows != part.frames:
        raise JepaError(f"{part.name} has {rows} frames instead of {part.frames}.", "It is left out.")
