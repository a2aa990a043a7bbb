# SPDX-License-Identifier: Apache-2.0
"""Files of a unit's control group hold what was set; a group that is gone is one sentence."""

from pathlib import Path

import pytest

from jepa.actions.catalogue import Value, catalogue
from jepa.actions.families.cgroup_file import CgroupFile
from jepa.actions.family import Host
from jepa.errors import JepaError
from tests.unit.actions.families.manager import Manager, service

CLAMP = catalogue()["cpu.uclamp.max"]
RECLAIM = catalogue()["memory.reclaim"]
MIB = 2**20
FAMILY = CgroupFile()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    group = tmp_path / "sys/fs/cgroup/system.slice/web.service"
    group.mkdir(parents=True)
    for name, text in (("cpu.uclamp.max", "max"), ("memory.current", str(80 * MIB)), ("memory.reclaim", "")):
        (group / name).write_text(f"{text}\n")
    return Host(tmp_path, Manager(service(), service("dead.service", active_state="inactive", cgroup="")))


def group(host: Host) -> Path:
    return host.root / "sys/fs/cgroup/system.slice/web.service"


@pytest.mark.parametrize(("text", "value"), [("max", "max"), ("30.00", 30), ("12.50", 12.5), ("0.00", 0)])
def test_a_clamp_is_read_as_the_kernel_writes_it(host: Host, text: str, value: Value) -> None:
    (group(host) / "cpu.uclamp.max").write_text(f"{text}\n")
    assert FAMILY.read(host, FAMILY.resolve(host, CLAMP, "web")) == value


def test_a_clamp_is_set_verified_and_taken_back(host: Host) -> None:
    resource = FAMILY.resolve(host, CLAMP, "web")
    FAMILY.apply(host, resource, 30)
    FAMILY.verify(host, resource, 30)
    with pytest.raises(JepaError, match="is 30, not 40"):
        FAMILY.verify(host, resource, 40)
    FAMILY.undo(host, resource, "max")
    FAMILY.undo(host, resource, "max")
    assert FAMILY.read(host, resource) == "max"


def test_no_more_is_reclaimed_than_there_is(host: Host) -> None:
    resource = FAMILY.resolve(host, RECLAIM, "web")
    assert FAMILY.check(host, RECLAIM, resource, 50 * MIB) == 50 * MIB
    with pytest.raises(JepaError, match="holds only 80 MiB") as error:
        FAMILY.check(host, RECLAIM, resource, 90 * MIB)
    assert error.value.status == 422
    assert FAMILY.read(host, resource) is None


def test_a_unit_that_does_not_run_has_no_group(host: Host) -> None:
    with pytest.raises(JepaError, match=r"dead\.service does not run") as error:
        FAMILY.resolve(host, CLAMP, "dead")
    assert error.value.status == 409


def test_a_group_that_vanished_is_gone_and_none_is_made(host: Host) -> None:
    resource = FAMILY.resolve(host, CLAMP, "web")
    for file in group(host).iterdir():
        file.unlink()
    group(host).rmdir()
    for attempt in (
        lambda: FAMILY.read(host, resource),
        lambda: FAMILY.apply(host, resource, 30),
        lambda: FAMILY.undo(host, resource, "max"),
    ):
        with pytest.raises(JepaError, match="is gone") as error:
            attempt()
        assert error.value.status == 409
    assert not group(host).exists()


def test_the_group_of_a_unit_that_was_started_anew_is_not_touched(host: Host) -> None:
    resource = FAMILY.resolve(host, CLAMP, "web")
    host.manager.restart("web.service")
    with pytest.raises(JepaError, match="started anew meanwhile"):
        FAMILY.apply(host, resource, 30)
    assert (group(host) / "cpu.uclamp.max").read_text() == "max\n"


def test_what_the_kernel_refuses_is_one_sentence(host: Host) -> None:
    file = group(host) / "cpu.uclamp.max"
    file.unlink()
    file.symlink_to("/proc/version")  # which the kernel lets nobody write
    with pytest.raises(JepaError, match=r"does not take 30 for cpu\.uclamp\.max of web\.service"):
        FAMILY.apply(host, FAMILY.resolve(host, CLAMP, "web"), 30)


def test_a_kernel_without_the_file_is_named(host: Host, tmp_path: Path) -> None:
    assert FAMILY.missing(host, CLAMP) == "There is no control group v2 hierarchy in /sys/fs/cgroup."
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory\n")
    assert FAMILY.missing(host, CLAMP) == "This kernel has no cpu.uclamp.max."
    (tmp_path / "sys/fs/cgroup/system.slice/cpu.uclamp.max").write_text("max")
    assert FAMILY.missing(host, CLAMP) is None
