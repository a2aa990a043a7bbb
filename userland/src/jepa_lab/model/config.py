# SPDX-License-Identifier: Apache-2.0
"""The size of a machine world model."""

from dataclasses import dataclass

from jepa.telemetry.roles import PLAYED
from jepa.telemetry.schema import Schema
from jepa.world.controls import CONTROLS
from jepa.world.event_definitions import EVENT_DEFINITIONS

_SITUATION = (
    *("system.role.foreground.", "system.role.background."),
    *("system.cpu.", "system.pressure.", "system.disk."),
)
_SHARES = (
    *(f"system.role.{role}.{what}" for what in ("cpu", "pressure.cpu") for role in PLAYED),
    "system.cpu.utilization",
)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Numbers that fix every shape; they are kept in the pack."""

    channels: int
    event_channels: tuple[int, ...]
    """Of each event, the channel that it is defined on."""
    hint_channels: tuple[int, ...]
    """And another that leads up to it."""
    situation_channels: tuple[int, ...]
    """S channels that say what the roles and the machine are doing, for what a change of settings does."""
    share_channels: tuple[int, ...]
    """Those that say who gets the CPUs: used by foreground and background, how these wait, used by all."""
    controls: int
    """A: settings that actions change, see jepa.world.controls."""
    width: int = 96
    """D, of a latent and of a context state."""
    hidden: int = 192
    layers: int = 2
    heads: int = 4
    window: int = 128
    """W: frames the attention sees, and frames recall looks back on."""
    coarse: int = 128
    """V: how many frames beyond the window they see too, one in ``coarse_s``."""
    coarse_s: int = 15
    recall_heads: int = 2
    recall_width: int = 24
    embedding: int = 12
    """Width of what is learned of each channel alone."""
    concern: int = 6
    """Width of what is learned of each channel and setting: how the one takes a change of the other."""
    effect_code: int = 32
    """Width of what is made of a change of settings, for all channels."""
    effect_hidden: int = 64
    effect_dropout: float = 0.2
    """Trials are few: without it 0.84 of the signs are right in sessions left out, with it 0.88."""
    decoder_hidden: int = 64
    dropout: float = 0.1
    horizons_s: tuple[int, ...] = (1, 5, 15, 30, 60)
    longer_s: tuple[int, ...] = (120,)
    """Further windows of the past: for a minute to come, the last minute alone is much up to chance."""
    quantiles: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
    steps: tuple[int, ...] = (1, 2, 4, 8)
    """How many frames ahead latents are predicted in training; the runtime uses the first."""
    imagined: int = 6
    """Steps of one second that a course of actions is imagined for."""
    candidates: int = 64
    """Courses of actions imagined at once."""

    @property
    def windows_s(self) -> tuple[int, ...]:
        """L lengths of the windows of the past that the decoder is given: the horizons first."""
        return (*self.horizons_s, *self.longer_s)

    @classmethod
    def of(cls, schema: Schema) -> "ModelConfig":
        """The usual sizes, for the channels of ``schema`` and all events and controls there are."""
        events = tuple(schema.index(each.channel) for each in EVENT_DEFINITIONS)
        hints = tuple(schema.index(each.hint) for each in EVENT_DEFINITIONS)
        situation = tuple(at for at, name in enumerate(schema.names) if name.startswith(_SITUATION))
        shares = tuple(schema.index(name) for name in _SHARES)
        return cls(len(schema.channels), events, hints, situation, shares, len(CONTROLS))
