# SPDX-License-Identifier: Apache-2.0
"""Whether courses that a planner would take for a captured state really come nearer to it, in real trials.

Each trial of a setting is foretold by trials of other sessions, as a pack's effects are. The states that are
wanted are those that trials came to: the one of the trial itself, which its setting can reach, and those of
every other session. A course is taken when its energy is lower at worst by more than it costs; it came
nearer when what was measured is. Both by the planner's own energy, with three ways to add up what channels
lose at their worse ends: all at once, as they were seen to do together, and each by itself.

Usage: python -m tests.bench.captured_states [OUT]
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from jepa.evaluation.effect_errors import Foretold, foretold, trials_of
from jepa.packs.effects import NORMAL_80, KnownEffects
from jepa.packs.pack import load_pack
from jepa.planning.energy import Energy, Near, Outcome
from jepa.planning.goals import steered
from jepa.planning.planner import HORIZON_S, SWITCH_COST
from jepa.world.forecast import FloatArray
from jepa_lab.branches.trials import experiments_in, trials_in
from jepa_lab.commands.defaults import PACK, RECORDED

LEAST: Final = 4
"""Channels of a state: of fewer it is none."""


def taken(effect: Foretold, wanted: FloatArray, together: float) -> tuple[bool, bool] | None:
    """Whether the course of ``effect`` would be taken for the state ``wanted`` (C,), and came nearer to it.

    Both as they differ from doing nothing, on the unit scale around its middle; None of too few channels.
    """
    known = np.isfinite(effect.expected) & np.isfinite(effect.measured) & np.isfinite(wanted)
    if known.sum() < LEAST:
        return None
    names = tuple(map(str, np.flatnonzero(known)))
    energy = Energy(
        tuple(Near(name, 0.5 + at) for name, at in zip(names, wanted[known].tolist(), strict=True))
    )

    def outcome(middle: FloatArray, deviation: FloatArray) -> Outcome:
        rows, none = np.float32(0.5) + middle[known][None], np.zeros(len(names), np.float32)
        most = np.full_like(rows, np.inf)
        latents = np.zeros((1, 1, 1), np.float32)
        return Outcome(
            names, rows, deviation[known][None], most, (none, none), latents, np.ones(1, np.bool_)
        )

    nothing = np.zeros_like(effect.expected)
    before = energy.expected(outcome(nothing, nothing))[0]
    worst = energy.worst(outcome(effect.expected, effect.deviation), NORMAL_80, together)[0]
    after = energy.expected(outcome(effect.measured, nothing))[0]
    return bool(before - worst > SWITCH_COST), bool(after < before)


def table(effects: Sequence[Foretold], ways: dict[str, float]) -> list[dict[str, Any]]:
    """Of each of the ``ways``: which share of states is reached, and of courses taken came nearer."""
    entries = []
    for way, together in ways.items():
        own = [each for effect in effects if (each := taken(effect, effect.measured, together)) is not None]
        others = [
            each
            for effect in effects
            for other in effects
            if other.session != effect.session
            and (each := taken(effect, other.measured, together)) is not None
        ]
        nearer = [came for took, came in others if took]
        for name, of, n in (
            ("reached", [took for took, _ in own], len(own)),
            ("taken", [took for took, _ in others], len(others)),
            ("nearer", nearer, len(nearer)),
        ):
            entries.append(
                {
                    "name": f"captured_{way}_{name}_share",
                    "value": round(float(np.mean(of)), 4) if of else None,
                    "unit": "",
                    "better": "higher",
                    "n": n,
                    "p50": None,
                    "p99": None,
                    "baseline": None,
                    "ratio": None,
                }
            )
    return entries


def main(out: Path) -> None:
    """Measure and write ``out``."""
    pack = load_pack(PACK)
    known = pack.effects or KnownEffects(lower_90=None, coverage_90=None, windows=0, settings={})
    experiments = experiments_in(PACK / "heldout", pack)
    trials = [trial for number, each in enumerate(experiments) for trial in trials_of(number, each, pack)]
    trials += trials_in(RECORDED / "branches", len(experiments), pack)
    shared = [each.channels for each in known.settings.values()]
    channels = [at for at, name in enumerate(pack.schema.names) if steered(name, shared)]
    effects = foretold(trials, channels, HORIZON_S)
    found = table(effects, {"at_once": 1.0, "as_seen": known.together, "each": 0.0})
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for entry in found:
        print(f"{entry['name']:40} {entry['value']}  of {entry['n']}")


if __name__ == "__main__":
    main(Path((sys.argv[1:] or ["build/bench/captured-states.json"])[0]))
