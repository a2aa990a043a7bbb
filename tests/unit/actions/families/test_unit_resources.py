# SPDX-License-Identifier: Apache-2.0
"""Values of resources go to systemd and come back as they were; what is not here is refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.catalogue import Value, catalogue
from jepa.actions.families.unit_resources import PROPERTIES, UnitResources, decode_cpus, encode_cpus
from jepa.actions.family import Host
from jepa.actions.service_manager import Unit, Variant
from jepa.actions.values import parse
from jepa.errors import JepaError
from tests.unit.actions.families.manager import Manager, service

MIB = 2**20
FAMILY = UnitResources()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("20 1 254:1 / / rw - ext4 /dev/vda1 rw\n")
    for disk, number in (("vda", "254:0"), ("sr0", "11:0")):
        (tmp_path / "sys/block" / disk).mkdir(parents=True)
        (tmp_path / "sys/block" / disk / "dev").write_text(number)
    part = tmp_path / "sys/block/vda/vda1"
    part.mkdir()
    (part / "partition").write_text("1")
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    (tmp_path / "sys/dev/block/254:1").symlink_to(part)
    online = tmp_path / "sys/devices/system/cpu/online"
    online.parent.mkdir(parents=True)
    online.write_text("0-3\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu io memory pids\n")
    return Host(tmp_path, Manager(service(names=("web.service", "www.service"))))


WRITTEN = [
    ("cpu.weight", "20", "default"), ("cpu.weight", "idle", "default"), ("cpu.max", "40%", "max"),
    ("cpu.max", "150%", "max"), ("cpu.cpus", "0,2-3", "all"), ("memory.high", "512M", "max"),
    ("memory.low", "64M", "none"), ("memory.min", "0", "none"), ("memory.swap.max", "0", "max"),
    ("io.weight", "10", "default"), ("io.rbps", "10M", "max"), ("io.wiops", "vda:50", "max"),
    ("pids.max", "500", 2324),
]  # fmt: skip


@pytest.mark.parametrize(("name", "written", "usual"), WRITTEN)
def test_a_setting_is_applied_verified_and_taken_back(
    host: Host, name: str, written: str, usual: Value
) -> None:
    action = catalogue()[name]
    resource = FAMILY.resolve(host, action, "www")
    assert resource.name == "web.service"
    old = FAMILY.read(host, resource)
    assert old == usual
    new = FAMILY.check(host, action, resource, parse(action, written, 8 * 2**30))
    FAMILY.apply(host, resource, new)
    FAMILY.verify(host, resource, new)
    FAMILY.undo(host, resource, old)
    FAMILY.undo(host, resource, old)
    assert FAMILY.read(host, resource) == old


@pytest.fixture
def frozen(host: Host) -> tuple[Host, Path]:
    """A unit that is frozen, and its control group as the kernel has it."""
    assert isinstance(host.manager, Manager)
    host.manager.loaded["web.service"] = service(freezer_state="frozen")
    group = host.root / "sys/fs/cgroup/system.slice/web.service"
    group.mkdir(parents=True)
    for name in ("memory.high", "memory.low"):
        (group / name).write_text("max\n" if name == "memory.high" else "0\n")
    return host, group


def test_the_kernel_is_told_of_the_limit_of_a_frozen_unit(frozen: tuple[Host, Path]) -> None:
    host, group = frozen
    resource = FAMILY.resolve(host, catalogue()["memory.high"], "web")
    FAMILY.apply(host, resource, 64 * MIB)
    assert (group / "memory.high").read_text() == str(64 * MIB)
    FAMILY.verify(host, resource, 64 * MIB)
    FAMILY.undo(host, resource, "max")
    assert (group / "memory.high").read_text() == "max"


def test_what_only_systemd_can_set_is_refused_while_the_unit_is_frozen(frozen: tuple[Host, Path]) -> None:
    host, _ = frozen
    action = catalogue()["cpu.max"]
    resource = FAMILY.resolve(host, action, "web")
    with pytest.raises(JepaError, match="is frozen"):
        FAMILY.check(host, action, resource, 40)
    with pytest.raises(JepaError, match="is frozen"):
        FAMILY.apply(host, resource, 40)


def test_a_limit_that_did_not_reach_the_kernel_is_noticed(frozen: tuple[Host, Path]) -> None:
    host, group = frozen
    assert isinstance(host.manager, Manager)
    host.manager.loaded["web.service"] = service()
    resource = FAMILY.resolve(host, catalogue()["memory.high"], "web")
    FAMILY.apply(
        host, resource, 64 * MIB
    )  # the fake systemd only notes it, as the real one when it is frozen
    with pytest.raises(JepaError, match="is max, not"):
        FAMILY.verify(host, resource, 64 * MIB)
    (group / "memory.high").write_text(f"{64 * MIB - 1000}\n")  # whole pages
    FAMILY.verify(host, resource, 64 * MIB)


def test_a_rate_without_a_disk_is_for_each_that_holds_a_file_system(host: Host) -> None:
    action = catalogue()["io.wbps"]
    resource = FAMILY.resolve(host, action, "web")
    assert FAMILY.check(host, action, resource, 10 * MIB) == f"vda:{10 * MIB}"
    with pytest.raises(JepaError, match=r"no disk 'sdz'\. Those here are vda"):
        FAMILY.check(host, action, resource, "sdz:5")


@pytest.mark.parametrize("cpus", ["4", "0-9", "x", "1-", "3-1-2", "99999999999"])
def test_cpus_that_are_not_here_are_refused(host: Host, cpus: str) -> None:
    action = catalogue()["cpu.cpus"]
    with pytest.raises(JepaError):
        FAMILY.check(host, action, FAMILY.resolve(host, action, "web"), cpus)


@given(st.sets(st.integers(0, 300), min_size=1))
def test_lists_of_cpus_survive_the_way_through_a_bitmap(cpus: set[int]) -> None:
    written = decode_cpus(encode_cpus(",".join(map(str, cpus))))
    assert encode_cpus(written) == encode_cpus(",".join(map(str, cpus)))


def test_a_controller_that_the_kernel_lacks_is_named(host: Host) -> None:
    assert FAMILY.missing(host, catalogue()["cpu.cpus"]) == "This kernel has no cpuset controller."
    assert FAMILY.missing(host, catalogue()["cpu.max"]) is None
    assert FAMILY.missing(Host(host.root), catalogue()["cpu.max"]) == "systemd does not run here."


def test_a_role_stands_for_its_slice(host: Host) -> None:
    manager = Manager(service("background.slice"))
    assert (
        FAMILY.resolve(Host(host.root, manager), catalogue()["cpu.max"], "background").name
        == "background.slice"
    )


def test_a_unit_that_has_gone_is_left_alone(host: Host) -> None:
    resource = FAMILY.resolve(host, catalogue()["cpu.max"], "web")
    assert isinstance(host.manager, Manager)
    host.manager.loaded.clear()
    with pytest.raises(JepaError, match=r"web.service is gone") as error:
        FAMILY.read(host, resource)
    assert error.value.status == 409


def test_undo_leaves_no_drop_in_of_ours_behind(host: Host) -> None:
    action = catalogue()["cpu.weight"]
    resource = FAMILY.resolve(host, action, "web")
    drop_in = host.root / "run/systemd/system.control/web.service.d/50-CPUWeight.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nCPUWeight=20\n")
    FAMILY.undo(host, resource, "default")
    assert not drop_in.parent.exists()


class KeepsDropIns(Manager):
    """Writes each property into a file as systemd does."""

    def __init__(self, folder: Path, *units: Unit) -> None:
        super().__init__(*units)
        self.folder = folder

    def set_properties(self, unit: str, assignments: Sequence[tuple[str, Variant]]) -> None:
        super().set_properties(unit, assignments)
        for name, (_, value) in assignments:
            file = self.folder / f"{unit}.d/50-{name}.conf"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"[Service]\n{name}={value}\n")


@pytest.fixture
def kept(host: Host) -> tuple[Host, Path]:
    """A host whose systemd keeps drop-ins, and that of the number of tasks."""
    folder = host.root / "run/systemd/system.control"
    keeps = Host(host.root, KeepsDropIns(folder, service()))
    return keeps, folder / "web.service.d/50-TasksMax.conf"


def test_a_drop_in_goes_though_the_unit_has_a_value_of_its_own(kept: tuple[Host, Path]) -> None:
    host, drop_in = kept
    resource = FAMILY.resolve(host, catalogue()["pids.max"], "web")
    own = FAMILY.read(host, resource)
    FAMILY.apply(host, resource, 500)
    FAMILY.apply(host, resource, 100)
    FAMILY.undo(host, resource, 500)
    assert "TasksMax=500" in drop_in.read_text()  # the first change is in force still
    FAMILY.undo(host, resource, own)
    FAMILY.undo(host, resource, own)
    assert not drop_in.parent.exists()
    assert FAMILY.read(host, resource) == own


def test_a_drop_in_of_somebody_else_stays(kept: tuple[Host, Path]) -> None:
    host, drop_in = kept
    host.manager.set_properties("web.service", [("TasksMax", ("t", 40))])
    resource = FAMILY.resolve(host, catalogue()["pids.max"], "web")
    FAMILY.apply(host, resource, 500)
    FAMILY.undo(host, resource, 40)
    assert "TasksMax=40" in drop_in.read_text()


def test_a_unit_made_anew_after_it_went_has_nothing_of_ours(kept: tuple[Host, Path]) -> None:
    host, drop_in = kept
    resource = FAMILY.resolve(host, catalogue()["pids.max"], "web")
    FAMILY.apply(host, resource, 500)
    assert drop_in.exists()
    assert isinstance(host.manager, Manager)
    host.manager.loaded.clear()
    for _ in range(2):
        FAMILY.forget(host, resource)
        assert not drop_in.parent.exists()
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nTasksMax=40\n")  # by somebody else
    FAMILY.forget(host, resource)
    assert drop_in.exists()


def test_a_unit_that_is_masked_while_it_does_not_run_is_not_gone(host: Host) -> None:
    resource = FAMILY.resolve(host, catalogue()["pids.max"], "web")

    def masked(name: str) -> Unit:
        raise JepaError(f"The unit {name} is masked.", "`systemctl unmask` it first.", status=409)

    host.manager.unit = masked  # type: ignore[method-assign]
    with pytest.raises(JepaError, match="masked") as error:
        FAMILY.read(host, resource)
    assert error.value.status == 423  # neither closed as gone nor forgotten: tried again


def test_what_runs_though_its_file_is_masked_is_taken_back(host: Host) -> None:
    assert isinstance(host.manager, Manager)
    resource = FAMILY.resolve(host, catalogue()["pids.max"], "web")
    FAMILY.apply(host, resource, 500)
    host.manager.loaded["web.service"] = service(load_state="masked")
    FAMILY.undo(host, resource, 2324)
    FAMILY.verify(host, resource, 2324)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("cpu.weight", "50", 50),
        ("cpu.weight", "100", "default"),
        ("memory.low", "0", "none"),
        ("memory.high", "max", "max"),
        ("memory.high", "1048576", MIB),
        ("pids.max", "40", 40),
    ],
)
def test_of_what_runs_without_its_file_the_kernel_says_what_holds(
    host: Host, name: str, text: str, value: Value
) -> None:
    assert isinstance(host.manager, Manager)
    resource = FAMILY.resolve(host, catalogue()[name], "web")
    host.manager.loaded["web.service"] = service(load_state="not-found")
    group = host.root / "sys/fs/cgroup/system.slice/web.service"
    group.mkdir(parents=True)
    (group / name).write_text(f"{text}\n")
    (group / "cpu.idle").write_text("0\n")
    assert FAMILY.read(host, resource) == value
    (group / "cpu.idle").write_text("1\n")
    assert FAMILY.read(host, resource) == ("idle" if name == "cpu.weight" else value)


def test_a_quota_of_what_runs_without_its_file_stays_until_the_file_is_back(host: Host) -> None:
    assert isinstance(host.manager, Manager)
    resource = FAMILY.resolve(host, catalogue()["cpu.max"], "web")
    host.manager.loaded["web.service"] = service(load_state="not-found")
    group = host.root / "sys/fs/cgroup/system.slice/web.service"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("50000 100000\n")
    with pytest.raises(JepaError, match="masked or gone") as error:
        FAMILY.read(host, resource)
    assert error.value.status == 423


def test_sizes_are_whole_pages_as_the_kernel_keeps_them(host: Host) -> None:
    action = catalogue()["memory.high"]
    resource = FAMILY.resolve(host, action, "web")
    assert FAMILY.check(host, action, resource, MIB + 1) == MIB


def test_every_action_of_the_family_has_its_property() -> None:
    names = {action.setting for action in catalogue().values() if action.family == "unit_resources"}
    assert names == PROPERTIES.keys()
