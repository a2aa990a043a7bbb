# SPDX-License-Identifier: Apache-2.0
"""A grant for a task names what its plans may set, and no more; the actuator takes it as it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jepa.actions.guard.grants import GrantStore
from jepa.planning.plan import Settable
from jepa.tasks.granting import LEASE_S, grant_for
from tests.unit.tasks.machine import plan

SETTABLE = (
    Settable("cpu.weight", ("background.slice",), ("default", 50, 1)),
    Settable("cpu.weight", ("web.service",), ("default", 500)),
    Settable("unit.freeze", ("background.slice",), ("running", "frozen")),
)


def granted(*steps: tuple[str, Any, Any], **spec: Any) -> dict[str, Any]:
    made = plan(*steps, spec={"intent": "prioritize", **spec})
    return grant_for("t1", replace(made, settable=SETTABLE).as_dict())


def test_it_names_actions_targets_ranges_and_an_end(tmp_path: Path) -> None:
    given = granted(("cpu.weight", "default", 50), until="PT30M")  # type: ignore[arg-type]
    grant = GrantStore(tmp_path / "grants.jsonl", "b00t", lambda: 0.0, lambda: 0).add(given, 1000)
    assert (grant.task, grant.daemon, grant.uid) == ("t1", "jepad.service", 1000)
    assert grant.actions == ("cpu.weight", "unit.freeze")
    assert grant.targets == ("background.slice", "web.service")
    assert grant.ranges == {"cpu.weight": (1, 500)}
    assert (grant.until_s, grant.most_for_s) == (1800, LEASE_S)


def test_a_plan_that_sets_a_word_needs_an_action_without_a_range() -> None:
    assert "ranges" not in granted(("cpu.weight", 50, "default"))  # type: ignore[arg-type]


def test_idle_is_within_what_is_granted_where_plans_may_set_it() -> None:
    idle = (Settable("cpu.weight", ("background.slice",), ("default", 50, 1, "idle")),)
    made = replace(plan(("cpu.weight", "default", "idle")), settable=idle)  # type: ignore[arg-type]
    assert grant_for("t1", made.as_dict())["ranges"] == {"cpu.weight": [0, 50]}


def test_without_an_end_it_lasts_until_it_is_revoked() -> None:
    assert "for_s" not in granted()
