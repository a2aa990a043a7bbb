# SPDX-License-Identifier: Apache-2.0
"""Units are started, stopped, frozen, restarted and enabled, and put back as they were."""

from pathlib import Path

import pytest

from jepa.actions.catalogue import catalogue
from jepa.actions.family import Host
from jepa.actions.registry import family_of
from jepa.errors import JepaError
from tests.unit.actions.families.manager import Manager, service


def host_with(*units: object) -> Host:
    return Host(Path("/nonexistent"), Manager(*units))


@pytest.mark.parametrize(
    ("name", "target", "verb", "back"),
    [
        ("unit.stop", "web", "stop", "start"),
        ("unit.enable", "web", "enable", "disable"),
        ("unit.freeze", "web", "freeze", "thaw"),
        ("timer.pause", "backup", "stop", "start"),
    ],
)
def test_what_is_done_is_undone(name: str, target: str, verb: str, back: str) -> None:
    host = host_with(service(), service("backup.timer"))
    action = catalogue()[name]
    family = family_of(action)
    resource = family.resolve(host, action, target)
    old = family.read(host, resource)
    family.apply(host, resource, family.check(host, action, resource, action.constant))
    family.verify(host, resource, action.constant)
    family.undo(host, resource, old)
    assert isinstance(host.manager, Manager)
    assert [each for each, _ in host.manager.jobs] == [verb, back]
    assert family.read(host, resource) == old


def test_a_restart_leaves_nothing_to_take_back() -> None:
    host, action = host_with(service()), catalogue()["unit.restart"]
    family = family_of(action)
    resource = family.resolve(host, action, "web")
    assert family.read(host, resource) is None
    family.apply(host, resource, action.constant)
    family.verify(host, resource, action.constant)
    family.undo(host, resource, None)
    assert isinstance(host.manager, Manager)
    assert host.manager.jobs == [("restart", "web.service")]
    assert not action.reversible


@pytest.mark.parametrize(
    ("name", "target", "problem"),
    [
        ("unit.stop", "user.slice", "not started or stopped by itself"),
        ("unit.enable", "static", "started by others"),
        ("unit.reload", "dead", "does not run"),
        ("timer.pause", "web.service", "is no timer"),
        ("unit.freeze", "dead", "does not run"),
        ("unit.stop", "", "has to be named"),
        ("unit.stop", "nothing", "does not exist"),
        ("unit.stop", "masked", "could not be started again"),
        ("unit.stop", "brief", "is transient: once it was stopped nothing could start it again"),
        ("timer.pause", "brief", "is transient"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(name: str, target: str, problem: str) -> None:
    host = host_with(
        service(),
        service("user.slice"),
        service("static.service", unit_file_state="static"),
        service("dead.service", active_state="inactive", cgroup=""),
        service("masked.service", load_state="masked"),
        service("brief.service", unit_file_state="transient"),
        service("brief.timer", unit_file_state="transient"),
    )
    action = catalogue()[name]
    family = family_of(action)
    with pytest.raises(JepaError, match=problem):
        family.check(host, action, family.resolve(host, action, target), action.constant)


def test_a_unit_that_was_started_anew_while_frozen_is_left_alone() -> None:
    host, action = host_with(service()), catalogue()["unit.freeze"]
    family = family_of(action)
    resource = family.resolve(host, action, "web")
    host.manager.restart("web.service")
    with pytest.raises(JepaError, match="started anew"):
        family.read(host, resource)


def test_a_unit_of_which_systemd_knows_nothing_is_not_taken_for_disabled() -> None:
    host, action = host_with(service(unit_file_state="")), catalogue()["unit.enable"]
    family = family_of(action)
    with pytest.raises(JepaError, match="cannot say whether"):
        family.read(host, family.resolve(host, action, "web"))
