# SPDX-License-Identifier: Apache-2.0
"""The manifest of a machine pack: what pack.toml may say."""

from typing import Literal

from pydantic import Field, model_validator

from jepa.packs.manifest import FileName, GraphFile, Manifest, Provenance, Sha256, Strict


class ChannelSchema(Strict):
    """The channels the pack was trained on, in the order of its graphs' inputs."""

    version: int
    digest: Sha256
    names: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> "ChannelSchema":
        if len(set(self.names)) != len(self.names):
            raise ValueError("names must not repeat")
        return self


class CostBudget(Strict):
    """What the pack promises to stay within, on one core of the build machine."""

    tick_ms_p99: float = Field(gt=0)
    rss_mib: float = Field(gt=0)
    mflop_per_tick: float = Field(gt=0)


class ModelShape(Strict):
    """The sizes of the graphs' inputs and outputs."""

    width: int = Field(ge=1, le=4096)
    window: int = Field(ge=128, le=65536)
    coarse: int = Field(ge=1, le=65536)
    """Frames seen beyond the window, one in ``coarse_s``."""
    coarse_s: int = Field(ge=1, le=3600)
    layers: int = Field(ge=1, le=64)
    heads: int = Field(ge=1, le=64)
    key_width: int = Field(ge=1, le=4096)
    horizons_s: tuple[int, ...] = Field(min_length=1)
    longer_s: tuple[int, ...]
    """Further windows of the past that the decode graph is given, beside those as long as the horizons."""
    quantiles: tuple[float, ...] = Field(min_length=3)
    controls: tuple[str, ...] = Field(min_length=1)
    """Settings that actions change, as ACTION or ACTION.ROLE, in the order of the graphs' inputs."""
    events: tuple[str, ...]
    """Events whose probability the graphs give."""
    untrained_events: tuple[str, ...]
    """Those of them with too few onsets in training: their probability means nothing, and is not shown."""
    candidates: int = Field(ge=1, le=4096)
    """Courses of actions that are imagined at once."""
    imagined: int = Field(ge=1, le=64)
    """Seconds for which each course says what is set."""

    @model_validator(mode="after")
    def _ascending(self) -> "ModelShape":
        if list(self.horizons_s) != sorted(set(self.horizons_s)) or self.horizons_s[0] != 1:
            raise ValueError("horizons_s must ascend and start with 1")
        if max(self.horizons_s) >= self.window:
            raise ValueError("the window must be longer than every horizon")
        longest = (max(self.horizons_s), *self.longer_s)
        if list(longest) != sorted(set(longest)):
            raise ValueError("longer_s must ascend and lie beyond every horizon")
        if list(self.quantiles) != sorted(set(self.quantiles)) or not all(0 < q < 1 for q in self.quantiles):
            raise ValueError("quantiles must ascend within 0..1")
        if not set(self.untrained_events) <= set(self.events):
            raise ValueError("untrained_events must be among events")
        if 0.5 not in self.quantiles:
            raise ValueError("quantiles must hold the median")
        return self


class Calibration(Strict):
    """What turns a latent distance and a frame's novelty into a probability."""

    usual_distance: float = Field(gt=0)
    usual_novelty: float = Field(gt=0)
    """Medians on frames never trained on: each is counted in units of what is usual."""
    surprise: tuple[float, ...] = Field(min_length=2)
    """Evenly spaced quantiles, from 0 to 1, of both together on frames never trained on."""

    @model_validator(mode="after")
    def _ascending(self) -> "Calibration":
        if list(self.surprise) != sorted(self.surprise):
            raise ValueError("surprise must ascend")
        return self


class EffectsFile(Strict):
    """The file with what is known of the effects of settings, see ``jepa.packs.effects``."""

    file: FileName
    sha256: Sha256


class MachineManifest(Manifest):
    """The content of pack.toml."""

    kind: Literal["machine"]
    results: FileName
    channels: ChannelSchema
    shape: ModelShape
    budget: CostBudget
    calibration: Calibration
    provenance: Provenance
    graphs: dict[str, GraphFile]
    effects: EffectsFile | None = None
    """None for a pack that nothing can be planned with."""
