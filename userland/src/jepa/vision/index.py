# SPDX-License-Identifier: Apache-2.0
"""Latents of clips, on disk: one a clip, found again by cosine similarity.

A directory: ``index.json`` names the pack, ``clips.lines`` is a line log with the place of each clip and its
unit vector (float32, little-endian, in base64). Who reads while another adds sees what was whole by then.
"""

import base64
import fcntl
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from jepa.errors import JepaError
from jepa.telemetry.linelog import LineLog, read_rows
from jepa.vision.clip import FloatArray

_LATENT = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class IndexedClip:
    """Where a clip came from."""

    source: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class FoundClip:
    """A clip that is like what was sought."""

    clip: IndexedClip
    cosine: float
    """Similarity, -1..1."""


class LatentIndex:
    """An index that can be sought in by anybody, and added to by one at a time."""

    def __init__(self, folder: Path, pack: str, width: int) -> None:
        """Open ``folder``, or make it; JepaError when it was made with another pack."""
        self._folder, self._width = folder, width
        self._lock: TextIO | None = None
        self._log: LineLog | None = None
        self._facts = {"pack": pack, "width": width}
        facts = folder / "index.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if facts.exists():
                there = json.loads(facts.read_text(encoding="utf-8"))
                if there != self._facts:
                    raise JepaError(
                        f"{folder} was made with {there.get('pack')}, not with {pack}.",
                        "Choose another --index, or that pack.",
                    )
            else:
                facts.write_text(json.dumps(self._facts) + "\n", encoding="utf-8")
            if (folder / "clips.jsonl").exists():
                raise ValueError("an earlier version of jepa made it")
            self._read()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise JepaError(
                f"The index {folder} cannot be used: {error}.", "Choose another --index."
            ) from error

    def __len__(self) -> int:
        """Clips in it."""
        return len(self._clips)

    def add(self, clip: IndexedClip, latent: FloatArray) -> None:
        """Keep the latent (D,) of a clip; on the disk when this returns.

        JepaError when another process adds to it, or it cannot be written.
        """
        try:
            self._write(self._own(), clip, unit(latent))
        except OSError as error:
            raise JepaError(
                f"The index {self._folder} cannot be written: {error.strerror}.", "Choose another --index."
            ) from error

    def _own(self) -> LineLog:
        """Be the one who adds, until this process ends; what another has added by then counts."""
        if self._log is not None:
            return self._log
        lock = (self._folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise JepaError(
                f"Another process adds to the index {self._folder}.",
                "Wait, or choose another --index.",
            ) from None
        self._lock = lock
        self._log = LineLog(self._path)
        self._read()
        return self._log

    def _write(self, log: LineLog, clip: IndexedClip, latent: FloatArray) -> None:
        content = base64.b64encode(latent.astype(_LATENT).tobytes()).decode("ascii")
        log.append({**asdict(clip), "latent": content})
        log.sync()
        self._clips.append(clip)
        self._latents.append(latent)

    def search(self, latent: FloatArray, most: int = 5) -> list[FoundClip]:
        """Those most like the latent (D,), best first."""
        if not self._clips:
            return []
        cosines = np.stack(self._latents) @ unit(latent)
        return [FoundClip(self._clips[at], float(cosines[at])) for at in np.argsort(-cosines)[:most]]

    @property
    def _path(self) -> Path:
        return self._folder / "clips.lines"

    def _read(self) -> None:
        clips: list[IndexedClip] = []
        latents: list[FloatArray] = []
        for row in read_rows(self._path):
            latent = np.frombuffer(base64.b64decode(row.pop("latent")), _LATENT)
            if latent.shape != (self._width,):
                raise ValueError(f"a latent of {len(latent)} numbers, not {self._width}")
            clips.append(IndexedClip(**row))
            latents.append(latent)
        self._clips, self._latents = clips, latents


def pooled(tokens: FloatArray) -> FloatArray:
    """(T, H * W, D) -> (D,), what the clip shows on the whole."""
    return np.asarray(tokens.mean((0, 1)))


def unit(latent: FloatArray) -> FloatArray:
    """(D,) of length 1; zeros stay zeros."""
    length = float(np.linalg.norm(latent))
    return np.asarray(latent / length if length else latent, np.float32)
