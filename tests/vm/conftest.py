# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the VM tests: one machine booted once and restored before each test, and others.

``machine`` is the shipped image, booted and with jepad ready, as it was at the snapshot; the boot may be one
of the last hours that was kept (tools/vm/ready.py). ``new_machine`` makes another one, off, for tests about
booting. After every test each machine used in it is searched for
trouble: its console, its kernel's log, its init's complaints and its failed units. A test that provokes
trouble on purpose says so: ``@pytest.mark.allow("pattern", "reason")``. Everything is kept under build/vm.

With ``--sources`` the shared machine runs the sources of this tree, not those that its image was built with;
and so do those that are made from one boot.

Where `make kernel` has made a slim kernel that fits the image, the shared machine and those with slots start
by it, but not in a test that says ``@pytest.mark.shipped_kernel``: one that needs a module, or what an
initrd does. Tests about booting always take the image's own, and with ``--image-kernel`` all do.

With pytest-xdist each worker has a machine of its own, and only while a test uses it. A test that measures
how well a machine keeps up with time says ``@pytest.mark.quiet``: the host prefers its machine to all
others, or has no other where no priority may be raised. What needs nothing of ours but the actuator says
``@pytest.mark.actuator_only``: the others take two fifths of an emulated CPU. What leaves the machine as it
found it says ``@pytest.mark.looks``: the next test of that kind goes on where it ends.
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

from tests.vm.station import ALWAYS_ALLOWED, OTHERS, Station, find_trouble
from tools.vm import priority
from tools.vm.board import HOST_BOARD
from tools.vm.console import Allow
from tools.vm.emulator import installed, newest
from tools.vm.image import BUILD, Image, built_image, kvm_works
from tools.vm.machine import Machine, Say, Setup
from tools.vm.qemu import Disk
from tools.vm.ready import wait_until_ready
from tools.vm.slim import Start, quickest_start

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
DIRECTORY = BUILD / "vm" / WORKER
TAIL_LINES = 60
LIMIT_S = 900
"""Longest that a test may take which is not slow, waiting for the other machine included: then it fails."""

LONGEST = (
    *("test_boot.py", "test_update.py", "test_packs.py", "test_guard.py", "test_record.py"),
    *("test_healing.py", "test_service.py", "test_actuator.py", "test_events.py", "test_actions_units.py"),
)
"""Files whose tests take longest, the longest first; the first needs no shared machine, while that boots."""
SHORTEST = ("test_hardening.py",)

_USED = pytest.StashKey[list[Machine]]()
_TOOK_S = pytest.StashKey[float]()
_NEXT = pytest.StashKey[pytest.Item | None]()
_SPOILT = pytest.StashKey[bool]()
"""Of a test that failed, or left trouble."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sources",
        action="store_true",
        help="push this tree's sources into the shared machine",
    )
    parser.addoption(
        "--image-kernel",
        action="store_true",
        help="start the image by its own kernel, though there is a slim one",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "allow(pattern, reason): trouble on the console that this test provokes"
    )
    config.addinivalue_line("markers", "quiet: measures time, so that other machines must not hold it up")
    config.addinivalue_line("markers", f"actuator_only: {', '.join(OTHERS)} are stopped before the test")
    config.addinivalue_line("markers", "shipped_kernel: needs a module, or what the image's initrd does")
    config.addinivalue_line("markers", "looks: leaves the machine as it found it")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    item.stash[_NEXT] = nextitem


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest tests: a worker that got one last would be left alone with it."""
    rank = {name: place for place, name in enumerate(LONGEST)} | dict.fromkeys(SHORTEST, len(LONGEST) + 1)
    if all(item.path.parent == Path(__file__).parent for item in items):
        items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))
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


@pytest.fixture(scope="session")
def start(image: Image, pytestconfig: pytest.Config) -> Start:
    """What starts the image where a test does not say."""
    if pytestconfig.getoption("--image-kernel"):
        return Start(image.kernel, image.initrd)
    return quickest_start(image)


@pytest.fixture(scope="session")
def station(
    image: Image, start: Start, directory: Path, kvm: bool, say: Say, pytestconfig: pytest.Config
) -> Iterator[Station]:
    station = Station("shared", image, start, directory, kvm, pytestconfig.getoption("--sources"), say)
    yield station
    _tell_restores(station, say)


@pytest.fixture(scope="session")
def shipped_station(
    image: Image, directory: Path, kvm: bool, say: Say, pytestconfig: pytest.Config
) -> Iterator[Station]:
    """One whose machine starts by the image's own kernel and initrd, though there is a slim kernel."""
    start = Start(image.kernel, image.initrd)
    station = Station("shipped", image, start, directory, kvm, pytestconfig.getoption("--sources"), say)
    yield station
    _tell_restores(station, say)


def _tell_restores(station: Station, say: Say) -> None:
    if station.restores_s:
        mean = sum(station.restores_s) / len(station.restores_s)
        say(f"{len(station.restores_s)} restores, {mean:.1f} s each, worst {max(station.restores_s):.1f} s")


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sees to it that one quiet test runs at a time, and nothing beside it where no priority can be raised.

    There all tests share the room, and a quiet one has it alone; who waits for the room holds the door, so
    that nobody slips in before.
    """
    quiet = _is(request.node, "quiet")
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
def machine(alone: None, start: Start, request: pytest.FixtureRequest, say: Say) -> Iterator[Machine]:
    """The shared machine, restored."""
    shipped = _is(request.node, "shipped_kernel") and start.initrd is None
    station: Station = request.getfixturevalue("shipped_station" if shipped else "station")
    begin = time.monotonic()
    machine = station.fresh(actuator_only=_is(request.node, "actuator_only"))
    if _is(request.node, "quiet") and priority.permitted():
        machine.prioritise()
    say(f"{request.node.name}: machine there after {time.monotonic() - begin:.1f} s")
    _use(request.node, machine)
    yield machine
    if _goes_on(request.node) and machine.running:
        station.keep(actuator_only=_is(request.node, "actuator_only"))
    else:
        station.rest()


def _is(item: pytest.Item, marker: str) -> bool:
    return item.get_closest_marker(marker) is not None


def _goes_on(item: pytest.Item) -> bool:
    """Whether the test after `item` may use the machine as `item` leaves it."""
    after = item.stash[_NEXT]
    return (
        isinstance(after, pytest.Function)
        and "machine" in after.fixturenames
        and not item.stash.get(_SPOILT, False)
        and _is(item, "looks")
        and _is(after, "looks")
        and all(_is(item, name) == _is(after, name) for name in ("actuator_only", "shipped_kernel"))
        and _allowed(item) <= _allowed(after)  # the journal keeps what was provoked
    )


def _allowed(item: pytest.Item) -> set[tuple[str, ...]]:
    """The trouble that `item` may make: pattern and reason."""
    return {mark.args for mark in item.iter_markers("allow")}


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
def with_slots(
    new_machine: Callable[..., Machine], image: Image, start: Start
) -> Callable[[str, list[str]], Machine]:
    """Boots a machine of a test's own with QEMU ``devices``, such as slots to plug something into."""

    def boot(name: str, devices: list[str]) -> Machine:
        disk = image.overlay(DIRECTORY / f"{name}.qcow2")
        machine = new_machine(name, disk, kernel=start.kernel, initrd=start.initrd, devices=devices)
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
        request.node.stash[_SPOILT] = True
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
        item.stash[_SPOILT] = True
        for machine in item.stash.get(_USED, []):
            tail = machine.console_text(all_boots=True).splitlines()[-TAIL_LINES:]
            report.sections.append((f"console of {machine.name} ({machine.console_log})", "\n".join(tail)))
    return report


def _use(item: pytest.Item, machine: Machine) -> None:
    item.stash[_USED].append(machine)
