# SPDX-License-Identifier: Apache-2.0
"""What is trained for which environment."""

from dataclasses import dataclass
from pathlib import Path

from jepa.errors import JepaError
from jepa_lab.visual import NAMES
from jepa_lab.visual.environment import Environment
from jepa_lab.visual.losses import LossWeights
from jepa_lab.visual.model import VisualConfig
from jepa_lab.visual.train import VisualTraining


@dataclass(frozen=True, slots=True)
class Recipe:
    """One environment, and the numbers that fit it."""

    environment: Environment
    config: VisualConfig
    training: VisualTraining
    folder: Path
    """Of its pack."""


def recipe(name: str) -> Recipe:
    """By the environment's name; JepaError when there is none."""
    if name == "two-room":
        from jepa_lab.visual.walks import TwoRoom

        return Recipe(TwoRoom(), VisualConfig(), VisualTraining(), Path("model-packs/vision"))
    if name == "push-t":
        from jepa_lab.visual.pushing import PushT

        config = VisualConfig(
            crop=64,
            empty=1.0,
            contrast=0.25,
            wide=(32, 64, 128, 128),
            normed=True,
            sketch=2,
            width=128,
            hidden=768,
            actions=10,
            block=5,
            steps=5,
        )
        training = VisualTraining(
            walks=20_000,
            lots=80,
            length=120,
            steps=4_103,
            batch=256,
            stretch=5,
            goals=2,
            settling=5_643,
            settling_batch=1_024,
            learning_rate=2e-3,
            # SIGReg grows with how many latents it is shown.
            weights=LossWeights(
                sigreg=0.004, inverse=3.0, sketch=40.0, strangers=1.0, imagined=True, reversible=False
            ),
        )
        return Recipe(PushT(), config, training, Path("model-packs/vision-push-t"))
    raise JepaError(f"There is no environment {name!r}.", f"Name one of {', '.join(NAMES)}.")
