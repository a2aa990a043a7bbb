# SPDX-License-Identifier: Apache-2.0
"""The trial laboratory: a moment of real work, and what followed it with an action and without."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jepa.telemetry.schema import load_schema
from jepa_lab.branches.effects import effects
from jepa_lab.branches.plan import load_plan
from jepa_lab.branches.schedule import NOTHING, Course, Moment, Run, Start, Step
from tools.laboratory import Laboratory
from tools.record_branches import PLAN
from tools.vm.machine import Say

pytestmark = [pytest.mark.vm, pytest.mark.slow]

FROZEN = Course("freeze", (Step(0.0, "unit.freeze", "lab-background.service", None),))


def test_branches_without_an_action_agree_and_one_with_it_does_what_it_says(
    tmp_path: Path, say: Say
) -> None:
    plan = replace(load_plan(PLAN), context_s=16, branch_s=10)
    programs = {each.name: each for each in plan.programs}
    shape = next(each for each in plan.shapes if each.name == "wide")
    starts = (
        Start(0, "background", programs["xz"], seed=2),
        Start(3, "foreground", programs["requests"], seed=3),
    )
    courses = (*(Course(name) for name in NOTHING), FROZEN)
    moment = Moment("m1", 20, courses)
    run = Run("test", "train", shape, starts, (moment,))
    laboratory = Laboratory(plan, run, load_schema(), tmp_path / "machine", say)
    ((_, recorded),) = laboratory.moments([moment])

    assert len(recorded.context.ts_ns) == 16
    steps = np.diff(np.concatenate([recorded.context.ts_ns, recorded.branches[2].frames.ts_ns]))
    np.testing.assert_allclose(steps / 1e9, 1.0, atol=0.2)
    cpu = load_schema().index("system.role.background.cpu")
    (frozen,) = effects(recorded, (10,))
    assert frozen.without[cpu, 0] > 40, "it works without the action"
    assert frozen.chance[cpu, 0] < 3, "and does so again"
    assert frozen.without[cpu, 0] + frozen.changed[cpu, 0] < 0.2 * frozen.without[cpu, 0]
    (report,) = recorded.branches[2].reports
    assert report["state"] == "committed"
    assert not (tmp_path / "machine").exists(), "nothing is left of the machine"
