# SPDX-License-Identifier: Apache-2.0
"""How a machine model is trained: sessions, steps, and the weight of each loss."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train; of the losses' weights only those of band and horizons were tuned, on validation."""

    seed: int = 1
    minutes: float = 120.0
    """At most so long; the best so far is kept then. Nothing else depends on the clock."""
    steps: int = 5000
    patience: int = 30
    """Validations without improvement before it stops."""
    validate_every: int = 20
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    frames: int = 1200
    """In a batch, about, of recordings of about the same length; two recordings at least."""
    decoded_frames: int = 48
    """Frames of a batch that forecasts are made at."""
    decoded_channels: int = 20
    channel_drop: float = 0.1
    mirror: bool = True
    """Whether foreground and background change their parts in half of the sessions."""
    coarse_s: int = 15
    """How far apart the frames of the coarse context are."""
    actions_as_input: bool = True
    """Whether the settings in force are an input of the model."""
    acting: bool = True
    """Whether sessions with actions are trained on."""
    every: int = 1
    """One session in so many is trained on, in the order of their names."""
    twins: bool = True
    """Whether their second runs are, too."""
    forget: float = 0.15
    """Share of channels whose own vector is left out, so that unseen channels are served too."""
    band_weight: float = 2.0
    far_less: float = 0.5
    """By which power of its length a horizon weighs less: windows that overlap are not so many."""
    fresh_weight: float = 2.0
    """How much more the forecasts weigh while a setting has just changed."""
    predict_weight: float = 0.2
    event_weight: float = 0.3
    inverse_weight: float = 0.2
    sigreg_weight: float = 0.005
    variance_weight: float = 0.2
    covariance_weight: float = 0.01
    slices: int = 64
    average: float = 0.98
    """Decay of the averaged weights that are validated and kept."""
