# SPDX-License-Identifier: Apache-2.0
"""Gradient-boosted trees (LightGBM) of what windows do after a change: one model for each length."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt

from jepa.evaluation.courses import HORIZONS, CourseQuestion
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world.forecast import FloatArray
from jepa_lab.effect_peers.lessons import LEARNED, Seen, Situation, asked, columns, folds, lessons, see

_FIXED: Final[Mapping[str, Any]] = {
    "objective": "l2",
    "learning_rate": 0.05,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "num_threads": 1,
    "deterministic": True,
    "seed": 1,
    "verbose": -1,
}
_GRID: Final = tuple(
    {"num_leaves": leaves, "min_data_in_leaf": least}
    for leaves, least in ((7, 50), (15, 50), (31, 20), (63, 100))
)
_ROUNDS, _PATIENCE = 800, 30
_FOLDS: Final = 3
_CHOSEN_BY: Final = LEARNED.index(15)
"""The window whose errors choose, which nearly all trials keep a setting for."""


class EffectTrees:
    """Size and number of the trees are chosen on sessions left out."""

    def __init__(self, sessions: Sequence[Sequence[Seen]], schema: Schema) -> None:
        """``sessions`` are recordings, each with its mirror image."""
        self._situation = Situation.of(schema)
        frames = np.concatenate([seen.frame for session in sessions for seen in session])
        self._used = np.flatnonzero(np.ptp(frames, axis=0) > 0)
        rows = [[self._rows(seen) for seen in session] for session in sessions]
        errors, rounds = [0.0] * len(_GRID), [0] * len(_GRID)
        for kept, out in folds(len(rows), _FOLDS):
            some = [each for number in kept for each in rows[number]]
            held = [rows[number][0] for number in out]
            for number, size in enumerate(_GRID):
                model, error = _fit(some, held, _CHOSEN_BY, size)
                errors[number] += error
                rounds[number] += model.best_iteration
        best = int(np.argmin(errors))
        self.chosen: dict[str, Any] = {**_GRID[best], "rounds": max(1, rounds[best] // _FOLDS)}
        """What was chosen on the sessions left out."""
        every = [each for session in rows for each in session]
        self._models = [
            _fit(every, [], column, _GRID[best], self.chosen["rounds"])[0] for column in range(len(LEARNED))
        ]

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        """As `jepa.evaluation.courses.CourseImaginer` says."""
        seen, found = see(recording), []
        for each in questions:
            before, after = asked(each)
            x = self._inputs(seen, np.full(len(after), each.at), before, after)
            windows = np.repeat(seen.recent[each.at][None, :, None], len(after), axis=0)
            windows = np.repeat(windows, len(horizons), axis=2)
            for place, column in enumerate(columns(horizons)):
                windows[:, self._used, place] += np.asarray(self._models[column].predict(x)).reshape(
                    len(after), -1
                )
            found.append(windows.astype(np.float32))
        return found

    def _inputs(self, seen: Seen, at: np.ndarray, before: FloatArray, after: FloatArray) -> FloatArray:
        """(N x C', F): which channel, what it did of late, and what all channels are told."""
        own = seen.past[at][:, self._used]
        name = np.broadcast_to(self._used[None, :, None], (*own.shape[:2], 1))
        told = self._situation.described(seen, at, before, after)
        told = np.broadcast_to(told[:, None], (*own.shape[:2], told.shape[1]))
        x = np.concatenate([name, own, told], axis=-1)
        return x.reshape(-1, x.shape[-1]).astype(np.float32)

    def _rows(self, seen: Seen) -> "_Rows":
        some = lessons(seen, plain_every=16)
        x = self._inputs(seen, some.at, some.before, some.after)
        changed = np.repeat(some.changed, len(self._used))
        return x, some.target[:, self._used].reshape(len(x), -1), changed


_Rows = tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]
"""(N, F) of what is told, (N, H) of what came, and (N,) whether a setting changed."""


def _fit(
    rows: Sequence[_Rows], held: Sequence[_Rows], column: int, size: Mapping[str, Any], rounds: int = _ROUNDS
) -> tuple[lightgbm.Booster, float]:
    """A model of one window, and its squared error on the changes of ``held``, on which it is stopped."""
    x, y = _known(rows, column, changed=False)
    data = lightgbm.Dataset(x, y, categorical_feature=[0])
    parameters = {**_FIXED, **size}
    if not held:
        return lightgbm.train(parameters, data, rounds), 0.0
    held_x, held_y = _known(held, column, changed=True)
    stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
    model = lightgbm.train(
        parameters,
        data,
        rounds,
        valid_sets=[lightgbm.Dataset(held_x, held_y, reference=data)],
        callbacks=[stop],
    )
    return model, float(((model.predict(held_x) - held_y) ** 2).sum())


def _known(rows: Sequence[_Rows], column: int, *, changed: bool) -> tuple[FloatArray, FloatArray]:
    x = np.concatenate([each[0] for each in rows])
    y = np.concatenate([each[1][:, column] for each in rows])
    use = np.isfinite(y)
    if changed:
        use &= np.concatenate([each[2] for each in rows])
    return x[use], np.ascontiguousarray(y[use])
