# SPDX-License-Identifier: Apache-2.0
"""A linear ARX with actions: the next frame from those before and from the settings, rolled forward."""

from collections.abc import Sequence
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from jepa.evaluation.courses import HORIZONS, CourseQuestion
from jepa.telemetry.recording import Recording
from jepa.world.forecast import FloatArray
from jepa_lab.effect_peers.lessons import LEARNED, Seen, asked, columns, folds, lessons, see

_STRENGTHS: Final = (1.0, 10.0, 100.0, 1000.0, 10000.0)
_MEMORIES: Final[tuple[tuple[float, ...], ...]] = ((), (1.0,), (1.0, 0.2), (1.0, 0.2, 0.033))
"""What is remembered beside the newest frame: the one before (1), and means fading by so much a second."""
_FOLDS: Final = 4

Matrix = npt.NDArray[np.float64]


class Arx:
    """One ridge regression for all channels; memory and strength are chosen on sessions left out.

    ``others`` are sessions of no trials, which are learned from where that is better.
    """

    def __init__(self, sessions: Sequence[Sequence[Seen]], others: Sequence[Sequence[Seen]] = ()) -> None:
        found: dict[tuple[tuple[float, ...], bool, float], float] = {}
        for memory in _MEMORIES:
            grams = [_summed([_gram(seen, memory) for seen in session]) for session in sessions]
            more = [_summed([_gram(seen, memory) for seen in session]) for session in others]
            for (kept, out), wide in product(folds(len(sessions), _FOLDS), (False, True)):
                if wide and not more:
                    continue
                some = _summed([*(grams[number] for number in kept), *(more if wide else ())])
                for strength in _STRENGTHS:
                    weights = _solve(some, strength)
                    key = memory, wide, strength
                    error = sum(_missed(sessions[number][0], weights, memory) for number in out)
                    found[key] = found.get(key, 0.0) + error
        best = min(found, key=lambda key: found[key])
        self._memory, wide, strength = best
        self.chosen: dict[str, Any] = {"memory": self._memory, "all_sessions": wide, "strength": strength}
        """What was chosen on the sessions left out."""
        every = [*sessions, *(others if wide else ())]
        parts = [_gram(seen, self._memory) for session in every for seen in session]
        self._weights = _solve(_summed(parts), strength)

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        """As `jepa.evaluation.courses.CourseImaginer` says."""
        seen, wanted = see(recording), columns(horizons)
        states = _states(seen.frame, self._memory)
        found = []
        for each in questions:
            before, after = asked(each)
            state = np.repeat(states[each.at][None], len(after), axis=0)
            windows = _rolled(state, before, after, self._weights, self._memory)
            found.append(windows[..., wanted].astype(np.float32))
        return found


def _states(frame: FloatArray, memory: Sequence[float]) -> Matrix:
    """(T, (1 + M) C): each frame, and what is remembered of those before it."""
    now = frame.astype(np.float64)
    parts = [now]
    for rate in memory:
        kept, mean = np.empty_like(now), now[0]
        for row in range(len(now)):
            kept[row] = mean
            mean = mean + rate * (now[row] - mean)
        parts.append(kept)
    return np.concatenate(parts, axis=1)


def _inputs(states: Matrix, before: Matrix | FloatArray, after: Matrix | FloatArray) -> Matrix:
    ones = np.ones((len(states), 1))
    moved = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    return np.concatenate([ones, states, after, moved], axis=1)


Gram = tuple[Matrix, Matrix]


def _gram(seen: Seen, memory: Sequence[float]) -> Gram:
    states = _states(seen.frame, memory)[:-1]
    x = _inputs(states, seen.control[:-1], seen.control[1:])
    step = np.diff(seen.frame.astype(np.float64), axis=0)
    return x.T @ x, x.T @ step


def _summed(parts: Sequence[Gram]) -> Gram:
    return sum(part[0] for part in parts), sum(part[1] for part in parts)  # type: ignore[return-value]


def _solve(gram: Gram, strength: float) -> Matrix:
    return np.asarray(np.linalg.solve(gram[0] + strength * np.eye(len(gram[0])), gram[1]), np.float64)


def _rolled(
    state: Matrix, before: FloatArray, after: FloatArray, weights: Matrix, memory: Sequence[float]
) -> Matrix:
    """(N, C, H): the means of the windows of LEARNED, from ``state`` (N, ...) on under ``after`` (N, A)."""
    width = weights.shape[1]
    total = np.zeros((len(state), width))
    found = np.zeros((len(state), width, len(LEARNED)))
    for second in range(1, max(LEARNED) + 1):
        frame = state[:, :width]
        coming = np.clip(frame + _inputs(state, before, after) @ weights, 0, 1)
        kept = [
            part + rate * (frame - part)
            for rate, part in zip(memory, np.split(state, 1 + len(memory), axis=1)[1:], strict=True)
        ]
        state, before = np.concatenate([coming, *kept], axis=1), after
        total += coming
        if second in LEARNED:
            found[..., LEARNED.index(second)] = total / second
    return found


def _missed(seen: Seen, weights: Matrix, memory: Sequence[float]) -> float:
    """The sum of squared errors on the changes of settings in ``seen``."""
    some = lessons(seen)
    use = some.changed
    state = _states(seen.frame, memory)[some.at[use]]
    windows = _rolled(state, some.before[use], some.after[use], weights, memory)
    missed = windows - seen.recent[some.at[use]][..., None] - some.target[use]
    return float(np.nansum(missed**2))
