# SPDX-License-Identifier: Apache-2.0
"""Power cuts on a disk that reorders what was not flushed: everything that it may hold then, recovered.

Changes that outlive a reboot (drop-ins, units enabled and disabled by systemd's own tool), and runtime ones
beside them, are made and taken back by three threads on an ext4 file system of its own, whose disk keeps a
log of all writes (``tools.vm.write_log``). Afterwards the disk is rebuilt as it may have been at random
moments: all that was flushed, and of the rest an arbitrary part. Each is mounted, recovered as after a
reboot, and compared with what callers had been told by then.
"""

import os
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jepa.actions.change import Change, State
from jepa.actions.clock import HostClock
from jepa.actions.executor import Executor
from jepa.actions.family import Host
from jepa.actions.journal import Journal, load
from jepa.actions.request import make
from jepa.actions.service_manager import NoServiceManager, Unit
from jepa.actions.systemd_bus import full_name
from jepa.errors import JepaError
from tests.bench.actions import ME, AllowAll
from tests.bench.cut_disk import Told, cut_disks, moments

DISK_BYTES: Final = 48 << 20
UNITS: Final = ("web.service", "db.service", "mail.service")
TARGETS: Final = ("multi-user.target", "graphical.target")
"""Two, so that a unit may be half enabled."""
POLICIES: Final = ("on-failure", "on-abnormal", "always", "no", "unit's own")
RUNTIME: Final = "vm.swappiness"
THREADS: Final = 3
REQUESTS: Final = 360
"""In one recording; fewer than the journal keeps in its newest file, so that none may be missing there."""
CUTS: Final = 250
"""In one recording."""
ROTATE_BYTES: Final = 32 << 10
"""Small, so that cuts fall into the beginning of new files, too."""
UNDO_EVERY: Final = 5
"""After so many cuts all that is in force is taken back as well, to see that the old values are right."""
JOURNAL: Final = "var/lib/jepa-actuator"
ETC: Final = "etc/systemd/system"


class UnitFiles(NoServiceManager):
    """What systemd makes of the unit files below ``root``; enabled and disabled by its own tool."""

    available = True

    def __init__(self, root: Path) -> None:
        # Below a link systemctl takes the units' own links for ones that lead outside.
        self._root = root.resolve()

    def unit(self, name: str) -> Unit:
        """A service that does not run."""
        full = full_name(name)
        state = self._systemctl("is-enabled", full)
        return Unit(full, "loaded", "inactive", unit_file_state=state, fragment=f"/{ETC}/{full}")

    def get(self, unit: str, interface: str, name: str) -> Any:
        """Of ``Restart``, what the drop-ins say."""
        lines = [
            line
            for file in sorted((self._root / ETC / f"{unit}.d").glob("*.conf"))
            for line in file.read_text().splitlines()
        ]
        return next((line.partition("=")[2] for line in lines if line.startswith(f"{name}=")), "no")

    def enable(self, unit: str) -> None:
        """Start it at boot from now on."""
        self._systemctl("enable", unit)

    def disable(self, unit: str) -> None:
        """No longer start it at boot."""
        self._systemctl("disable", unit)

    def daemon_reload(self) -> None:
        """Nothing is loaded."""

    def _systemctl(self, verb: str, unit: str) -> str:
        command = ["systemctl", f"--root={self._root}", "--quiet", verb, unit]
        if verb == "is-enabled":
            command.remove("--quiet")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        # is-enabled exits with 1 for what is disabled, and then says so.
        if done.returncode and not done.stdout:
            raise JepaError(f"{verb} {unit}: {done.returncode} {done.stderr}", "")
        return done.stdout.strip()


class NoTimers:
    """Dead-man's timers that the power cut takes along, whatever they are."""

    survives = False

    def arm(self, change_id: str, seconds: float) -> None:
        """Nothing."""

    def disarm(self, change_id: str) -> None:
        """Nothing."""

    def armed(self) -> Collection[str]:
        """None."""
        return ()


class LaterBoot(HostClock):
    """The clock after a reboot."""

    @property
    def boot_id(self) -> str:
        """Another one."""
        return "f" * 32


def executor(root: Path, clock: HostClock) -> Executor:
    """What the actuator runs, on the machine below ``root``."""
    journal = Journal(root / JOURNAL, wait_s=30.0, rotate_bytes=ROTATE_BYTES)
    return Executor(Host(root, UnitFiles(root)), AllowAll(), journal, NoTimers(), clock=clock)


@contextmanager
def recorded_disk(folder: Path) -> Iterator[Path]:
    """A block device whose writes are logged in ``folder / "log"``."""
    for name, size in (("disk", DISK_BYTES), ("log", 0)):
        with (folder / name).open("wb") as file:
            file.truncate(size)
    nodes = [
        f"driver=file,node-name={name},filename={folder / name},cache.no-flush=on"
        for name in ("disk", "log")
    ]
    nodes.append("driver=blklogwrites,node-name=top,file=disk,log=log,log-sector-size=512")
    with exported(folder, *nodes) as device:
        yield device


@contextmanager
def exported(folder: Path, *nodes: str) -> Iterator[Path]:
    """The block node ``top``, one of QEMU's ``nodes``, as a block device of this host."""
    (folder / "export").touch()
    command = ["qemu-storage-daemon", "--pidfile", str(folder / "pid")]
    for node in nodes:
        command += ["--blockdev", node]
    command += ["--export", f"fuse,id=export,node-name=top,mountpoint={folder / 'export'},writable=on"]
    daemon = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command])
    try:
        while not (folder / "pid").exists():
            assert daemon.poll() is None, "qemu-storage-daemon has ended"
            time.sleep(0.02)
        loop = run("losetup", "--find", "--show", "--partscan", str(folder / "export"))
        try:
            yield Path(loop)
        finally:
            run("losetup", "--detach", loop)
    finally:
        daemon.terminate()
        daemon.wait(20)


@dataclass(frozen=True, slots=True)
class Settings:
    """What was changed: units, and the targets that they are enabled for."""

    units: Sequence[str] = UNITS
    targets: Sequence[str] = TARGETS


@contextmanager
def mounted(device: Path, folder: Path, options: str = "defaults") -> Iterator[Path]:
    """The file system on ``device``."""
    folder.mkdir(exist_ok=True)
    run("mount", "-t", "ext4", "-o", options, str(device), str(folder))
    try:
        yield folder
    finally:
        run("umount", str(folder))


def run(*command: str) -> str:
    """Run it; what it wrote."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def record(folder: Path, seed: int) -> Told:
    """Make changes on a recorded disk in ``folder``; what callers were told of them."""
    told = Told(folder / "log")
    with recorded_disk(folder) as device:
        run("mkfs.ext4", "-q", "-b", "4096", "-J", "size=4", str(device))
        with mounted(device, folder / "root") as root:
            (root / ETC).mkdir(parents=True)
            wanted = "\n".join(f"WantedBy={each}" for each in TARGETS)
            for name in (*UNITS, *TARGETS):
                install = f"[Install]\n{wanted}\n" if name in UNITS else ""
                (root / ETC / name).write_text(f"[Unit]\nDescription={name}\n{install}")
            (root / "proc").mkdir()
            run("mount", "-t", "tmpfs", "runtime", str(root / "proc"))  # gone after a reboot, as /proc is
            try:
                setting = root / "proc/sys" / RUNTIME.replace(".", "/")
                setting.parent.mkdir(parents=True)
                setting.write_text("60\n")
                os.sync()
                at_work = executor(root, HostClock())
                threads = [
                    threading.Thread(target=work, args=(at_work, told, random.Random(seed * 10 + number)))
                    for number in range(THREADS)
                ]
                for each in threads:
                    each.start()
                for each in threads:
                    each.join()
                at_work.journal.close()
            finally:
                run("umount", str(root / "proc"))
    return told


def work(at_work: Executor, told: Told, rng: random.Random) -> None:
    """Ask for changes of anything, and take back the own ones in any order."""
    own: list[str] = []
    for _ in range(REQUESTS // THREADS):
        try:
            if own and rng.random() < 0.45:
                chosen = own.pop(rng.randrange(len(own)))
                with told.lock:
                    told.undos[chosen] = told.now()
                told.outcome(*at_work.undo(ME, chosen))
                continue
            unit, for_s = rng.choice(UNITS), rng.choice([None, None, 86400.0])
            action, target, value = rng.choice(
                [
                    ("unit.restart_policy", unit, rng.choice(POLICIES)),
                    (rng.choice(["unit.enable", "unit.disable"]), unit, None),
                    (RUNTIME, "", str(rng.randint(1, 100))),
                ]
            )
            change = at_work.act(
                make(HostClock(), action=action, target=target, value=value, for_s=for_s), ME
            )
            own.append(change.id)
            told.outcome(change)
        except JepaError:
            with told.lock:
                told.refused += 1


def cuts(folder: Path, told: Told, count: int, seed: int, found: Counter[str]) -> None:
    """Cut the power ``count`` times in what ``folder`` recorded; count what is not as it should be."""
    rng = random.Random(seed)
    (folder / "stable").write_bytes(b"")
    os.truncate(folder / "stable", DISK_BYTES)
    for disk, size in cut_disks(folder, moments(told, count, rng), rng, found):
        found["cuts"] += 1
        try:
            with mounted(disk, folder / "after", "loop") as root:
                look(root, told, size, found, Settings())
        except subprocess.CalledProcessError as error:
            print(f"{error}: {error.stderr}", flush=True)
            found["unsound"] += 1
        if found["cuts"] % 50 == 0:
            print(f"{found['cuts']} cuts on a disk that reorders: {dict(found)}", flush=True)


def look(root: Path, told: Told, size: int, found: Counter[str], what: Settings) -> None:
    """Recover what is below ``root``, and compare it with what was told while the log had ``size`` bytes."""
    left = load(root / JOURNAL)
    found["unsound"] += bool(left.damage)
    in_force = [each for each in left.changes.values() if each.in_force]
    found["in_a_change"] += any(each.state is not State.COMMITTED for each in in_force)
    found["in_an_undo"] += any(each.ending is not None for each in in_force)
    at_start = executor(root, LaterBoot())
    with closing(at_start.journal) as journal:
        found["unsound"] += len(at_start.recover().problems)
        compare(root, journal.changes, told, size, found, what)
        if found["cuts"] % UNDO_EVERY == 0:
            while journal.in_force:
                at_start.undo(ME)
            _compare_files(root, [], found, what)


def compare(
    root: Path, changes: list[Change], told: Told, size: int, found: Counter[str], what: Settings
) -> None:
    """Compare what a recovery left, and ``changes`` in its journal, with what callers may expect."""
    known = {each.id: each for each in changes}
    newest = {each.id: each for at, each in told.outcomes if at <= size}
    found["outcomes"] += len(newest)
    for each in newest.values():
        undo_begun = told.undos.get(each.id, size) < size
        if not _kept(each, known.get(each.id), undo_begun):
            found["lost"] += 1
            print(f"lost: {each}, told; undo begun: {undo_begun}; found: {known.get(each.id)}", flush=True)
    in_force = [each for each in changes if each.in_force]
    found["half"] += sum(each.state is not State.COMMITTED or each.ending is not None for each in in_force)
    _compare_files(root, in_force, found, what)


def _kept(told: Change, found: Change | None, undo_begun: bool) -> bool:
    """Whether a recovery after a reboot made of a change what its caller may expect."""
    if found is None or told.state is not State.COMMITTED:
        return found is not None and found.state is told.state
    expected = {State.UNDONE} if undo_begun else set()
    expected.add(State.COMMITTED if told.persistent and told.until_s is None else State.REVERTED)
    return found.state in expected


def _compare_files(root: Path, in_force: list[Change], found: Counter[str], what: Settings) -> None:
    """What is set has to be what the journal says, and nothing half there."""
    manager = UnitFiles(root)
    for unit in what.units:
        policy = newest(in_force, unit, "restart_policy", "unit's own")
        place = root / ETC / f"{unit}.d"
        files = list(place.iterdir()) if place.exists() else []
        wanted = [] if policy == "unit's own" else ["50-jepa-restart.conf"]
        found["half"] += [each.name for each in files] != wanted
        found["wrong"] += bool(files) and manager.get(unit, "Service", "Restart") != policy
        links = {(root / ETC / f"{each}.wants" / unit).is_symlink() for each in what.targets}
        found["half"] += len(links) > 1
        found["wrong"] += links != {newest(in_force, unit, "enabled", "disabled") == "enabled"}


def newest(in_force: list[Change], unit: str, setting: str, before: str) -> str:
    """The value that is in force of a unit's setting."""
    values = [str(each.new) for each in in_force if (each.target, each.setting) == (unit, setting)]
    return values[-1] if values else before


def measure(count: int, found: Counter[str]) -> Iterator[None]:
    """Cut the power ``count`` times in all, and stop after each recording."""
    while found["cuts"] < count:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
            seed = found["cuts"]
            told = record(Path(place), seed)
            found["refused"] += told.refused
            cuts(Path(place), told, min(CUTS, count - seed), seed, found)
        yield
