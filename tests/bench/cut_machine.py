# SPDX-License-Identifier: Apache-2.0
"""Power cuts of the image in a VM, and what is in force after each.

The actuator under systemd makes changes for two clients and takes them back while every write of the disk is
logged (``tools.vm.write_log``); then QEMU is killed, which is one cut. The others of a recording are random
moments of its log: for each the disk is rebuilt, with any part of what was not flushed by then.

After some of the cuts a machine is switched on and boots from that disk, as far as jepa-recovery.service and
what has to come before it. The run itself begins in a machine that is restored. The other disks are mounted
and recovered on this host. Journal, drop-ins and links, and after a boot what systemd and the kernel have in
force, are compared with what the clients had been told by the cut.
"""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from jepa.actions.change import Change
from jepa.actions.journal import load
from tests.bench import reordered_disk
from tests.bench.cut_disk import Told, cut_disks, moments
from tests.bench.reordered_disk import ETC, JOURNAL, Settings, compare, mounted, newest
from tools.partitions import labelled
from tools.vm.emulator import newest as newest_emulator
from tools.vm.image import BUILD, built_image, kvm_works
from tools.vm.machine import Machine, MachineError, Setup
from tools.vm.qemu import Disk
from tools.vm.ready import BAY

GUEST: Final = Path(__file__).with_name("cut_guest.py")
PORT: Final = "jepa.told"
TOLD: Final = Path(tempfile.gettempdir(), f"jepa-told-{os.getpid()}")
"""The host's end of the port."""
SETTINGS: Final = Settings([f"cut-{number}.service" for number in range(8)], ["multi-user.target"])
UNIT: Final = "[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n"
CUTS: Final = 100
"""In one recording."""
BOOT_EVERY: Final = 4
"""After one of so many cuts a machine boots; the others are recovered on this host, which is quicker."""
PLACE: Final = BUILD / "bench/power-cuts"
OUTCOMES: Final = 25
"""In one recording, before QEMU is killed."""
LATER_S: Final = 2.0
"""How long the machine works on, at most, from the last request that is heard of until it is killed."""
ENOUGH: Final = {
    "systemd.extra-unit.cut.target": "[Unit]\nWants=local-fs.target systemd-remount-fs.service"
    " systemd-sysctl.service jepa-recovery.service jepa-test-shell.service\n"
}
"""As a system credential, how far a machine boots after a cut."""
RECOVERED: Final = r"(Finished|Failed to start).{0,20}jepa-recovery\.service"
CLOCK_RUNS: Final = "tsc: PIT calibration deviates from HPET"
"""The guest's kernel may take the wrong one of these for its clock, and then times out too early."""
WANTS_DISK: Final = r"Finished systemd-udev-trigger"
SETTLE_S: Final = 1.5
"""For the devices of the machine to be found, without a disk."""
WAITS: Final = "waits"
IDLE: Final = "dev-zram0.swap systemd-timesyncd.service systemd-resolved.service"
"""What a machine that changes settings does without, to save the emulation's time."""
GENERATORS: Final = "/usr/lib/systemd/system-generators"
"""Hidden meanwhile: they would run each time that systemd reads its units."""
IN_A_CHANGE: Final = "its process died before it was committed"
IN_AN_UNDO: Final = "it was being taken back"
"""What recovery says of changes that it took back."""


def setup(cpus: int) -> str:
    """What the figures were measured on."""
    how = "KVM" if kvm_works() else "emulated (TCG)"
    return f"the image in {newest_emulator()}, {how}, {cpus} vCPU"


@contextmanager
def waiting() -> Iterator[Machine]:
    """A machine, off, whose snapshot ``WAITS`` is in the initrd and waits for the disk with the root."""
    image, disk, done = built_image(), Disk(PLACE / "none.qcow2", "qcow2"), PLACE / "waits"
    told = ["-chardev", f"socket,id=told,path={TOLD},server=on,wait=off"]
    told += ["-device", f"virtserialport,bus=ports.0,chardev=told,name={PORT}"]
    setup = Setup(
        disk,
        image.kernel,
        image.initrd,
        kernel_arguments=["systemd.unit=cut.target"],
        credentials=ENOUGH,
        memory_mib=1024,
        cpus=1,
        devices=[*BAY, *told],
        kvm=kvm_works(),
    )
    PLACE.mkdir(parents=True, exist_ok=True)
    made = Machine("cut", setup, PLACE, lambda line: print(line, flush=True))
    try:
        if not done.exists() or done.stat().st_mtime < image.kernel.stat().st_mtime:
            create = [
                *newest_emulator().image_command(),
                "create",
                "-q",
                "-f",
                "qcow2",
                str(disk.path),
                "1M",
            ]
            subprocess.run(create, check=True)
            made.start()
            made.wait_for_console_text(WANTS_DISK)
            if CLOCK_RUNS in made.console_text():
                raise MachineError("This host is too busy to emulate a clock. Try again.")
            time.sleep(SETTLE_S * made.factor)
            made.snapshot(WAITS)
            done.touch()
        yield made
    finally:
        made.crash()
        TOLD.unlink(missing_ok=True)


def start(at: Machine, disk: Disk, log: Path | None = None, snapshot: str | None = WAITS) -> None:
    """Let the machine have ``disk``; without ``snapshot`` it is switched on, and has a new boot id."""
    at.crash()
    at.start(snapshot)
    at.insert("root", replace(disk, log=log))
    at.plug("virtio-blk-pci", "plugged", drive="root", bus="bay")


def values(at: Machine) -> list[str]:
    """The settings that a reboot resets."""
    asked = "sysctl -n vm.swappiness; systemctl show --value --property=CPUQuotaPerSecUSec background.slice"
    return at.succeed(asked).split()


@dataclass(frozen=True, slots=True)
class Recording:
    """What a machine did until it was killed, in ``folder``: its disk, its log, and the disk before that."""

    folder: Path
    told: Told
    before: list[str]
    """The ``values`` before any change."""

    def save(self) -> None:
        """Keep it for a later run of this program."""
        told = self.told
        outcomes = [[size, change.as_dict()] for size, change in told.outcomes]
        content = [self.before, outcomes, told.undos, told.refused]
        (self.folder / "told.json").write_text(json.dumps(content))

    @classmethod
    def load(cls, folder: Path) -> "Recording":
        """One that was kept."""
        before, outcomes, undos, refused = json.loads((folder / "told.json").read_text())
        changes = [(size, Change.from_dict(row)) for size, row in outcomes]
        return cls(folder, Told(folder / "log", changes, undos, refused), before)


def record(folder: Path, at_work: Machine, seed: str) -> Recording:
    """Let a machine work, and kill it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    image = built_image()
    image.copy(folder / "stable")
    told, rng = Told(folder / "log"), random.Random(seed)
    told.log.touch()
    start(at_work, image.overlay(folder / "disk.qcow2"), told.log)
    try:
        at_work.wait_for_shell()
        at_work.succeed(f"systemctl mask --quiet --runtime {IDLE}")
        at_work.succeed("systemctl start --no-block basic.target")
        at_work.wait_until_succeeds("systemctl is-active basic.target || ! systemctl list-jobs >&2", poll=3)
        for name in SETTINGS.units:
            at_work.succeed(f"printf '{UNIT}' >/etc/systemd/system/{name}")
        at_work.succeed(f"cat >/run/cut_guest.py <<'END'\n{GUEST.read_text()}END")
        at_work.succeed(f"mount -t tmpfs none {GENERATORS}; systemctl daemon-reload; sync")
        before = values(at_work)
        words = " ".join(["/run/cut_guest.py", f"/dev/virtio-ports/{PORT}", seed, *SETTINGS.units])
        at_work.succeed(f"systemd-run --quiet --unit=cut-guest python3 -IS {words}")
        _hear(told, rng)
    finally:
        at_work.crash()
    print(f"recorded {len(told.outcomes)} outcomes, {told.refused} refused", flush=True)
    recording = Recording(folder, told, before)
    recording.save()
    return recording


def _hear(told: Told, rng: random.Random) -> None:
    """Note what the guest tells, until it has told enough and is in the middle of something."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as host:
        host.connect(str(TOLD))
        host.settimeout(600)
        with host.makefile("rb") as lines:
            for line in lines:
                begins = _note(told, json.loads(line))
                host.sendall(b".")
                if begins and len(told.outcomes) >= OUTCOMES:
                    time.sleep(rng.uniform(0, LATER_S))
                    return


def _note(told: Told, line: Mapping[str, object]) -> bool:
    """Whether somebody begins something."""
    match line:
        case {"act": _}:
            return True
        case {"undo": str(change)}:
            told.undos[change] = told.now()
            return True
        case {"changes": list(rows)}:
            told.outcome(*(Change.from_dict(row) for row in rows))
        case {"refused": str(reason)}:
            told.refused += 1
            print(f"refused: {reason}", flush=True)
    return False


def disks(recording: Recording, first: int, seed: str, found: Counter[str]) -> Iterator[tuple[Disk, int]]:
    """The disk after each cut, from the one numbered ``first`` on, and the size that the log had then."""
    if first == 0:
        left = recording.folder / "left.qcow2"
        shutil.copy(recording.folder / "disk.qcow2", left)
        found["killed"] += 1
        yield Disk(left, "qcow2"), sys.maxsize
    later = moments(recording.told, CUTS - 1, random.Random(seed))[max(0, first - 1) :]
    for disk, size in cut_disks(recording.folder, later, random.Random(f"{seed} {first}"), found):
        yield Disk(disk), size


def look(disk: Path, size: int, recording: Recording, found: Counter[str]) -> None:
    """Mount ``disk`` here, recover, and compare it with what was told while the log had ``size`` bytes."""
    at = labelled(disk, "jepa-root").start
    with mounted(disk, recording.folder / "root", f"loop,offset={at}") as root:
        reordered_disk.look(root, recording.told, size, found, SETTINGS)


def boot(booted: Machine, disk: Disk, size: int, recording: Recording, found: Counter[str]) -> None:
    """Boot from ``disk`` in a machine that waits for one, and compare what is in force with what was told
    while the log had ``size`` bytes."""
    tar = recording.folder / "left.tar"
    start(booted, disk, snapshot=None)
    try:
        done = booted.wait_for_console_text(RECOVERED, 120)
        booted.wait_for_shell()
        booted.succeed(f"tar -cf /run/left.tar -C / {JOURNAL} {ETC}")
        tar.write_bytes(booted.copy_from("/run/left.tar"))
        properties = "--property=Id,UnitFileState,Restart"
        shown = booted.succeed(f"systemctl show {properties} {' '.join(SETTINGS.units)}")
        reset = values(booted)
        booted.say("asked")
    finally:
        booted.crash()
    found["booted"] += 1
    found["unsound"] += done[1] != "Finished"
    with tempfile.TemporaryDirectory(prefix="jepa-cut-") as place:
        shutil.unpack_archive(tar, place, "tar")
        left = load(Path(place, JOURNAL))
        found["unsound"] += bool(left.damage)
        changes = list(left.changes.values())
        compare(Path(place), changes, recording.told, size, found, SETTINGS)
    in_force = [each for each in changes if each.in_force]
    for block in shown.strip().split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines())
        policy = newest(in_force, unit["Id"], "restart_policy", "unit's own")
        found["wrong"] += unit["Restart"] != ("no" if policy == "unit's own" else policy)
        found["wrong"] += unit["UnitFileState"] != newest(in_force, unit["Id"], "enabled", "disabled")
    found["wrong"] += sum(now != then for now, then in zip(reset, recording.before, strict=True))
    found["in_a_change"] += any(each.detail.startswith(IN_A_CHANGE) for each in changes)
    found["in_an_undo"] += any(each.detail.startswith(IN_AN_UNDO) for each in changes)


def measure(count: int, found: Counter[str]) -> Iterator[None]:
    """Cut the power ``count`` times in all, and stop after each."""
    if found["cuts"] < count:
        with waiting() as machine:
            while found["cuts"] < count:
                yield from _recording(machine, count, found)


def _recording(machine: Machine, count: int, found: Counter[str]) -> Iterator[None]:
    """The cuts of one recording, which is made if it is not there."""
    number, first = divmod(found["cuts"], CUTS)
    folder, seed = PLACE / f"recording-{number}", f"recording {number}"
    if (folder / "told.json").exists():
        recording = Recording.load(folder)
    else:
        recording = record(folder, machine, str(number))
    found["recordings"] = number + 1
    found["refused"] += 0 if first else recording.told.refused
    for disk, size in disks(recording, first, seed, found):
        before = found.copy()
        found["cuts"] += 1
        if before["cuts"] % CUTS % BOOT_EVERY == 0:
            boot(machine, disk, size, recording, found)
        else:
            look(disk.path, size, recording, found)
        if any(found[each] > before[each] for each in ("lost", "wrong", "half", "unsound")):
            kept = folder / f"fault-{found['cuts']}"
            subprocess.run(["cp", "--sparse=always", str(disk.path), str(kept)], check=True)
            print(f"fault: see {folder}", flush=True)
        print(f"{found['cuts']} power cuts of a machine: {dict(found)}", flush=True)
        yield
        if found["cuts"] >= count:
            return
    if not list(folder.glob("fault-*")):
        shutil.rmtree(folder)
