# SPDX-License-Identifier: Apache-2.0
"""How far imagined effects can be trusted: which settings were tried, and how large their real effects were.

A pack brings it as a file of its own, made by `jepa-lab effects` from trials that the pack was never trained
on. What is not in it is unknown, and nothing is planned with it.
"""

from typing import Final

from pydantic import Field, model_validator

from jepa.packs.manifest import Strict

NORMAL_90: Final = 1.645
"""Standard deviations on either side of the mean that hold 90 % of a normal distribution."""
NORMAL_80: Final = 1.282
"""The same of 80 %: one in ten lies below."""


class ChannelEffect(Strict):
    """The real effect of one setting on the mean of one channel over one window, as a multiple of the
    imagined one."""

    size: float
    """How much of it is real on average: the slope of measured effects on imagined ones, through 0."""
    spread: float = Field(ge=0)
    """Standard deviation of that multiple, from one program and moment to another."""
    changes: int = Field(ge=1)
    """Changes of the setting that it was measured on."""


Channels = dict[str, dict[int, ChannelEffect]]
"""By channel, and by the window's length in seconds: to act costs something, too, which is a good part of
what is seen in the first seconds."""


class SettingEffects(Strict):
    """One setting of the pack's manifest, such as ``cpu.weight.background``."""

    low: float = Field(ge=-1, le=1)
    high: float = Field(ge=-1, le=1)
    """The weakest and the strongest setting that was ever tried, as the graphs are given them."""
    up: Channels
    """Of a stronger setting than before."""
    down: Channels
    """Of a weaker one: to take a weight away from somebody is not what giving it is, the other way round."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Those on which any effect is known."""
        return tuple(dict.fromkeys((*self.up, *self.down)))

    @model_validator(mode="after")
    def _ordered(self) -> "SettingEffects":
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


class KnownEffects(Strict):
    """The content of the file."""

    lower_90: float | None = Field(ge=0, le=1)
    """Share of measured effects that reached the lower end of their 80 % interval, which 90 % should, each
    session judged by the others; None where there are too few sessions."""
    coverage_90: float | None = Field(ge=0, le=1)
    """Share of them within their 90 % interval."""
    windows: int = Field(ge=0)
    """Effects that these shares are of."""
    together: float = Field(default=1.0, ge=0, le=1)
    """Correlation between channels of how far the effects of one change lie from what was expected; 1, at
    which all are at their worse ends at once, where nothing is known of it."""
    settings: dict[str, SettingEffects]
