# SPDX-License-Identifier: Apache-2.0
"""What an explanation of a planted fault is worth, and that scenes name what there is."""

from typing import Any

import pytest

from tests.bench import explain_guest
from tests.bench.explain_scenes import SCENES, Scene, scene_named, verdict


def found(*causes: tuple[str, list[str]]) -> dict[str, Any]:
    """An explanation: for each cause its kind, and the units that are accused."""
    return {
        "causes": [{"kind": kind, "offenders": [{"name": name} for name in names]} for kind, names in causes]
    }


def test_the_true_unit_first_is_right() -> None:
    scene = scene_named("noisy neighbour")
    assert verdict(scene, found(("cpu_contention", ["hog.service"]), ("quota", ["work.service"]))) == "right"
    assert verdict(scene, found(("fork_storm", ["hog.service"]))) == "right"


@pytest.mark.parametrize(
    "said",
    [
        found(),
        found(("cpu_contention", [])),
        found(("slow_disk", []), ("cpu_contention", ["hog.service"])),
    ],
)
def test_who_is_not_named_first_is_missed(said: dict[str, Any]) -> None:
    assert verdict(scene_named("noisy neighbour"), said) == "missed"


def test_somebody_else_first_is_a_wrong_accusation() -> None:
    said = found(("cpu_contention", ["work.service"]), ("cpu_contention", ["hog.service"]))
    assert verdict(scene_named("noisy neighbour"), said) == "wrong"


def test_a_slow_disk_is_nobodys_fault() -> None:
    scene = scene_named("slow disk")
    assert verdict(scene, found(("slow_disk", []))) == "right"
    assert verdict(scene, found(("slow_disk", ["ledger.service"]))) == "wrong"


def test_in_a_control_any_accusation_is_wrong_and_a_remark_is_not() -> None:
    scene = scene_named("idle")
    assert verdict(scene, found()) == "right"
    assert verdict(scene, found(("slow_disk", []))) == "right"
    assert verdict(scene, found(("leak", ["usual.service"]))) == "wrong"


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_names_units_and_programs_that_there_are(scene: Scene) -> None:
    started = {f"{unit.name}.service" for unit in scene.units}
    assert {scene.culprit} - {""} <= started
    programs = {unit.command[1:] for unit in scene.units if unit.command.startswith("@")}
    assert programs <= explain_guest.PROGRAMS.keys()
    assert bool(scene.kinds) or not scene.culprit
