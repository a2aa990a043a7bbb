# SPDX-License-Identifier: Apache-2.0
"""A linear map from what changes, and what the kernel's rules say of it, to what the windows do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jepa.evaluation.courses import HORIZONS, CourseQuestion
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world.forecast import FloatArray
from jepa_lab.effect_peers.lessons import Lessons, Seen, Situation, asked, columns, folds, lessons, see

_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_FOLDS = 4


@dataclass(frozen=True, slots=True)
class _Rows:
    x: npt.NDArray[np.float64]  # (N, F)
    y: FloatArray  # (N, C, H)
    changed: npt.NDArray[np.bool_]  # (N,)


class LinearOfRules:
    """Ridge regression, one for each channel and window; its strength is chosen on sessions left out."""

    def __init__(self, sessions: Sequence[Sequence[Seen]], schema: Schema) -> None:
        """``sessions`` are recordings, each with its mirror image."""
        self._situation = Situation.of(schema)
        rows = [[self._rows(seen, lessons(seen)) for seen in session] for session in sessions]
        errors = dict.fromkeys(_STRENGTHS, 0.0)
        for kept, out in folds(len(rows), _FOLDS):
            some = [each for number in kept for each in rows[number]]
            for strength in _STRENGTHS:
                weights = _solve(some, strength)
                for number in out:
                    held = rows[number][0]
                    missed = np.einsum("nf,chf->nch", held.x, weights) - held.y
                    errors[strength] += float(np.nansum(missed[held.changed] ** 2))
        self.chosen: dict[str, Any] = {"strength": min(errors, key=lambda each: errors[each])}
        """What was chosen on the sessions left out."""
        self._weights = _solve([each for session in rows for each in session], self.chosen["strength"])

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        """As `jepa.evaluation.courses.CourseImaginer` says."""
        seen, wanted, found = see(recording), columns(horizons), []
        for each in questions:
            before, after = asked(each)
            x = self._inputs(seen, np.full(len(after), each.at), before, after)
            moved = np.einsum("nf,chf->nch", x, self._weights)
            found.append((seen.recent[each.at][:, None] + moved[..., wanted]).astype(np.float32))
        return found

    def _inputs(
        self, seen: Seen, at: np.ndarray, before: FloatArray, after: FloatArray
    ) -> npt.NDArray[np.float64]:
        described = self._situation.described(seen, at, before, after)
        return np.concatenate([np.ones((len(at), 1)), described], axis=1).astype(np.float64)

    def _rows(self, seen: Seen, some: Lessons) -> _Rows:
        return _Rows(self._inputs(seen, some.at, some.before, some.after), some.target, some.changed)


def _solve(rows: Sequence[_Rows], strength: float) -> npt.NDArray[np.float64]:
    """(C, H, F), of the rows at which each window is known."""
    x = np.concatenate([each.x for each in rows])
    y = np.concatenate([each.y for each in rows]).astype(np.float64)
    weights = np.zeros((*y.shape[1:], x.shape[1]))
    keep = strength * np.eye(x.shape[1])
    known = np.isfinite(y).reshape(len(y), -1)
    flat, targets = weights.reshape(-1, x.shape[1]), y.reshape(len(y), -1)
    # Most windows are known at the same rows: what is solved is solved once for all of those.
    patterns, which = np.unique(known, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        use, of = patterns[:, number], np.flatnonzero(which.ravel() == number)
        if use.any():
            part = x[use]
            flat[of] = np.linalg.solve(part.T @ part + keep, part.T @ targets[np.ix_(use, of)]).T
    return weights
