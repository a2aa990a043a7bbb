# SPDX-License-Identifier: Apache-2.0
"""A V-JEPA 2 pack at work: clips to latents, and the latents of the moments after them."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jepa.errors import JepaError
from jepa.packs.pack import read_manifest, verified_graph
from jepa.packs.vision import VisionManifest
from jepa.vision.clip import FloatArray
from jepa.world.sessions import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_FLOAT = 4
_WORKING = 24
"""Numbers a token for each of its width that are held while a clip is encoded."""
_PACKED = 1.1
"""Of a file of weights, what the runtime makes of it at most."""
_SPARE = 128 << 20
"""What it takes besides. With all three, ViT-L's peak is foreseen with up to a tenth to spare, for 16 and 64
frames and each way to keep weights (tests/bench/vision.py)."""


class VisionModel:
    """One pack, its graphs opened when they are first asked."""

    def __init__(self, folder: Path, manifest: VisionManifest, root: Path = Path("/")) -> None:
        self.folder, self.manifest = folder, manifest
        self._root = root
        self._sessions: dict[str, InferenceSession] = {}

    @classmethod
    def load(cls, folder: Path, root: Path = Path("/")) -> "VisionModel":
        """The pack in ``folder``; JepaError when it is none for vision."""
        manifest = read_manifest(folder)
        if not isinstance(manifest, VisionManifest):
            raise JepaError(
                f"The pack {folder} is for the {manifest.kind}.", "Name a vision pack with --pack."
            )
        return cls(folder, manifest, root)

    @property
    def place(self) -> int:
        """Tokens of one step of time."""
        return self.manifest.tokens.rows * self.manifest.tokens.columns

    def open(self) -> None:
        """Read the graphs that latents and what follows them take; JepaError when they cannot be had."""
        names = ("encoder", *(["predictor"] if self.manifest.ahead else []))
        self.refuse_if_too_large(*(name for name in names if name not in self._sessions))
        for name in names:
            self._session(name)

    def encode(self, frames: Sequence[FloatArray]) -> FloatArray:
        """A clip's frames, (3, P, P) each, to its tokens (T, H * W, D)."""
        tokens = self.manifest.tokens
        if len(frames) != self.manifest.clip.frames:
            raise ValueError(f"a clip has {self.manifest.clip.frames} frames, not {len(frames)}")
        session = self._session("encoder")
        latents = session.run(None, {"pixel_values": np.stack(frames)[None]})[0]
        return np.asarray(latents[0].reshape(tokens.time, self.place, tokens.width))

    def predict(self, latents: FloatArray) -> FloatArray:
        """Encoded tokens (T, H * W, D) to those expected right after them (``ahead``, H * W, D).

        JepaError for a pack without a predictor.
        """
        ahead, tokens = self.manifest.ahead, self.manifest.tokens
        if not ahead:
            raise JepaError(f"{self.manifest.name} has no predictor.", "Build one from a whole checkpoint.")
        known = tokens.time * self.place
        inputs = {
            "context": latents.reshape(1, known, tokens.width),
            "context_at": np.arange(known),
            "target_at": known + np.arange(ahead * self.place),
        }
        predicted = self._session("predictor").run(None, inputs)[0]
        return np.asarray(predicted[0].reshape(ahead, self.place, tokens.width))

    def classify(self, latents: FloatArray) -> tuple[str, float]:
        """Encoded tokens (T, H * W, D) to the label that fits best, and how surely, 0..1.

        JepaError for a pack without a probe.
        """
        if not self.manifest.labels:
            raise JepaError(f"{self.manifest.name} has no probe.", "Build one from a classifier.")
        tokens = latents.reshape(1, -1, latents.shape[-1])
        logits = self._session("probe").run(None, {"last_hidden_state": tokens})[0][0]
        shares = np.exp(logits - logits.max())
        best = int(shares.argmax())
        return self.manifest.labels[best], float(shares[best] / shares.sum())

    def follow(self, tokens: FloatArray, actions: FloatArray, states: FloatArray) -> FloatArray:
        """What ``candidates`` action sequences lead to, each a moment later, by ``predictor_ac``.

        Normed tokens (B, T * N, D), actions and states (B, T, A) -> tokens (B, T * N, D).
        """
        inputs = {"tokens": tokens, "actions": actions, "states": states}
        return np.asarray(self._session("predictor_ac").run(None, inputs)[0])

    def _session(self, name: str) -> "InferenceSession":
        if name not in self._sessions:
            self.refuse_if_too_large(name)
            graph = verified_graph(self.folder, self.manifest.graphs[name])
            title = f"{self.manifest.name}/{name}"
            self._sessions[name] = open_session(graph, title, len(os.sched_getaffinity(0)))
        return self._sessions[name]

    def refuse_if_too_large(self, *names: str) -> None:
        """JepaError when these graphs would not fit into the memory that is free; loads none of them.

        Better one sentence now than the kernel's choice of a victim later.
        """
        needed = _SPARE + sum(int(_PACKED * self._weights(each)) + self._working(each) for each in names)
        free = _available(self._root)
        if free is not None and needed > free:
            raise JepaError(
                f"{self.manifest.name} needs {needed >> 20} MiB for its {' and '.join(names)}, "
                f"and {free >> 20} MiB are free.",
                "Close something, or build a pack with fewer frames, or with --weights int8.",
            )

    def _weights(self, name: str) -> int:
        path = self.folder / self.manifest.graphs[name].data
        try:
            return path.stat().st_size
        except OSError as error:
            raise JepaError(f"{path} cannot be read: {error.strerror}.", _AGAIN) from error

    def _working(self, name: str) -> int:
        """Bytes that are held while the graph runs."""
        of = self.manifest
        moments = of.candidates * of.horizon if name == "predictor_ac" else of.tokens.time + of.ahead
        return _WORKING * _FLOAT * moments * self.place * of.tokens.width


_VERSION_1: tuple[str, tuple[str, ...]] = ("memory.usage_in_bytes", ("memory.limit_in_bytes",))
_VERSION_2: tuple[str, tuple[str, ...]] = ("memory.current", ("memory.max", "memory.high"))
"""What a control group holds, and its limits."""
_AGAIN = "Build or install the pack again."


def _available(root: Path) -> int | None:
    """Bytes that can be had without swapping, here and in this process's groups; None if nothing says."""
    found = [free for free in (_of_machine(root), *_of_groups(root)) if free is not None]
    return min(found, default=None)


def _of_machine(root: Path) -> int | None:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        return None
    return None


def _of_groups(root: Path) -> Iterator[int]:
    """What the limits of this process's control group and of those around it leave."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        # Of version 2, which names none here, or of version 1; a container may show the root alone.
        tree, held, limits = ("memory", *_VERSION_1) if controllers else ("", *_VERSION_2)
        own = Path(path.strip("/"))
        for group in (own, *own.parents):
            folder = root / "sys/fs/cgroup" / tree / group
            for name in limits:
                with contextlib.suppress(OSError, ValueError):  # "max" is no number
                    yield max(0, int((folder / name).read_text()) - int((folder / held).read_text()))
