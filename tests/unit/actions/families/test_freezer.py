# SPDX-License-Identifier: Apache-2.0
"""Freezing goes by the unit as it runs now: what ended, or was started anew, is left alone."""

from pathlib import Path

import pytest

from jepa.actions.catalogue import catalogue
from jepa.actions.families.freezer import Freezer
from jepa.actions.family import Host
from jepa.errors import JepaError
from tests.unit.actions.families.manager import Manager, service

FREEZE = catalogue()["unit.freeze"]
FAMILY = Freezer()


@pytest.mark.parametrize(
    ("state", "read"),
    [("running", "running"), ("thawing", "running"), ("freezing", "frozen"), ("frozen", "frozen")],
)
def test_what_is_under_way_counts_as_done(tmp_path: Path, state: str, read: str) -> None:
    host = Host(tmp_path, Manager(service(freezer_state=state)))
    assert FAMILY.read(host, FAMILY.resolve(host, FREEZE, "web")) == read


def test_a_unit_in_a_frozen_slice_is_left_to_the_slice(tmp_path: Path) -> None:
    host = Host(tmp_path, Manager(service(freezer_state="frozen-by-parent")))
    with pytest.raises(JepaError, match=r"slice of web\.service is frozen") as error:
        FAMILY.check(host, FREEZE, FAMILY.resolve(host, FREEZE, "web"), "frozen")
    assert error.value.status == 409


def test_a_unit_that_ended_or_is_another_one_is_not_thawed(tmp_path: Path) -> None:
    manager = Manager(service())
    host = Host(tmp_path, manager)
    resource = FAMILY.resolve(host, FREEZE, "web")
    manager.loaded["web.service"] = service(invocation="c" * 32)
    with pytest.raises(JepaError, match="started anew meanwhile") as error:
        FAMILY.read(host, resource)
    assert error.value.status == 409
    manager.loaded.clear()
    with pytest.raises(JepaError, match=r"web\.service is gone") as error:
        FAMILY.read(host, resource)
    assert error.value.status == 409


def test_a_unit_that_did_not_freeze_is_reported(tmp_path: Path) -> None:
    host = Host(tmp_path, Manager(service()))
    with pytest.raises(JepaError, match="is running, not frozen"):
        FAMILY.verify(host, FAMILY.resolve(host, FREEZE, "web"), "frozen")


def test_a_kernel_without_a_freezer_is_named(tmp_path: Path) -> None:
    host = Host(tmp_path, Manager())
    assert FAMILY.missing(host, FREEZE) == "There is no control group v2 hierarchy in /sys/fs/cgroup."
    controllers = tmp_path / "sys/fs/cgroup/cgroup.controllers"
    controllers.parent.mkdir(parents=True)
    controllers.write_text("cpu memory\n")
    assert FAMILY.missing(host, FREEZE) == "This kernel has no freezer (cgroup.freeze)."
    file = tmp_path / "sys/fs/cgroup/system.slice/cgroup.freeze"
    file.parent.mkdir(parents=True)
    file.write_text("0")
    assert FAMILY.missing(host, FREEZE) is None
    assert FAMILY.missing(Host(tmp_path), FREEZE) == "systemd does not run here."
