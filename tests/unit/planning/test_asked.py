# SPDX-License-Identifier: Apache-2.0
"""What says itself what is to be done becomes a plan of it, on the files of machines as they are."""

from pathlib import Path
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.planning.asked import AskedPlanner
from jepa.planning.plan import Plan, verify
from jepa.service.machine_settings import ReadSettings
from jepa.tasks.granting import RESTARTS_PER_HOUR, grant_for
from jepa.tasks.spec import TaskSpec

CPU = "sys/devices/system/cpu"
WRITEBACK = "proc/sys/vm/dirty_writeback_centisecs"


class Manager:
    """A service manager that knows two units."""

    def unit(self, name: str) -> Any:
        full = name if "." in name else f"{name}.service"
        if full not in ("shop.service", "db.service"):
            raise JepaError(f"There is no unit {full!r}.", "", status=404)
        return type("Unit", (), {"id": full})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine without any driver that scales frequencies, such as a virtual one."""
    put(tmp_path, WRITEBACK, "500")
    return tmp_path


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"{text}\n")


def laptop(root: Path, epp: str = "balance_performance") -> None:
    """intel_pstate in active mode, with a vendor's profiles."""
    put(root, f"{CPU}/cpufreq/policy0/scaling_governor", "powersave")
    put(root, f"{CPU}/cpufreq/policy0/scaling_available_governors", "performance powersave")
    put(root, f"{CPU}/cpufreq/policy0/energy_performance_preference", epp)
    put(
        root,
        f"{CPU}/cpufreq/policy0/energy_performance_available_preferences",
        "default performance balance_performance balance_power power",
    )
    put(root, f"{CPU}/intel_pstate/no_turbo", "0")
    put(root, "sys/firmware/acpi/platform_profile", "balanced")
    put(root, "sys/firmware/acpi/platform_profile_choices", "quiet balanced performance")


def planned(root: Path, left: tuple[tuple[str, str], ...] = (), **spec: Any) -> Plan:
    manager: Any = Manager()
    planner = AskedPlanner("a" * 32, ReadSettings(root, lambda: manager), lambda: 0, lambda: 1000.0)
    return planner.plan(TaskSpec(**spec), left)


def steps(plan: Plan) -> list[tuple[str, Any, Any]]:
    return [(step.action, step.old, step.new) for step in plan.steps]


def test_saving_power_sets_what_the_driver_offers_and_claims_nothing_of_it(root: Path) -> None:
    laptop(root)
    plan = planned(root, intent="power", operation="save")
    assert steps(plan) == [
        ("platform.profile", "balanced", "quiet"),
        ("cpu.epp", "balance_performance", "power"),
        ("cpu.boost", "on", "off"),
        ("vm.dirty_writeback_centisecs", 500, 1500),
    ]
    assert plan.verdict.decision == "ask" and "unknown: no trial shows it" in plan.verdict.reasons[0]
    assert (plan.windows, plan.energy.gain, plan.energy.lower) == ({}, 0.0, 0.0), "nothing is imagined"
    assert all(step.reversible and step.tier == "tune" for step in plan.steps)
    verify(plan.as_dict(), "a" * 32, 1001.0)


def test_a_grant_for_it_reaches_the_machine_s_own_settings_and_no_other(root: Path) -> None:
    laptop(root)
    grant = grant_for("t1", planned(root, intent="power", operation="save").as_dict())
    assert grant["targets"] == ["machine"]
    assert grant["actions"] == ["cpu.boost", "cpu.epp", "platform.profile", "vm.dirty_writeback_centisecs"]
    assert grant["ranges"] == {"vm.dirty_writeback_centisecs": [500.0, 1500.0]}


def test_performance_asks_the_governor_only_where_the_cpus_do_not_choose_themselves(root: Path) -> None:
    laptop(root, "power")
    assert steps(planned(root, intent="power", operation="performance")) == [
        ("platform.profile", "balanced", "performance"),
        ("cpu.epp", "power", "performance"),
    ], "boost is on already"
    for name in ("energy_performance_preference", "energy_performance_available_preferences"):
        (root / f"{CPU}/cpufreq/policy0/{name}").unlink()
    assert ("cpu.governor", "powersave", "performance") in steps(
        planned(root, intent="power", operation="performance")
    )


def test_where_nothing_can_be_set_it_is_refused_with_the_reason(root: Path) -> None:
    plan = planned(root, intent="power", operation="performance")
    assert plan.verdict.decision == "deny" and plan.steps == () and plan.settable == ()
    assert any("frequency of the CPUs cannot be set" in reason for reason in plan.verdict.reasons)


def test_what_is_set_already_or_further_or_a_person_s_is_left_alone(root: Path) -> None:
    put(root, WRITEBACK, "3000")
    plan = planned(root, intent="power", operation="save")
    assert plan.steps == () and plan.verdict.decision == "allow", "somebody saves more already"
    put(root, WRITEBACK, "500")
    plan = planned(root, (("vm.dirty_writeback_centisecs", ""),), intent="power", operation="save")
    assert plan.steps == () and any("left to them" in reason for reason in plan.verdict.reasons)


def test_a_watch_to_tell_needs_no_grant_and_one_to_restart_names_its_units(root: Path) -> None:
    told = planned(root, intent="watch", targets=["shop"])
    assert (told.settable, told.steps, told.spec["targets"]) == ((), (), ["shop.service"])
    assert "shop.service fails" in told.verdict.reasons[0]

    both = planned(root, intent="watch", operation="restart", targets=["shop", "shop.service", "db"])
    grant = grant_for("t1", both.as_dict())
    assert grant["actions"] == ["unit.restart"] and grant["targets"] == ["db.service", "shop.service"]
    assert grant["rate_per_hour"] == RESTARTS_PER_HOUR and both.verdict.decision == "ask"


@pytest.mark.parametrize(
    ("spec", "status", "said"),
    [
        ({"intent": "watch"}, 409, "not said what"),
        ({"intent": "watch", "targets": ["nobody"]}, 404, "nobody.service"),
        (
            {"intent": "watch", "operation": "restart", "targets": ["shop"], "protect": ["shop"]},
            409,
            "protected",
        ),
        (
            {
                "intent": "watch",
                "operation": "restart",
                "condition": {"kind": "above", "resource": "memory", "value": 9, "unit": "%"},
            },
            409,
            "Only what fails",
        ),
        ({"intent": "power"}, 409, "to save power or to spend it"),
        ({"intent": "power", "operation": "save", "condition": {"kind": "plugged"}}, 409, "not watched"),
    ],
)
def test_what_cannot_be_done_is_refused(root: Path, spec: dict[str, Any], status: int, said: str) -> None:
    with pytest.raises(JepaError) as error:
        planned(root, **spec)
    assert error.value.status == status and said in error.value.problem
