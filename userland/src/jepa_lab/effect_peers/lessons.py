# SPDX-License-Identifier: Apache-2.0
"""What peers of effects see of a recording, and what there is to learn from in it; all on the unit scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from jepa.evaluation.courses import CourseQuestion
from jepa.telemetry.recording import Recording
from jepa.telemetry.roles import PLAYED
from jepa.telemetry.schema import Schema
from jepa.world.controls import in_force
from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale
from jepa.world.windows import all_window_stats, coming, filled
from jepa_lab.data import Mirror
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.shares import gains
from jepa_lab.peers.features import carried

LEARNED: Final = (1, 5, 15, 30)
"""Seconds over whose mean peers are fitted."""
PAST: Final = (1, 5, 15, 30)
"""Seconds up to a frame over whose mean it is described."""
_RECENT: Final = PAST.index(5)
_KEPT: Final = 0.8
"""Of a window's length, for which a setting must be kept if it is to be learned from."""
_WARM: Final = 16
"""Frames before the first change that is learned from, as the pack has it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One recording."""

    frame: FloatArray
    """(T, C), what is absent as it was last, or 0."""
    past: FloatArray
    """(T, C, P): the means of the windows of PAST up to each frame."""
    came: FloatArray
    """(T, C, H): those of the windows of LEARNED after it; NaN where they were not seen."""
    control: FloatArray
    """(T, A): the settings in force."""

    @property
    def recent(self) -> FloatArray:
        """(T, C): the mean of the last five seconds, which changes are counted from."""
        return self.past[..., _RECENT]

    def swapped(self, mirror: Mirror) -> "Seen":
        """The same with foreground and background in each other's place."""
        channels, controls = mirror.channels.numpy(), mirror.controls.numpy()
        return Seen(
            self.frame[:, channels],
            self.past[:, channels],
            self.came[:, channels],
            self.control[:, controls],
        )


def see(recording: Recording) -> Seen:
    """``recording`` as peers are given it."""
    scale, values = Scale(recording.schema), recording.values

    def unit(means: FloatArray) -> FloatArray:
        return np.moveaxis(scale.to_unit(np.moveaxis(means, 1, -1)), -1, 1)

    truth, seen = coming(values, LEARNED)
    came = unit(np.where(seen, truth[..., 0], np.nan))
    past = np.nan_to_num(unit(filled(all_window_stats(values, PAST).mean)))
    return Seen(carried(scale.to_unit(values)), past, came, in_force(recording))


@dataclass(frozen=True, slots=True)
class Situation:
    """Which channels tell how the machine is, for the kernel's rules and for those who are fitted."""

    channels: tuple[int, ...]
    """Of roles, CPU, pressure and disks, as the pack's head for effects sees them."""
    shares: tuple[int, ...]
    """What the roles use, how long they wait, and what all use."""

    @classmethod
    def of(cls, schema: Schema) -> "Situation":
        """Those of ``schema``."""
        config = ModelConfig.of(schema)
        return cls(config.situation_channels, config.share_channels)

    def gained(self, recent: FloatArray, before: FloatArray, after: FloatArray) -> FloatArray:
        """(N, 6) of `jepa_lab.model.shares.gains`, from the last five seconds (N, C)."""
        roles, shares = len(PLAYED), recent[:, list(self.shares)]
        # Waiting is scaled as its square root.
        parts = (before, after, shares[:, :roles], shares[:, roles : 2 * roles] ** 2, shares[:, 2 * roles :])
        found: FloatArray = gains(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)).numpy()
        return found

    def described(self, seen: Seen, at: np.ndarray, before: FloatArray, after: FloatArray) -> FloatArray:
        """(N, F): what changes (A), what the rules say of it (6), what was set (A), and the situation."""
        recent = seen.recent[at]
        gained = self.gained(recent, before, after)
        return np.concatenate([after - before, gained, before, recent[:, list(self.channels)]], axis=1)


@dataclass(frozen=True, slots=True)
class Lessons:
    """N frames of one recording to learn from."""

    at: np.ndarray
    """(N,)"""
    before: FloatArray
    after: FloatArray
    """(N, A): what was in force, and from the next frame on; the same where nothing was done."""
    target: FloatArray
    """(N, C, H): how the windows differ from the last five seconds; NaN where that is not known."""

    @property
    def changed(self) -> np.ndarray:
        """(N,) whether a setting changed."""
        return np.asarray((self.before != self.after).any(axis=1))


def lessons(seen: Seen, plain_every: int = 8) -> Lessons:
    """The changes of settings in ``seen``, and of the other frames one in ``plain_every``."""
    moved = (seen.control[1:] != seen.control[:-1]).any(axis=1)
    at = np.flatnonzero(moved | (np.arange(len(moved)) % plain_every == 0))
    at = at[at >= _WARM]
    changes = np.flatnonzero(moved)
    places = np.searchsorted(changes, at, side="right")
    ends = np.append(changes, len(seen.frame) - 1)[places]
    kept = (ends - at)[:, None] >= _KEPT * np.array(LEARNED)  # (N, H)
    target = np.where(kept[:, None], seen.came[at] - seen.recent[at][..., None], np.nan)
    return Lessons(at, seen.control[at], seen.control[at + 1], target.astype(np.float32))


def folds(sessions: int, parts: int) -> Iterator[tuple[list[int], list[int]]]:
    """Which of so many sessions to fit on and which to leave out, each left out once."""
    for part in range(parts):
        out = list(range(part, sessions, parts))
        yield [number for number in range(sessions) if number not in out], out


def columns(horizons: Sequence[int]) -> list[int]:
    """Where ``horizons`` lie in LEARNED; ValueError for others."""
    return [LEARNED.index(horizon) for horizon in horizons]


def asked(question: CourseQuestion) -> tuple[FloatArray, FloatArray]:
    """(K, A) twice: what is in force, and what would be."""
    after = question.settings.astype(np.float32)
    return np.repeat(after[:1], len(after), axis=0), after
