# SPDX-License-Identifier: Apache-2.0
"""What the service tells of the actuator, from the summary alone."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from jepa.actions import summary
from jepa.actions.catalogue import Tier, catalogue
from jepa.actions.change import Change, State
from jepa.actions.client import Availability
from jepa.actions.summary import Summary
from jepa.service import api, api_records
from jepa.service.actuator_view import BOOT_ID, SOCKET, ActuatorView
from jepa.service.openapi import document
from jepa.service.routes import ROUTES

CHANGE = Change(
    id="0123456789ab",
    ts_ns=1_780_000_000_000_000_000,
    boot_id="b",
    uid=0,
    action="vm.swappiness",
    target="",
    setting="vm.swappiness",
    identity="",
    old=60,
    new=10,
    tier=Tier.TUNE,
    state=State.COMMITTED,
    predicted={"system.cpu.utilization": (1.0, 2.0, 3.0)},
)
SUMMARY = Summary(
    "b",
    [replace(CHANGE, state=State.INTENDED), CHANGE, replace(CHANGE, state=State.UNDONE)],
    {"vm.swappiness": {"committed": 1, "undone": 4}},
    [Availability("vm.swappiness", None, "TuneD"), Availability("vm.dirty_ratio", "This kernel has none.")],
    grants=1,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine whose actuator waits on its socket."""
    boot_id = tmp_path / BOOT_ID
    boot_id.parent.mkdir(parents=True)
    boot_id.write_text("b\n")
    (tmp_path / SOCKET).parent.mkdir(parents=True)
    return tmp_path


@pytest.fixture
def listening(root: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / SOCKET))
        yield


def publish(root: Path, content: Summary) -> None:
    summary.write(root / summary.FILE.relative_to("/"), content)


def test_without_an_actuator_nothing_is_changed_and_nothing_known(root: Path) -> None:
    view = ActuatorView(root)
    assert (view.history(10), list(view.counts()), view.grants()) == ([], [], 0)
    assert view.in_force() == {"applied": 0, "committed": 0}
    assert {row["available"] for row in view.actions()} == {None}
    assert view.part().state == "off"


def test_an_actuator_that_sleeps_until_it_is_asked_is_ok(root: Path, listening: None) -> None:
    assert ActuatorView(root).part() == api.Part(name="actuator", state="ok", reason="0 changes in force.")


def test_its_changes_are_counted_and_shown(root: Path, listening: None) -> None:
    publish(root, SUMMARY)
    view = ActuatorView(root)
    assert view.part().reason == "2 changes in force, 1 grant."
    assert view.in_force() == {"applied": 1, "committed": 1}
    assert list(view.counts()) == [("vm.swappiness", "committed", 1), ("vm.swappiness", "undone", 4)]
    assert [row["state"] for row in view.history(2)] == ["applied", "committed"]
    actions = {row["name"]: row for row in view.actions()}
    assert set(actions) == set(catalogue())
    assert actions["vm.swappiness"]["available"] is True
    assert actions["vm.swappiness"]["holder"] == "TuneD"
    assert actions["vm.dirty_ratio"]["missing"] == "This kernel has none."


@pytest.mark.parametrize(
    ("fault", "state"),
    [({"policy_fault": "line 3"}, "degraded"), ({"journal_fault": "The disk is full."}, "failed")],
)
def test_a_fault_of_its_is_told(root: Path, listening: None, fault: dict[str, str], state: str) -> None:
    publish(root, replace(SUMMARY, **fault))
    part = ActuatorView(root).part()
    assert part.state == state
    assert next(iter(fault.values())) in part.reason
    assert part.remedy


def test_a_socket_that_is_gone_is_told(root: Path) -> None:
    publish(root, SUMMARY)
    assert ActuatorView(root).part().state == "degraded"


def test_what_was_published_before_the_machine_was_restarted_does_not_count(root: Path) -> None:
    publish(root, replace(SUMMARY, boot_id="a"))
    assert ActuatorView(root).history(10) == []


def test_what_is_left_of_its_time_counts_down(root: Path) -> None:
    until = time.clock_gettime(time.CLOCK_BOOTTIME) + 100
    publish(
        root,
        Summary("b", [replace(CHANGE, until_s=until), replace(CHANGE, state=State.UNDONE, until_s=until)]),
    )
    first, second = ActuatorView(root).history(2)
    assert 90 < first["left_s"] <= 100
    assert second["left_s"] is None


def test_the_rows_are_as_the_openapi_document_describes_them(root: Path) -> None:
    publish(root, SUMMARY)
    schemas = document(ROUTES)["components"]["schemas"]
    assert "from" in schemas["ChangeOut"]["required"]
    for row in ActuatorView(root).history(3):
        TypeAdapter(api_records.ChangeOut).validate_python(row)
        assert set(row) == set(schemas["ChangeOut"]["properties"])
    for row in ActuatorView(root).actions():
        TypeAdapter(api_records.ActionOut).validate_python(row)
        assert set(row) == set(schemas["ActionOut"]["properties"])
