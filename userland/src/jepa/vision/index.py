# SPDX-License-Identifier: Apache-2.0
"""Latents of clips, on disk: one a clip, found again by cosine similarity.

A directory: ``index.json`` names the pack, ``latents.f32`` holds unit vectors one after the other, and
``clips.jsonl`` a line for each. A vector is written before its line, so what was cut off by a crash is a
vector without a line, which is written over. Who reads while another adds sees what was whole by then.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from jepa.errors import JepaError
from jepa.vision.clip import FloatArray

_ITEM = 4


@dataclass(frozen=True, slots=True)
class IndexedClip:
    """Where a clip came from."""

    source: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Found:
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
            self._clips = list(self._read_lines())
            self._latents = list(self._read_latents())
        except (OSError, ValueError, AttributeError) as error:
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
            self._own()
            self._write(clip, unit(latent))
        except OSError as error:
            raise JepaError(
                f"The index {self._folder} cannot be written: {error.strerror}.", "Choose another --index."
            ) from error

    def _own(self) -> None:
        """Be the one who adds, until this process ends; what another has added by then counts."""
        if self._lock is not None:
            return
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
        self._clips = list(self._read_lines(mend=True))
        self._latents = list(self._read_latents())

    def _write(self, clip: IndexedClip, latent: FloatArray) -> None:
        vector = latent[None]
        with (self._folder / "latents.f32").open("r+b" if self._clips else "wb") as file:
            file.seek(len(self._clips) * self._width * _ITEM)
            file.write(vector.tobytes())
            file.truncate()
            _sync(file.fileno())
        with (self._folder / "clips.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(clip)) + "\n")
            lines.flush()
            _sync(lines.fileno())
        self._clips.append(clip)
        self._latents.append(vector[0])

    def search(self, latent: FloatArray, most: int = 5) -> list[Found]:
        """Those most like the latent (D,), best first."""
        if not self._clips:
            return []
        cosines = np.stack(self._latents) @ unit(latent)
        return [Found(self._clips[at], float(cosines[at])) for at in np.argsort(-cosines)[:most]]

    def _read_lines(self, *, mend: bool = False) -> Iterator[IndexedClip]:
        path = self._folder / "clips.jsonl"
        if not path.exists():
            return
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if mend and len(whole) != len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))
        for line in whole.splitlines():
            yield IndexedClip(**json.loads(line))

    def _read_latents(self) -> FloatArray:
        count = len(self._clips)
        if not count:
            return np.zeros((0, self._width), np.float32)
        held = np.fromfile(self._folder / "latents.f32", np.float32, count * self._width)
        if len(held) != count * self._width:
            raise ValueError(f"{count} clips, but latents of {len(held) // self._width}")
        return held.reshape(count, self._width)


def pooled(tokens: FloatArray) -> FloatArray:
    """(T, H * W, D) -> (D,), what the clip shows on the whole."""
    return np.asarray(tokens.mean((0, 1)))


def unit(latent: FloatArray) -> FloatArray:
    """(D,) of length 1; zeros stay zeros."""
    length = float(np.linalg.norm(latent))
    return np.asarray(latent / length if length else latent, np.float32)


def _sync(descriptor: int) -> None:
    os.fdatasync(descriptor)
