# SPDX-License-Identifier: Apache-2.0
"""Families of units with systemd itself: a manager of its own, in its own mounts and control group."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jepa.actions.catalogue import Value, catalogue
from jepa.actions.family import Host
from jepa.actions.registry import family_of
from jepa.actions.systemd_bus import SystemdBus
from jepa.errors import JepaError

SYSTEMD = Path("/lib/systemd/systemd")
START = """\
set -e
mkdir "$GROUP"
echo $$ >"$GROUP/cgroup.procs"
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
exec "$SYSTEMD" --user --unit=basic.target
"""
"""It runs only where it sees that systemd manages the system: in its own /run it does."""
UNIT = "[Service]\nExecStart=/bin/sleep infinity\nTasksMax=77\n"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or Path("/run/systemd/system").exists() or not SYSTEMD.exists(),
    reason="needs root, and systemd installed but not in charge of this machine",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the manager has its files; it runs until the tests of this module are through."""
    base = tmp_path_factory.mktemp("systemd")
    (base / "run").mkdir(mode=0o700)
    hierarchy = Path("/sys/fs/cgroup/systemd")
    group = (hierarchy if hierarchy.is_dir() else hierarchy.parent) / f"jepa-test-{os.getpid()}"
    environment = {
        "PATH": os.environ["PATH"],
        "SYSTEMD": str(SYSTEMD),
        "GROUP": str(group),
        "HOME": str(base),
        "XDG_RUNTIME_DIR": str(base / "run"),
        "XDG_CONFIG_HOME": str(base / "config"),
    }
    process = subprocess.Popen(["unshare", "--mount", "sh", "-c", START], env=environment)
    try:
        _wait(base / "run/systemd/private", process)
        yield base
    finally:
        process.terminate()
        process.wait(30)
        for directory, _, _ in os.walk(group, topdown=False):
            Path(directory).rmdir()


def _wait(path: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while not path.exists():
        if process.poll() is not None or time.monotonic() > until:
            pytest.skip("systemd does not run as somebody's own here")
        time.sleep(0.02)


@pytest.fixture
def host(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A machine with web.service running, whose drop-ins lie where those of the system's manager do."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
    manager = SystemdBus(user=True)
    file = folder / "config/systemd/user/web.service"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(UNIT)
    manager.daemon_reload()
    manager.start("web")
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "run/systemd/system.control").symlink_to(folder / "run/systemd/user.control")
    yield Host(tmp_path, manager)
    file.unlink()
    file.write_text(UNIT)
    manager.daemon_reload()
    manager.stop("web")
    shutil.rmtree(folder / "run/systemd/user.control", ignore_errors=True)
    manager.close()


def tasks_max(host: Host) -> object:
    return host.manager.get("web", "Service", "TasksMax")


@pytest.mark.parametrize(
    ("name", "value", "usual"),
    [
        ("pids.max", 40, 77),
        ("cpu.weight", 20, "default"),
        ("cpu.weight", "idle", "default"),
        ("cpu.max", 40, "max"),
        ("memory.high", 2**29, "max"),
        ("memory.low", 2**26, "none"),
        ("memory.swap.max", 0, "max"),
        ("io.weight", 10, "default"),
    ],
)
def test_what_is_set_is_taken_back_without_a_trace(
    host: Host, name: str, value: Value, usual: Value
) -> None:
    action = catalogue()[name]
    family = family_of(action)
    resource = family.resolve(host, action, "web")
    assert family.read(host, resource) == usual
    family.apply(host, resource, value)
    family.verify(host, resource, value)
    host.manager.daemon_reload()
    family.verify(host, resource, value)
    family.undo(host, resource, usual)
    family.verify(host, resource, usual)
    assert not (host.root / "run/systemd/system.control/web.service.d").exists()
    host.manager.daemon_reload()
    family.verify(host, resource, usual)


def test_what_lies_below_stays_when_the_upper_change_is_taken_back(host: Host) -> None:
    action = catalogue()["pids.max"]
    family = family_of(action)
    resource = family.resolve(host, action, "web")
    family.apply(host, resource, 40)
    family.apply(host, resource, 30)
    family.undo(host, resource, 40)
    host.manager.daemon_reload()
    assert tasks_max(host) == 40
    family.undo(host, resource, 77)
    host.manager.daemon_reload()
    assert tasks_max(host) == 77


def test_a_limit_is_taken_back_though_the_unit_was_masked(host: Host, folder: Path) -> None:
    action = catalogue()["pids.max"]
    family = family_of(action)
    resource = family.resolve(host, action, "web")
    family.apply(host, resource, 40)
    file = folder / "config/systemd/user/web.service"
    file.unlink()
    file.symlink_to("/dev/null")
    host.manager.daemon_reload()
    assert family.read(host, resource) == 40
    family.undo(host, resource, 77)
    family.verify(host, resource, 77)
    host.manager.stop("web")
    with pytest.raises(JepaError, match=r"web\.service is masked") as error:
        host.manager.unit("web")
    assert error.value.status == 409


def test_units_are_started_and_stopped_and_a_failure_is_told(host: Host, folder: Path) -> None:
    action = catalogue()["unit.stop"]
    family = family_of(action)
    resource = family.resolve(host, action, "web")
    family.apply(host, resource, "inactive")
    family.verify(host, resource, "inactive")
    family.undo(host, resource, "active")
    assert host.manager.unit("web").active_state == "active"
    bad = folder / "config/systemd/user/bad.service"
    bad.write_text("[Service]\nType=oneshot\nExecStart=/bin/false\n")
    host.manager.daemon_reload()
    with pytest.raises(JepaError, match=r"Start of bad\.service ended with failed"):
        host.manager.start("bad")
    with pytest.raises(JepaError, match=r"nothing\.service does not exist"):
        host.manager.unit("nothing")


def test_a_unit_that_was_started_anew_is_another_one(host: Host) -> None:
    before = host.manager.unit("web")
    host.manager.restart("web")
    after = host.manager.unit("web")
    assert before.invocation != after.invocation
    assert len(after.invocation) == 32
    assert before.main_pid != after.main_pid
    assert host.manager.unit_of_pid(after.main_pid) == "web.service"
