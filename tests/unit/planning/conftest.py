# SPDX-License-Identifier: Apache-2.0
"""A machine as control groups, and a world model with effects that are known by heart."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from jepa.packs.effects import ChannelEffect, KnownEffects, SettingEffects
from jepa.planning.goals import Knowledge
from jepa.planning.planner import Moment
from jepa.planning.surroundings import Surroundings
from jepa.telemetry.schema import Schema
from jepa.world.controls import CONTROL_NAMES, HostSize
from jepa.world.forecast import FloatArray, Forecast, Imagined
from jepa.world.scale import Scale

WAIT = "system.role.foreground.pressure.cpu"
BUSY = "system.role.background.cpu"
HORIZONS_S = (1, 5, 15, 30, 60)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STEPS = 6


@dataclass
class Tree:
    """Control groups below a root, as the kernel shows them."""

    root: Path

    def mount(self) -> None:
        (self.root / "sys/fs/cgroup").mkdir(parents=True)
        (self.root / "sys/fs/cgroup/cgroup.controllers").write_text("cpu io memory pids\n")

    def group(self, path: str, *, populated: bool = True, **files: str) -> Path:
        folder = self.root / "sys/fs/cgroup" / path
        folder.mkdir(parents=True, exist_ok=True)
        usual = {"cpu_weight": "100", "cpu_max": "max 100000", "cgroup_freeze": "0", "cpu_idle": "0"}
        usual["cgroup_events"] = f"populated {int(populated)}\nfrozen 0"
        for name, content in (usual | files).items():
            (folder / name.replace("_", ".")).write_text(content + "\n")
        return folder

    def roles(self, text: str) -> None:
        file = self.root / "etc/jepa/roles.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A person at work in user.slice, and a backup in background.slice."""
    tree = Tree(tmp_path)
    tree.mount()
    tree.group("user.slice")
    tree.group("background.slice")
    tree.group("background.slice/backup.service")
    tree.group("system.slice")
    tree.group("system.slice/web.service")
    return tree


@dataclass
class Heart:
    """Dynamics by heart: an effect on the unit scale for each setting at full strength."""

    schema: Schema
    base: Mapping[str, float]
    """On the unit scale, by channel."""
    effects: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """By setting and channel."""
    noise: float = 0.0
    """Standard deviation of what it imagines falsely, on the unit scale."""
    seed: int = 0
    asked: int = 0

    def rollout(self, sequences: FloatArray) -> Imagined:
        self.asked += len(sequences)
        values = np.full((len(sequences), len(self.schema.channels)), 0.3, np.float64)
        for name, value in self.base.items():
            values[:, self.schema.index(name)] = value
        for (setting, name), effect in self.effects.items():
            strength = sequences[:, 0, CONTROL_NAMES.index(setting)]
            values[:, self.schema.index(name)] += effect * np.abs(strength)
        if self.noise:
            # The same course is imagined the same, in whatever company.
            for row, sequence in enumerate(sequences):
                own = np.random.default_rng([self.seed, *np.abs(sequence[0] * 1000).astype(int)])
                values[row] += own.normal(0, self.noise, values.shape[1])
        units = Scale(self.schema).from_unit(np.clip(values, 0, 1).astype(np.float32))
        mean = np.repeat(units[:, :, None], len(HORIZONS_S), axis=2)
        latents = np.zeros((len(sequences), STEPS, 4), np.float32)
        latents[:, :, 0] = sequences[:, :, CONTROL_NAMES.index("pause.background")]
        return Imagined(latents, mean, mean, np.zeros((len(sequences), 6, len(HORIZONS_S)), np.float32))


def forecast_of(schema: Schema, base: Mapping[str, float], spread: float = 0.02) -> Forecast:
    """A forecast whose medians are ``base`` (0.3 for other channels), give or take ``spread``."""
    middle = np.full(len(schema.channels), 0.3)
    for name, value in base.items():
        middle[schema.index(name)] = value
    unit = np.clip(middle[None] + spread * np.linspace(-1, 1, len(QUANTILES))[:, None], 0, 1)
    values = Scale(schema).from_unit(unit.astype(np.float32)).T  # (C, Q)
    mean = np.repeat(values[:, None], len(HORIZONS_S), axis=1)
    return Forecast(0, schema.names, HORIZONS_S, QUANTILES, mean, mean)


def moment_of(dynamics: Heart, spread: float = 0.02) -> Moment:
    schema = dynamics.schema
    forecast = forecast_of(schema, dynamics.base, spread)
    return Moment(dynamics, forecast, schema, CONTROL_NAMES, STEPS)


def effects(spread: float = 0.1, *names: str, channels: tuple[str, ...] = (WAIT, BUSY)) -> KnownEffects:
    """All of an effect is real, give or take ``spread``, for the settings ``names``."""
    effect = ChannelEffect(size=1, spread=spread, changes=20)
    known = {name: dict.fromkeys(HORIZONS_S, effect) for name in channels}
    settings = {name: SettingEffects(low=-1, high=1, up=known, down=known) for name in names}
    return KnownEffects(lower_90=0.9, coverage_90=0.9, windows=100, settings=settings)


WEIGHT, QUOTA, PAUSE = "cpu.weight.background", "cpu.max.background", "pause.background"


@pytest.fixture
def knowing(tree: Tree) -> Callable[..., Knowledge]:
    def make(known: KnownEffects | None = None, cpus: int = 2, changed_s: float | None = None) -> Knowledge:
        return Knowledge(
            "machine 0.0.1",
            effects(0.1, WEIGHT, QUOTA, PAUSE) if known is None else known,
            HostSize(cpus=cpus),
            Surroundings(tree.root),
            lambda action, unit: changed_s,
        )

    return make
