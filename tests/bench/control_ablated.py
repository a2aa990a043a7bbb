# SPDX-License-Identifier: Apache-2.0
"""Runs inside the machine in jepad's place: jepad, whose planner lacks what the file ``ablation`` says.

``planner``: nothing. ``persistence``: forecasts; each window is taken to be as the last of its length was.
``kernel_rules``: learned effects; what a setting does follows from the scheduler's shares alone. The file is
read for every plan, so that branches of one snapshot can differ.
"""

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, "/usr/lib/jepa")

import numpy as np

from jepa.packs.effects import ChannelEffect, KnownEffects, SettingEffects
from jepa.planning.goals import Knowledge
from jepa.planning.planner import HORIZONS_S, Moment, Planner
from jepa.telemetry.frame import FloatArray, Frame
from jepa.telemetry.schema import Schema
from jepa.world.controls import QUOTA_SPAN, WEIGHT_SPAN
from jepa.world.forecast import Forecast, Imagined

ABLATION = Path("/run/control/ablation")
RULED = (
    *("system.role.foreground.pressure.cpu", "system.role.foreground.cpu", "system.role.background.cpu"),
    "system.cpu.utilization",
)
"""Channels, in percent, of which the scheduler's shares say something."""
RULE_SPREAD = 0.3
"""Of an effect as the rules have it; the packs' own spreads are 0.3 to 1.3."""


def persistent(forecast: Forecast, frames: Sequence[Frame], schema: Schema) -> Forecast:
    """``forecast`` with every median where the past window of that length was, its intervals as wide."""
    values = np.stack([np.where(frame.valid, frame.values, np.nan) for frame in frames])
    low, high = (np.array([getattr(each, end) for each in schema.channels]) for end in ("low", "high"))
    middle = forecast.quantiles.index(0.5)
    means = forecast.mean.copy()
    for at, horizon in enumerate(forecast.horizons_s):
        past = np.ma.masked_invalid(values[-horizon:]).mean(axis=0).filled(np.nan)
        moved = forecast.mean[:, at] + (past - forecast.mean[:, at, middle])[:, None]
        means[:, at] = np.where(
            np.isfinite(moved), np.clip(moved, low[:, None], high[:, None]), means[:, at]
        )
    return replace(forecast, mean=means.astype(np.float32))


class Shares:
    """``Dynamics`` by the scheduler's rules: who wants the CPU gets it by weight, up to a quota."""

    def __init__(self, forecast: Forecast, controls: Sequence[str]) -> None:
        self._forecast, self._controls = forecast, controls
        self._present: FloatArray | None = None

    def rollout(self, sequences: FloatArray) -> Imagined:
        """See ``jepa.planning.protocols.Dynamics``. The first sequence ever asked is what is set now."""
        if self._present is None:
            self._present = sequences[0, 0]
        middle = self._forecast.quantiles.index(0.5)
        now = self._forecast.mean[:, :, middle]  # (C, H)
        mean = np.repeat(now[None], len(sequences), axis=0)
        at = {name: self._forecast.channels.index(name) for name in RULED}
        before = self._levels(self._present, now, at)
        for row, strengths in enumerate(sequences[:, 0]):
            after = self._levels(strengths, now, at)
            for name, column in at.items():
                mean[row, column] = np.clip(now[column] + after[name] - before[name], 0, 100)
        return Imagined(
            latents=np.zeros((len(sequences), 1, 1), np.float32),
            mean=mean,
            p90=mean,
            event_probability=np.zeros((len(sequences), 0, mean.shape[-1]), np.float32),
        )

    def _levels(
        self, strengths: FloatArray, now: FloatArray, at: Mapping[str, int]
    ) -> dict[str, FloatArray]:
        """Percent: of a background that always wants the CPU, and a foreground as it is now."""

        def of(control: str) -> float:
            return float(strengths[self._controls.index(control)])

        weights = [np.exp(WEIGHT_SPAN * of(f"cpu.weight.{role}")) for role in ("foreground", "background")]
        quota = np.exp(-QUOTA_SPAN * max(0.0, of("cpu.max.background")))
        share = 0.0 if of("pause.background") > 0 else min(weights[1] / sum(weights), quota)
        front = now[at["system.role.foreground.cpu"]] / 100
        waits = np.minimum(1 - front, front * share / max(1 - share, 0.01))
        back = np.minimum(max(share, quota if share else 0.0), 1 - front)
        levels = (waits, front, back, front + back)
        return {name: np.asarray(100 * each) for name, each in zip(RULED, levels, strict=True)}


def ruled(effects: KnownEffects) -> KnownEffects:
    """The settings of ``effects``, as sure as a rule is of what it says."""
    effect = ChannelEffect(size=1.0, spread=RULE_SPREAD, changes=1)
    every = {name: dict.fromkeys(HORIZONS_S, effect) for name in RULED}
    return effects.model_copy(
        update={
            "settings": {
                name: SettingEffects(low=each.low, high=each.high, up=every, down=every)
                for name, each in effects.settings.items()
                if name in ("cpu.weight.background", "cpu.max.background", "pause.background")
            }
        }
    )


def without(
    ablation: str, moment: Moment, known: Knowledge, frames: Sequence[Frame]
) -> tuple[Moment, Knowledge]:
    """What the planner is given, less what ``ablation`` says."""
    if ablation == "persistence":
        return replace(moment, forecast=persistent(moment.forecast, frames, moment.schema)), known
    if ablation == "kernel_rules":
        dynamics = Shares(moment.forecast, moment.controls)
        return replace(moment, dynamics=dynamics), replace(known, effects=ruled(known.effects))
    return moment, known


def main() -> int:
    """Run jepad."""
    from jepa.service.daemon import main as jepad
    from jepa.world.model import WorldModel

    frames: deque[Frame] = deque(maxlen=60)
    whole_tick, whole_plan = WorldModel.tick, Planner.plan

    def tick(self: WorldModel, frame: Frame) -> Any:
        frames.append(frame)
        return whole_tick(self, frame)

    def plan(self: Planner, spec: Any, moment: Moment, known: Knowledge) -> Any:
        ablation = ABLATION.read_text() if ABLATION.exists() else ""
        return whole_plan(self, spec, *without(ablation, moment, known, tuple(frames)))

    WorldModel.tick, Planner.plan = tick, plan  # type: ignore[method-assign]
    return jepad()


if __name__ == "__main__":
    sys.exit(main())
