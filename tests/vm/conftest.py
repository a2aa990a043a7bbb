# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the VM tests: one machine booted once and restored before each test, and others.

``machine`` is the shipped image, booted and with jepad ready, as it was at the snapshot; the boot may be one
of the last hours that was kept (tools/vm/ready.py). ``new_machine`` makes another one, off, for tests about
booting. After every test each machine used in it is searched for
trouble: its console, its kernel's log, its init's complaints and its failed units. A test that provokes
trouble on purpose says so: ``@pytest.mark.allow("pattern", "reason")``. Everything is kept under build/vm.

With ``--sources`` the shared machine runs the sources of this tree, not those that its image was built with.

With pytest-xdist each worker has a machine of its own, and only while a test uses it. A test that measures
how well a machine keeps up with time says ``@pytest.mark.quiet``: the host prefers its machine to all
others, or has no other where no priority may be raised. What needs nothing of ours but the actuator says
``@pytest.mark.actuator_only``: the others take two fifths of an emulated CPU.
"""

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.vm import priority
from tools.vm.board import HOST_BOARD
from tools.vm.console import Allow, scan
from tools.vm.emulator import installed, newest
from tools.vm.image import BUILD, Image, built_image, kvm_works
from tools.vm.machine import Machine, MachineError, Say, Setup
from tools.vm.qemu import Disk
from tools.vm.ready import BAY, start_ready, wait_until_ready
from tools.vm.sources import push

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
DIRECTORY = BUILD / "vm" / WORKER
TAIL_LINES = 60
ALWAYS_ALLOWED: tuple[Allow, ...] = ()

OTHERS = ("jepad", "jepa-telemetry", "jepa-healing")
ACTUATOR_ONLY = "actuator-only"
"""The snapshot in which they are stopped; the actuator waits for a request, as for a minute after each
(to start it takes an emulated CPU five seconds)."""
LIMIT_S = 900
"""Longest that a test may take which is not slow, waiting for the other machine included: then it fails."""

_USED = pytest.StashKey[list[Machine]]()
_TOOK_S = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sources",
        action="store_true",
        help="push this tree's sources into the shared machine",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "allow(pattern, reason): trouble on the console that this test provokes"
    )
    config.addinivalue_line("markers", "quiet: measures time, so that other machines must not hold it up")
    config.addinivalue_line("markers", f"actuator_only: {', '.join(OTHERS)} are stopped before the test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("vm") and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(LIMIT_S))


def pytest_report_header() -> str:
    """Says which emulator runs the machines."""
    return f"machines: {', '.join(map(str, installed()[:1])) or 'no QEMU'}"


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Say:
    """Prints a progress line although pytest captures output."""
    return progress(pytestconfig)


def progress(config: pytest.Config) -> Say:
    """What prints a line past pytest's capturing, from a worker too."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")

    def line(text: str) -> None:
        if capture is None:
            return
        with capture.global_and_fixture_disabled():
            if WORKER:  # where the controller reports, and this process can only write beside it
                print(f"    {WORKER} {text}", file=sys.stderr, flush=True)
            elif reporter is not None:
                reporter.ensure_newline()
                reporter.write_line(f"    {text}")
                reporter.flush()

    return line


@pytest.fixture(scope="session")
def directory() -> Path:
    """Where this session's machines leave their logs and pictures."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    return DIRECTORY


@pytest.fixture(scope="session")
def image() -> Image:
    try:
        return built_image()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def kvm() -> bool:
    return kvm_works()


class Station:
    """Boots the machine that tests share once, and brings it back as it then was."""

    def __init__(self, image: Image, directory: Path, kvm: bool, sources: bool, say: Say) -> None:
        self._image, self._directory, self._kvm, self._say = image, directory, kvm, say
        self._sources = sources
        self._machine: Machine | None = None
        self._stopped = False
        self.restores_s: list[float] = []

    def fresh(self, *, actuator_only: bool) -> Machine:
        """The machine as it was when jepad had just become ready, or with only the actuator left."""
        if actuator_only:
            if not self._stopped:
                self._stop_others(self.fresh(actuator_only=False))
            elif self._machine is not None:
                self.restores_s.append(self._machine.restore(ACTUATOR_ONLY))
        elif self._machine is not None:
            self.restores_s.append(self._machine.restore())
        else:
            self._machine = self._boot()
        assert self._machine is not None
        return self._machine

    def _stop_others(self, machine: Machine) -> None:
        """Once: to stop them before each test takes as long as some tests do."""
        machine.succeed(f"systemctl stop {' '.join(OTHERS)}", 60)
        machine.succeed("varlinkctl info /run/jepa-actuator/actuator.sock", 60)
        machine.say(f"stopped the others; snapshot taken in {machine.snapshot(ACTUATOR_ONLY):.1f} s")
        self._stopped = True

    def _boot(self) -> Machine:
        disk = self._image.overlay(self._directory / "shared.qcow2")
        kernel, initrd = self._image.kernel, self._image.initrd
        setup = Setup(disk, kernel=kernel, initrd=initrd, devices=BAY, kvm=self._kvm)
        machine = Machine("shared", setup, self._directory, self._say)
        try:
            start_ready(machine)
            if self._sources:
                push(machine)
            wait_until_ready(machine)
            trouble = find_trouble(machine, ALWAYS_ALLOWED)
            if trouble:
                raise MachineError("\n".join(["trouble while the shared machine booted:", *trouble]))
            machine.say(f"snapshot taken in {machine.snapshot():.1f} s")
        except BaseException:
            machine.crash()
            raise
        return machine

    def rest(self) -> None:
        """Switch the machine off until a test needs it again."""
        if self._machine is not None and self._machine.running:
            self._machine.crash()


_FAILED = "---- failed units ----"
_TROUBLE = (
    "dmesg; journalctl --boot --no-pager -o cat -p warning _PID=1;"
    f"echo '{_FAILED}'; systemctl list-units --failed --plain --no-legend --no-pager"
)
"""In one command, since this follows each test, and to start a shell takes an emulated machine a while."""


def find_trouble(machine: Machine, allow: tuple[Allow, ...]) -> list[str]:
    """What the console, the kernel's log, systemd's complaints and its failed units tell of ``machine``."""
    text = machine.console_text()
    failed = ""
    if machine.running:
        told, _, failed = machine.execute(_TROUBLE).out.partition(f"{_FAILED}\n")
        text += "\n" + told
    trouble = [str(finding) for finding in scan(text, allow)]
    return trouble + [f"failed unit: {line.strip()}" for line in failed.splitlines() if line.strip()]


@pytest.fixture(scope="session")
def station(
    image: Image, directory: Path, kvm: bool, say: Say, pytestconfig: pytest.Config
) -> Iterator[Station]:
    station = Station(image, directory, kvm, pytestconfig.getoption("--sources"), say)
    yield station
    if station.restores_s:
        mean = sum(station.restores_s) / len(station.restores_s)
        say(f"{len(station.restores_s)} restores, {mean:.1f} s each, worst {max(station.restores_s):.1f} s")


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sees to it that one quiet test runs at a time, and nothing beside it where no priority can be raised.

    There all tests share the room, and a quiet one has it alone; who waits for the room holds the door, so
    that nobody slips in before.
    """
    quiet = request.node.get_closest_marker("quiet") is not None
    place = BUILD / "vm"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "door.lock").open("w") as door, (place / "room.lock").open("w") as room:
        if not priority.permitted():
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if quiet else fcntl.LOCK_SH)
            fcntl.flock(door, fcntl.LOCK_UN)
        elif quiet:
            fcntl.flock(door, fcntl.LOCK_EX)
        yield


@pytest.fixture
def machine(alone: None, station: Station, request: pytest.FixtureRequest, say: Say) -> Iterator[Machine]:
    """The shared machine, restored."""
    begin = time.monotonic()
    machine = station.fresh(actuator_only=request.node.get_closest_marker("actuator_only") is not None)
    if request.node.get_closest_marker("quiet") and priority.permitted():
        machine.prioritise()
    say(f"{request.node.name}: machine there after {time.monotonic() - begin:.1f} s")
    _use(request.node, machine)
    yield machine
    station.rest()


@pytest.fixture
def new_machine(
    alone: None, directory: Path, kvm: bool, say: Say, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Machine]]:
    """Makes machines of a test's own, off: ``new_machine("name", disk, kernel=..., ...)`` (see Setup)."""
    made: list[Machine] = []

    def make(name: str, disk: Disk, **options: Any) -> Machine:
        board = options.get("emulator", newest()).board
        setup = Setup(disk, kvm=kvm and board is HOST_BOARD, **options)
        machine = Machine(name, setup, directory, say)
        made.append(machine)
        _use(request.node, machine)
        return machine

    yield make
    for machine in made:
        if machine.running:
            machine.crash()
        for disk in directory.glob(f"{machine.name}.raw"):
            disk.unlink()


@pytest.fixture(scope="module")
def lasting_machine(directory: Path, kvm: bool, say: Say) -> Iterator[Callable[..., Machine]]:
    """Boots machines that a module's tests share: ``lasting_machine("name", disk, ...)`` (see Setup)."""
    made: list[Machine] = []

    def boot(name: str, disk: Disk, **options: Any) -> Machine:
        machine = Machine(name, Setup(disk, kvm=kvm, **options), directory, say)
        made.append(machine)
        machine.start()
        machine.wait_for_shell()
        return machine

    yield boot
    for machine in made:
        if machine.running:
            machine.crash()
        machine.setup.disk.path.unlink()


@pytest.fixture
def with_slots(new_machine: Callable[..., Machine], image: Image) -> Callable[[str, list[str]], Machine]:
    """Boots a machine of a test's own with QEMU ``devices``, such as slots to plug something into."""

    def boot(name: str, devices: list[str]) -> Machine:
        disk = image.overlay(DIRECTORY / f"{name}.qcow2")
        machine = new_machine(name, disk, kernel=image.kernel, initrd=image.initrd, devices=devices)
        machine.start()
        wait_until_ready(machine)
        return machine

    return boot


@pytest.fixture(autouse=True)
def no_trouble(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that left trouble on any machine it used."""
    request.node.stash[_USED] = []
    # Set up after the machines, so that this looks before they are switched off.
    for name in ("machine", "new_machine", "with_slots"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    yield
    allow = tuple(Allow(*mark.args) for mark in request.node.iter_markers("allow")) + ALWAYS_ALLOWED
    trouble = [
        f"{machine.name}: {line}"
        for machine in request.node.stash[_USED]
        for line in find_trouble(machine, allow)
    ]
    if trouble:
        pytest.fail("\n".join(["trouble on the machines of this test:", *trouble]), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the end of the consoles to the report of a failed test, and says at once how each ended."""
    report = yield
    item.stash[_TOOK_S] = item.stash.get(_TOOK_S, 0) + report.duration
    if report.failed and call.excinfo is not None:
        progress(item.config)(f"{item.name}: {report.when} failed: {str(call.excinfo.value)[:500]}")
    if report.when == "teardown":
        progress(item.config)(f"{item.name}: over after {item.stash[_TOOK_S]:.0f} s")
    if report.failed:
        for machine in item.stash.get(_USED, []):
            tail = machine.console_text(all_boots=True).splitlines()[-TAIL_LINES:]
            report.sections.append((f"console of {machine.name} ({machine.console_log})", "\n".join(tail)))
    return report


def _use(item: pytest.Item, machine: Machine) -> None:
    item.stash[_USED].append(machine)
