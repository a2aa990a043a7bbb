# SPDX-License-Identifier: Apache-2.0
"""Brings one part of a store here, as the recording that it is, when it is what its machine has signed."""

import hashlib
from functools import partial
from pathlib import Path

from jepa.errors import JepaError
from jepa.fleet.manifest import LARGEST_FILE, StoredRecording
from jepa.fleet.store import Store, patiently
from jepa.fleet.upload import part_path
from jepa.telemetry.clocks import Clock, SystemClock


def fetch(store: Store, host: str, part: StoredRecording, into: Path, clock: Clock | None = None) -> None:
    """Write the files of ``part`` to ``into``.

    JepaError when one is missing or was altered, with status 503 when the store stays away.
    """
    for file, sent in part.files.items():
        path = part_path(host, part.name, file)
        content = patiently(partial(store.read, path, LARGEST_FILE), clock or SystemClock())
        if hashlib.sha256(content).hexdigest() != sent.sha256:
            raise JepaError(f"{path} was altered since the machine sent it.", "It is left out.")
        (into / file).write_bytes(content)
