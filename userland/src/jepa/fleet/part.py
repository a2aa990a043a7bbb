# SPDX-License-Identifier: Apache-2.0
"""Makes a finished recording into a part that may leave the machine: no names, and its sums beside it."""

import hashlib
import time
from pathlib import Path
from typing import Final

import numpy as np

from jepa.errors import JepaError
from jepa.fleet.manifest import FILES, LARGEST_FILE, SentFile, Shape, StoredRecording
from jepa.fleet.names import Names, without_names
from jepa.telemetry.recording import Recording, load_recording, save
from jepa.telemetry.schema import Schema

_NAME_DIGITS: Final = 12


def make_part(folder: Path, schema: Schema, names: Names, into: Path) -> StoredRecording:
    """The recording in ``folder`` as files in ``into``, which is empty; JepaError when it cannot be sent."""
    recording = load_recording(folder, schema)
    if not len(recording.ts_ns):
        raise JepaError(f"The recording {folder} has no frame.", "There is nothing to send of it.")
    start_ns, end_ns = int(recording.ts_ns.min()), int(recording.ts_ns.max())
    if start_ns < 0:
        raise JepaError(f"The recording {folder} is from before 1970.", "Set the clock of this machine.")
    try:
        save(into, without_names(recording, names))
        files = {name: _sums(into / name) for name in FILES}
    except OSError as error:
        raise JepaError(
            f"A part for the store cannot be written below {into}: {error.strerror or error}.",
            "Free some space there.",
            status=507,
        ) from error
    meta = recording.meta
    # Named after all its bytes, it can be sent again, and what is in the store under that name is it.
    sums = hashlib.sha256("".join(files[name].sha256 for name in FILES).encode()).hexdigest()
    began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(start_ns // 10**9))
    return StoredRecording(
        name=f"{began}-{sums[:_NAME_DIGITS]}",
        start_ns=start_ns,
        end_ns=end_ns,
        frames=len(recording.ts_ns),
        missed=meta.missed,
        schema_version=meta.schema_version,
        schema_digest=meta.schema_digest,
        shape=Shape(
            cpus=meta.cpus,
            memory_mib=meta.memory_mib,
            kernel=_words(meta.kernel),
            machine=_words(meta.machine),
        ),
        content=content_of(recording),
        levels=_levels(recording),
        files=files,
    )


def content_of(recording: Recording) -> str:
    """SHA-256 of the frames themselves: the same for the same frames, whoever wrote the file."""
    digest = hashlib.sha256(recording.schema.digest.encode())
    digest.update(np.ascontiguousarray(recording.ts_ns, "<i8").tobytes())
    digest.update(np.ascontiguousarray(recording.values, "<f4").tobytes())
    return digest.hexdigest()


def _levels(recording: Recording) -> dict[str, float]:
    seen = np.isfinite(recording.values).any(axis=0)
    values = np.where(np.isfinite(recording.values), recording.values, np.nan)[:, seen]
    medians = np.nanmedian(values.astype(np.float64), axis=0)
    names = [recording.schema.names[column] for column in np.flatnonzero(seen)]
    return {name: float(f"{level:.6g}") for name, level in zip(names, medians, strict=True)}


def _words(text: str) -> str:
    """``text`` as far as a manifest may have it."""
    return "".join(char if " " <= char <= "~" else "?" for char in text[:200])


def _sums(file: Path) -> SentFile:
    content = file.read_bytes() if file.stat().st_size <= LARGEST_FILE else b""
    if not content:
        raise JepaError(
            f"{file.name} of a recording is larger than {LARGEST_FILE >> 20} MiB.",
            "Record in parts: `jepa record DIR --every 1h`.",
        )
    return SentFile(size=len(content), sha256=hashlib.sha256(content).hexdigest())
