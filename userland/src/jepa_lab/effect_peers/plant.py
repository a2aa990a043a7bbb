# SPDX-License-Identifier: Apache-2.0
"""The public action-conditioned world models of latentplant, trained on our sessions with actions.

They are taken as they come, with the sizes and rates that their author chose: an RSSM, and an ensemble of
probabilistic one-step models (PETS). The actions are our settings, the observations our channels.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from latentplant import RSSM, ProbabilisticEnsemble, WindowSet

from jepa.evaluation.courses import HORIZONS, CourseQuestion
from jepa.telemetry.recording import Recording
from jepa.world.forecast import FloatArray
from jepa_lab.effect_peers.lessons import LEARNED, Seen, asked, see

CONTEXT: Final = 32
"""Frames it sees before it imagines: moments of the laboratory have 40."""
_SAMPLES: Final = 32

Kind = Literal["rssm", "ensemble"]


class PlantModel:
    """One of latentplant's models behind our questions; courses of one question share their random draws."""

    def __init__(
        self, sessions: Sequence[Sequence[Seen]], kind: Kind, *, epochs: int, every: int = 4, seed: int = 1
    ) -> None:
        windows = _windows([seen for session in sessions for seen in session], every)
        maker = RSSM if kind == "rssm" else ProbabilisticEnsemble
        self._model = maker(windows.n_obs, windows.n_act, device="cpu")
        self.trained: dict[str, Any] = self._model.fit(windows, epochs=epochs, seed=seed)
        """What the training says of itself."""
        self._seed = seed

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        """As `jepa.evaluation.courses.CourseImaginer` says; the mean over sampled courses."""
        seen = see(recording)
        return [self._imagined(seen, each, max(horizons), horizons) for each in questions]

    def _imagined(
        self, seen: Seen, question: CourseQuestion, ahead: int, horizons: Sequence[int]
    ) -> FloatArray:
        _, after = asked(question)
        courses, end = len(after), question.at + 1
        # Where there is less of a past, its first frame is repeated.
        rows = np.maximum(np.arange(end - CONTEXT, end), 0)
        observed = np.repeat(seen.frame[rows][None], courses, axis=0)
        acted = np.repeat(seen.control[rows][None], courses, axis=0)
        planned = np.repeat(after[:, None], ahead, axis=1)
        nothing = np.zeros((courses, CONTEXT, 0)), np.zeros((courses, ahead, 0))
        options: dict[str, Any] = {"n_samples": _SAMPLES, "seed": self._seed}
        if isinstance(self._model, RSSM):
            draws = np.random.default_rng(self._seed)
            for name, frames in (("ctx_noise", CONTEXT), ("fut_noise", ahead)):
                same = draws.standard_normal((_SAMPLES, 1, frames, self._model.stoch))
                options[name] = np.repeat(same, courses, axis=1)
        rollout = self._model.rollout(observed, acted, nothing[0], planned, nothing[1], **options)
        course = np.clip(rollout.mean, 0, 1)  # (K, S, C)
        return np.stack([course[:, :horizon].mean(axis=1) for horizon in horizons], axis=-1).astype(
            np.float32
        )


def _windows(recordings: Sequence[Seen], every: int) -> WindowSet:
    """Of each recording one window in ``every`` frames, as long as context and the longest of LEARNED."""
    ahead = max(LEARNED)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("obs_ctx", "act_ctx", "obs_fut", "act_fut")}
    for seen in recordings:
        for start in range(0, len(seen.frame) - CONTEXT - ahead + 1, every):
            middle, end = start + CONTEXT, start + CONTEXT + ahead
            parts["obs_ctx"].append(seen.frame[start:middle])
            parts["obs_fut"].append(seen.frame[middle:end])
            parts["act_ctx"].append(seen.control[start:middle])
            parts["act_fut"].append(seen.control[middle:end])
    whole = {name: np.stack(some) for name, some in parts.items()}
    count = len(whole["obs_ctx"])
    return WindowSet(
        **whole,
        exo_ctx=np.zeros((count, CONTEXT, 0)),
        exo_fut=np.zeros((count, ahead, 0)),
        mask_fut=np.ones_like(whole["obs_fut"], dtype=bool),
    )
