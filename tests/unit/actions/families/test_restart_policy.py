# SPDX-License-Identifier: Apache-2.0
"""A restart policy is a drop-in that systemd reads, and undo takes it away without a trace."""

import os
from pathlib import Path

import pytest

from jepa.actions.catalogue import catalogue
from jepa.actions.families.restart_policy import RestartPolicy
from jepa.actions.family import Host
from jepa.errors import JepaError
from tests.unit.actions.families.manager import Manager, service

ACTION = catalogue()["unit.restart_policy"]
FAMILY = RestartPolicy()


def test_the_policy_is_a_drop_in_and_goes_without_a_trace(tmp_path: Path) -> None:
    manager = Manager(service())
    host = Host(tmp_path, manager)
    resource = FAMILY.resolve(host, ACTION, "web")
    assert FAMILY.read(host, resource) == "unit's own"
    FAMILY.apply(host, resource, "on-failure")
    manager.values["web.service", "Restart"] = "on-failure"
    FAMILY.verify(host, resource, "on-failure")
    drop_in = tmp_path / "etc/systemd/system/web.service.d/50-jepa-restart.conf"
    assert "\nRestart=on-failure\n" in drop_in.read_text()
    assert FAMILY.read(host, resource) == "on-failure"
    FAMILY.undo(host, resource, "unit's own")
    assert not drop_in.parent.exists()
    assert manager.reloads == 2


def test_everybody_may_read_the_drop_in(tmp_path: Path) -> None:
    host = Host(tmp_path, Manager(service()))
    usual = os.umask(0o077)  # the actuator's
    try:
        FAMILY.apply(host, FAMILY.resolve(host, ACTION, "web"), "always")
    finally:
        os.umask(usual)
    drop_in = tmp_path / "etc/systemd/system/web.service.d/50-jepa-restart.conf"
    assert drop_in.stat().st_mode & 0o777 == 0o644
    assert drop_in.parent.stat().st_mode & 0o777 == 0o755


def test_what_a_power_cut_left_half_written_goes_with_it(tmp_path: Path) -> None:
    host = Host(tmp_path, Manager(service()))
    resource = FAMILY.resolve(host, ACTION, "web")
    left = tmp_path / "etc/systemd/system/web.service.d/50-jepa-restart.new"
    left.parent.mkdir(parents=True)
    left.write_text("[Service]\nRes")
    assert FAMILY.read(host, resource) == "unit's own"
    FAMILY.undo(host, resource, "unit's own")
    assert not left.parent.exists()


def test_a_directory_with_other_drop_ins_stays(tmp_path: Path) -> None:
    host = Host(tmp_path, Manager(service()))
    other = tmp_path / "etc/systemd/system/web.service.d/10-own.conf"
    other.parent.mkdir(parents=True)
    other.write_text("[Service]\n")
    resource = FAMILY.resolve(host, ACTION, "web")
    FAMILY.apply(host, resource, "always")
    FAMILY.undo(host, resource, "unit's own")
    assert [each.name for each in other.parent.iterdir()] == ["10-own.conf"]


def test_another_drop_in_that_overrides_it_is_reported(tmp_path: Path) -> None:
    manager = Manager(service())
    host = Host(tmp_path, manager)
    resource = FAMILY.resolve(host, ACTION, "web")
    manager.values["web.service", "Restart"] = "no"
    with pytest.raises(JepaError, match="another drop-in overrides it"):
        FAMILY.verify(host, resource, "always")


@pytest.mark.parametrize("fragment", ["", "/run/systemd/transient/web.service"])
def test_a_transient_unit_has_no_policy_that_stays(tmp_path: Path, fragment: str) -> None:
    with pytest.raises(JepaError, match="no unit file that stays"):
        FAMILY.resolve(Host(tmp_path, Manager(service(fragment=fragment))), ACTION, "web")


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    host = Host(tmp_path, Manager(service()))
    (tmp_path / "etc").write_text("")
    with pytest.raises(JepaError, match="cannot be written"):
        FAMILY.apply(host, FAMILY.resolve(host, ACTION, "web"), "always")
