# SPDX-License-Identifier: Apache-2.0
"""The observer reads control groups, processes, disks and sockets as they are."""

import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jepa.actions.service_manager import NoServiceManager, Unit
from jepa.errors import JepaError
from jepa.healing.observation import Broken
from jepa.healing.observer import Listening, Observer, process_sample
from jepa.telemetry.sources.listeners import ListeningSocket

MIB = 2**20
MEMINFO = "MemTotal: 2097152 kB\nMemAvailable: 1048576 kB\nSwapTotal: 1024 kB\nSwapFree: 512 kB\n"
PRESSURE = (
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\nfull avg10=0 avg60=0 avg300=0 total=1000000\n"
)


class Manager(NoServiceManager):
    """Answers as systemd would of the units it is given."""

    def __init__(self, states: dict[str, str], properties: dict[tuple[str, str], Any]) -> None:
        self.states, self.properties = states, properties
        self.asked: list[tuple[str, str]] = []
        self.listed = 0
        self.away = False

    def services(self) -> Sequence[Unit]:
        if self.away:
            raise JepaError("systemd cannot be reached.", "Wait.", status=503)
        self.listed += 1
        return [Unit(name, "loaded", state) for name, state in self.states.items()]

    def get(self, unit: str, interface: str, name: str) -> Any:
        self.asked.append((unit, name))
        return self.properties.get((unit, name), {"NRestarts": 0, "Requires": []}.get(name, ""))


def group(root: Path, path: str, **files: str) -> Path:
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_", ".", 1).replace("_", ".")).write_text(content)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc/pressure").mkdir(parents=True)
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/meminfo").write_text(MEMINFO)
    (tmp_path / "proc/pressure/memory").write_text(PRESSURE)
    group(
        tmp_path, "system.slice/web.service",
        cpu_stat="usage_usec 2500000\n", memory_stat="anon 104857600\nfile 5\n",
        memory_swap_current="1048576\n",
        memory_max="max\n", io_stat="254:0 rbytes=1 wbytes=4096 rios=1\n", pids_current="7\n",
        cpu_pressure=PRESSURE, io_pressure=PRESSURE.replace("3000000", "500000"), cpu_weight="100\n",
    )  # fmt: skip
    return tmp_path


def test_a_unit_is_seen_with_what_it_uses(root: Path) -> None:
    observer = Observer(root, Manager({"web.service": "active"}, {}), listening=list)
    found = observer.observe(10.0)
    observer.close()
    web = found.units["web.service"]
    assert (web.active, web.cpu_s, web.written, web.tasks) == ("active", 2.5, 4096, 7)
    assert web.anonymous == 101 * MIB
    assert web.memory_limit is None
    assert (web.cpu_wait_s, web.io_wait_s, web.cpu_weight) == (3.0, 0.5, 100)
    assert (found.memory_total, found.memory_available) == (2**31, 2**30)
    assert (found.memory_full_s, found.memory_some_s) == (1.0, 3.0)


def test_swap_counts_towards_a_limit_and_unwritten_pages_as_written(root: Path) -> None:
    group(
        root, "system.slice/web.service",
        memory_max=f"{256 * MIB}\n", memory_swap_max="max\n", memory_stat="anon 5\nfile_dirty 1000\n",
    )  # fmt: skip
    observer = Observer(root, Manager({"web.service": "active"}, {}), listening=list)
    web = observer.observe(10.0).units["web.service"]
    group(root, "system.slice/web.service", memory_swap_max="0\n", cpu_stat="usage_usec 2500001\n")
    no_swap = observer.observe(11.0).units["web.service"]
    observer.close()
    # it holds 1 MiB of swap, of which 512 KiB are free
    assert web.memory_limit == 256 * MIB + MIB + 512 * 1024
    assert no_swap.memory_limit == 256 * MIB
    assert web.written == 4096 + 1000


def test_systemd_is_asked_after_a_change_and_when_a_group_came_or_went(root: Path) -> None:
    manager = Manager({"web.service": "active"}, {})
    changes = iter([True, False, False, False, False, True])
    observer = Observer(root, manager, listening=list, changed=lambda: next(changes))
    observer.observe(1.0)
    observer.observe(2.0)
    assert manager.listed == 1
    folder = group(root, "system.slice/db.service", cpu_stat="usage_usec 1\n")
    observer.observe(2.25, ask_manager=False)
    assert manager.listed == 1
    observer.observe(3.0)
    assert manager.listed == 2
    (folder / "cpu.stat").unlink()
    folder.rmdir()
    observer.observe(4.0)
    observer.observe(5.0)
    assert manager.listed == 3
    manager.states["web.service"] = "failed"
    assert observer.observe(6.0).units["web.service"].active == "failed"
    observer.close()


def test_a_manager_that_did_not_answer_is_asked_again(root: Path) -> None:
    manager = Manager({"web.service": "active"}, {})
    changes = iter([True, False])
    observer = Observer(root, manager, listening=list, changed=lambda: next(changes))
    manager.away = True
    assert observer.observe(1.0).units == {}
    manager.away = False
    assert "web.service" in observer.observe(2.0).units
    observer.close()


def test_what_a_unit_holds_is_as_it_was_until_it_runs_again(root: Path) -> None:
    observer = Observer(root, Manager({"web.service": "active"}, {}), listening=list)
    observer.observe(1.0)
    group(
        root, "system.slice/web.service", pids_current="70\n", cpu_pressure=PRESSURE.replace("3000", "4000")
    )
    asleep = observer.observe(2.0).units["web.service"]
    group(root, "system.slice/web.service", cpu_stat="usage_usec 2600000\n")
    awake = observer.observe(3.0).units["web.service"]
    observer.close()
    assert (asleep.tasks, asleep.cpu_wait_s) == (7, 4.0)
    assert (awake.tasks, awake.cpu_s) == (70, 2.6)


def test_a_failed_unit_is_asked_why_once_and_only_then(root: Path) -> None:
    manager = Manager({"web.service": "active"}, {})
    observer = Observer(root, manager, listening=list)
    observer.observe(1.0)
    manager.states["web.service"] = "failed"
    manager.properties = {
        ("web.service", "Result"): "oom-kill",
        ("web.service", "UnitFileState"): "enabled",
        ("web.service", "NRestarts"): 2,
        ("web.service", "Requires"): ["db.service", "sysinit.target"],
    }
    found = [observer.observe(now).units["web.service"] for now in (2.0, 3.0)]
    observer.close()
    assert found[0] == found[1]
    assert (found[0].result, found[0].enabled, found[0].restarts) == ("oom-kill", True, 2)
    assert found[0].requires == ("db.service",)
    assert manager.asked.count(("web.service", "Result")) == 1


def test_a_restart_between_two_looks_is_noticed_by_the_new_control_group(root: Path) -> None:
    manager = Manager({"web.service": "active"}, {})
    observer = Observer(root, manager, listening=list)
    observer.observe(1.0)
    folder = root / "sys/fs/cgroup/system.slice/web.service"
    folder.rename(folder.with_name("old"))
    group(root, "system.slice/web.service", cpu_stat="usage_usec 1000\n")
    manager.properties = {("web.service", "NRestarts"): 1}
    again = observer.observe(2.0).units["web.service"]
    observer.close()
    assert again.restarts == 1
    assert again.cpu_s == 0.001


def test_while_systemd_does_not_answer_the_last_states_stand(root: Path) -> None:
    observer = Observer(root, NoServiceManager(), listening=list)
    assert "web.service" not in observer.observe(1.0).units
    observer.close()


def test_connections_that_wait_are_those_of_the_unit_whose_group_listens(root: Path) -> None:
    inode = (root / "sys/fs/cgroup/system.slice/web.service").stat().st_ino
    observer = Observer(
        root,
        Manager({"web.service": "active"}, {}),
        listening=lambda: [ListeningSocket(3, 128, inode), ListeningSocket(9, 128, inode + 1)],
    )
    assert observer.observe(1.0).units["web.service"].waiting == 3
    observer.close()


def test_a_real_connection_that_waits_is_counted() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        with socket.create_connection(server.getsockname()):
            assert any(each.waiting == 1 and each.limit == 5 for each in Listening()())


def test_a_real_process_that_holds_memory_is_measured() -> None:
    code = "import sys; held = b'x' * (64 << 20); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline()
        sample = process_sample(Path("/"), process.pid, "session-1.scope")
        process.communicate(b"")
    assert sample is not None
    assert 64 * MIB <= sample.anonymous < 128 * MIB
    assert sample.name.startswith("python")
    assert process_sample(Path("/"), 2**22 + 1, "x") is None


def test_the_processes_of_a_session_are_looked_at_when_it_holds_much(root: Path) -> None:
    small = group(root, "user.slice/user-0.slice/session-1.scope", memory_stat="anon 1000\n")
    (small / "cgroup.procs").write_text("1\n")
    large = group(root, "user.slice/user-0.slice/session-2.scope", memory_stat=f"anon {500 * MIB}\n")
    (large / "cgroup.procs").write_text("4711\n")
    process = root / "proc/4711"
    process.mkdir()
    (process / "status").write_text("Name:\tbrowser\nRssAnon:\t 409600 kB\nVmSwap:\t 102400 kB\n")
    (process / "stat").write_text(f"4711 (b) S {' '.join('1' * 20)}\n")
    observer = Observer(root, Manager({}, {}), listening=list)
    (found,) = observer.observe(1.0).processes
    observer.close()
    assert (found.pid, found.name, found.unit, found.anonymous) == (
        4711,
        "browser",
        "session-2.scope",
        500 * MIB,
    )


def test_the_journal_is_asked_only_while_journald_is_busy(root: Path) -> None:
    asked: list[int] = []

    def loggers() -> Counter[str]:
        asked.append(1)
        return Counter({"loud.service": 300})

    path = "system.slice/systemd-journald.service"
    group(root, path, cpu_stat="usage_usec 0\n")
    observer = Observer(root, Manager({"systemd-journald.service": "active"}, {}), loggers, list)
    assert not observer.observe(1.0).log_lines
    group(root, path, cpu_stat="usage_usec 800000\n")
    assert observer.observe(2.0).log_lines == {"loud.service": 300}
    assert not observer.observe(3.0).log_lines
    observer.close()
    assert len(asked) == 1


def test_a_file_system_that_the_kernel_stopped_is_seen_with_the_service_it_is_part_of(root: Path) -> None:
    (root / "proc/self/mountinfo").write_text(
        "35 46 252:0 / /srv/web-data rw,relatime shared:93 - ext4 /dev/mapper/web rw,emergency_ro\n"
        "36 46 252:1 / /srv/old ro,relatime shared:94 - ext4 /dev/sdb1 ro\n"
        "37 46 252:2 / /srv/new rw,relatime shared:95 - btrfs /dev/sdc1 ro\n"
        "38 46 252:3 / /srv/well rw,relatime shared:96 - ext4 /dev/sdd1 rw\n"
    )
    unit = "srv-web\\x2ddata.mount"
    manager = Manager({unit: "active"}, {(unit, "PartOf"): ["web.service", "local-fs.target"]})
    observer = Observer(root, manager, listening=list)
    broken = observer.observe(1.0).broken
    observer.close()
    assert broken == {
        "/srv/web-data": Broken("emergency_ro", ("web.service",)),
        "/srv/new": Broken("made read-only by the kernel"),
    }


def test_the_room_on_real_disks_is_read() -> None:
    observer = Observer(Path("/"), NoServiceManager(), listening=list)
    spaces = observer.observe(1.0).spaces
    observer.close()
    found = os.statvfs("/")
    if "/" in spaces:
        assert spaces["/"].total == found.f_blocks * found.f_frsize
    assert all(space.free <= space.total for space in spaces.values())
