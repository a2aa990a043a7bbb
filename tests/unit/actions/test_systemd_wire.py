# SPDX-License-Identifier: Apache-2.0
"""What systemd answers, refuses and signals over a real dbus-daemon; and a bus that is gone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jeepney import DBusAddress, new_signal

from jepa.actions.systemd_bus import SystemdBus, SystemdParser
from jepa.errors import JepaError
from tests.unit.actions.systemd_double import Bus, Systemd, direct_socket


@pytest.fixture
def systemd() -> Systemd:
    found = Systemd()
    found.add("web.service", Names=["web.service", "www.service"], CPUWeight=100)
    return found


@pytest.fixture
def bus(tmp_path: Path, systemd: Systemd) -> Iterator[Bus]:
    with Bus(tmp_path, systemd) as running:
        yield running


@pytest.fixture
def manager(bus: Bus) -> Iterator[SystemdBus]:
    manager = SystemdBus(bus=bus.path)
    yield manager
    manager.close()


def test_a_unit_is_read_and_set(manager: SystemdBus, systemd: Systemd) -> None:
    unit = manager.unit("web")
    assert (unit.id, unit.active_state, unit.names) == (
        "web.service", "active", ("web.service", "www.service"),
    )  # fmt: skip
    assert unit.cgroup == "/system.slice/web.service"
    assert manager.get("web", "Service", "CPUWeight") == 100
    manager.set_properties("web", [("CPUWeight", ("t", 20))])
    assert systemd.units["web.service"]["CPUWeight"] == 20


@pytest.mark.parametrize(
    ("load_state", "problem", "status", "remedy"),
    [
        ("not-found", "does not exist", 404, "list-units"),
        ("masked", "is masked", 409, "unmask"),
        ("bad-setting", "has bad-setting as load state", 409, "status"),
    ],
)
def test_what_cannot_run_is_refused(
    manager: SystemdBus, systemd: Systemd, load_state: str, problem: str, status: int, remedy: str
) -> None:
    systemd.add("web.service", LoadState=load_state, ActiveState="inactive")
    with pytest.raises(JepaError, match=problem) as error:
        manager.unit("web")
    assert error.value.status == status
    assert remedy in error.value.remedy


def test_what_still_runs_is_there_though_its_file_was_masked(manager: SystemdBus, systemd: Systemd) -> None:
    systemd.units["web.service"]["LoadState"] = "masked"
    assert manager.unit("web").load_state == "masked"
    manager.set_properties("web", [("CPUWeight", ("t", 50))])
    assert systemd.units["web.service"]["CPUWeight"] == 50
    assert "SetUnitProperties" not in systemd.calls  # which systemd refuses of such a unit


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("NoSuchUnit", 404),
        ("UnitMasked", 409),
        ("InvalidArgs", 422),
        ("InteractiveAuthorizationRequired", 403),
        ("SomethingNew", 500),
    ],
)
def test_a_refusal_is_one_sentence_with_its_status(
    manager: SystemdBus, systemd: Systemd, name: str, status: int
) -> None:
    systemd.refusals["StartUnit"] = (name, "Unit web.service says no.")
    with pytest.raises(JepaError) as error:
        manager.start("web")
    assert error.value.problem == "systemd refuses StartUnit: Unit web.service says no."
    assert error.value.status == status
    assert error.value.remedy


def test_a_job_is_waited_for_among_those_of_others(manager: SystemdBus, systemd: Systemd) -> None:
    manager.start("web")
    manager.stop("web")
    systemd.results["web.service"] = "dependency"
    with pytest.raises(JepaError, match=r"Restart of web\.service ended with dependency"):
        manager.restart("web")
    assert systemd.calls.count("Subscribe") == 1


def test_a_job_that_takes_too_long_is_told(
    manager: SystemdBus, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jepa.actions.systemd_bus._JOB_S", 0.2)
    systemd.results["web.service"] = ""
    with pytest.raises(JepaError, match=r"web\.service takes longer") as error:
        manager.stop("web.service")
    assert error.value.status == 504


def test_after_a_restart_of_the_bus_it_is_asked_anew(manager: SystemdBus, bus: Bus) -> None:
    manager.start("web")
    bus.kill()
    with pytest.raises(JepaError) as error:
        manager.unit("web")
    assert error.value.status == 503
    bus.start()
    assert manager.unit("web").id == "web.service"
    manager.start("web")  # subscribed to again


def test_who_may_asks_systemd_itself_and_needs_no_bus(systemd: Systemd, tmp_path: Path) -> None:
    with direct_socket(tmp_path / "private", systemd) as direct:
        manager = SystemdBus(bus=tmp_path / "bus", direct=direct)
        assert manager.available
        manager.set_properties("web", [("CPUWeight", ("t", 30))])
        manager.restart("web")
        assert manager.get("web", "Service", "CPUWeight") == 30
        manager.close()


def test_what_systemd_tells_beside_its_answers_is_passed_over_in_pieces_too() -> None:
    news = new_signal(DBusAddress("/a", interface="a.b"), "UnitNew", "s", ("x" * 300,)).serialise(serial=1)
    ended = new_signal(DBusAddress("/a", interface="a.b"), "JobRemoved", "s", ("y",)).serialise(serial=2)
    for size in (1, 7, 64, 10_000):
        parser, sent, heard = SystemdParser(), news + ended + news + news + ended + news[:-1], []
        for at in range(0, len(sent), size):
            parser.add_data(sent[at : at + size])
            while (message := parser.get_next_message()) is not None:
                heard.append(message.body)
        assert heard == [("y",), ("y",)]


def test_where_systemd_itself_does_not_answer_the_bus_is_asked(bus: Bus, tmp_path: Path) -> None:
    manager = SystemdBus(bus=bus.path, direct=tmp_path / "private")
    assert manager.unit("web").id == "web.service"
    manager.close()


def test_with_neither_it_cannot_be_reached(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="cannot be reached") as error:
        SystemdBus(bus=tmp_path / "bus", direct=tmp_path / "private").unit("web")
    assert error.value.status == 503
