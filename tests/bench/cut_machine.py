# SPDX-License-Identifier: Apache-2.0
"""Power cuts of the image in a VM: it boots from what the disk may hold then, and is asked what is in force.

The actuator under systemd makes changes for two clients and takes them back while every write of the disk is
logged (``tools.vm.write_log``); then QEMU is killed, which is one cut. The others of a recording are random
moments of its log: for each the disk is rebuilt, with any part of what was not flushed by then. After each
cut a machine boots from that disk, as far as jepa-recovery.service and what has to come before that: what it
does before it looks for a disk is done once, and restored; the disk is then plugged in. Journal,
drop-ins and links are read from it, and what its systemd and kernel have in force, and all of that is
compared with what the clients had been told by the time of the cut.
"""

import json
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from jepa.actions.change import Change
from jepa.actions.journal import load
from tests.bench.cut_disk import Told, cut_disks, moments
from tests.bench.reordered_disk import ETC, JOURNAL, Settings, compare, newest
from tools.vm.emulator import newest as newest_emulator
from tools.vm.image import BUILD, Image, built_image, kvm_works
from tools.vm.machine import Machine, Setup
from tools.vm.qemu import Disk
from tools.vm.ready import BAY

GUEST: Final = Path(__file__).with_name("cut_guest.py")
PORT: Final = "jepa.told"
SETTINGS: Final = Settings([f"cut-{number}.service" for number in range(8)], ["multi-user.target"])
UNIT: Final = "[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n"
CUTS: Final = 50
"""In one recording."""
PLACE: Final = BUILD / "bench/power-cuts"
OUTCOMES: Final = 30
"""In one recording, before QEMU is killed."""
LATER_S: Final = 2.0
"""How long the machine works on, at most, from the last request that is heard of until it is killed."""
ENOUGH: Final = {
    "systemd.extra-unit.cut.target": "[Unit]\nWants=local-fs.target systemd-remount-fs.service"
    " systemd-sysctl.service jepa-recovery.service jepa-test-shell.service\n"
}
"""As a system credential, how far a machine boots after a cut."""
RECOVERED: Final = r"(Finished|Failed to start).{0,20}jepa-recovery\.service"
WANTS_DISK: Final = r"Finished systemd-udev-trigger"
SETTLE_S: Final = 1.5
"""For the devices of the machine to be found, without a disk."""
WAITS: Final = "waits"
IN_A_CHANGE: Final = "its process died before it was committed"
IN_AN_UNDO: Final = "it was being taken back"
"""What recovery says of changes that it took back."""


def setup() -> str:
    """What the figures were measured on."""
    how = "KVM" if kvm_works() else "emulated (TCG)"
    return f"the image in {newest_emulator()}, {how}, 1 vCPU"


def machine(image: Image, disk: Disk, folder: Path, target: str, devices: Sequence[str] = ()) -> Machine:
    """One with ``disk`` that boots as far as ``target``."""
    made = Setup(
        disk,
        image.kernel,
        image.initrd,
        kernel_arguments=[f"systemd.unit={target}"],
        credentials=ENOUGH,
        memory_mib=1024,
        cpus=1,
        devices=devices,
        kvm=kvm_works(),
    )
    return Machine("cut", made, folder, lambda line: print(line, flush=True))


def waiting(image: Image) -> Machine:
    """A machine, off, whose snapshot ``WAITS`` is in the initrd and waits for the disk with the root."""
    PLACE.mkdir(parents=True, exist_ok=True)
    disk = Disk(PLACE / "none.qcow2", "qcow2")
    create = [*newest_emulator().image_command(), "create", "-q", "-f", "qcow2", str(disk.path), "1M"]
    subprocess.run(create, check=True)
    made = machine(image, disk, PLACE, "cut.target", BAY)
    made.start()
    try:
        made.wait_for_console_text(WANTS_DISK)
        time.sleep(SETTLE_S * made.factor)
        made.snapshot(WAITS)
    finally:
        made.crash()
    return made


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
        """One that was kept. FileNotFoundError when there is none."""
        before, outcomes, undos, refused = json.loads((folder / "told.json").read_text())
        changes = [(size, Change.from_dict(row)) for size, row in outcomes]
        return cls(folder, Told(folder / "log", changes, undos, refused), before)


def record(folder: Path, image: Image, seed: str) -> Recording:
    """Let a machine work, and kill it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    image.copy(folder / "stable")
    told, rng = Told(folder / "log"), random.Random(seed)
    told.log.touch()
    disk = replace(image.overlay(folder / "disk.qcow2"), log=told.log)
    with tempfile.TemporaryDirectory(prefix="jepa-cut-") as sockets:
        chardev = f"socket,id=told,path={sockets}/told,server=on,wait=off"
        port = f"virtserialport,bus=ports.0,chardev=told,name={PORT}"
        at_work = machine(image, disk, folder, "basic.target", ["-chardev", chardev, "-device", port])
        at_work.start()
        try:
            at_work.wait_for_shell()
            at_work.wait_for_unit("basic.target")
            for name in SETTINGS.units:
                at_work.succeed(f"printf '{UNIT}' >/etc/systemd/system/{name}")
            at_work.succeed(f"cat >/run/cut_guest.py <<'END'\n{GUEST.read_text()}END")
            at_work.succeed("systemctl daemon-reload; sync")
            before = values(at_work)
            words = " ".join(["/run/cut_guest.py", f"/dev/virtio-ports/{PORT}", seed, *SETTINGS.units])
            at_work.succeed(f"systemd-run --quiet --unit=cut-guest python3 -IS {words}")
            _hear(Path(sockets, "told"), told, rng)
        finally:
            at_work.crash()
    print(f"recorded {len(told.outcomes)} outcomes, {told.refused} refused", flush=True)
    recording = Recording(folder, told, before)
    recording.save()
    return recording


def _hear(port: Path, told: Told, rng: random.Random) -> None:
    """Note what the guest tells, until it has told enough and is in the middle of something."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as host:
        host.connect(str(port))
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
        found["killed"] += 1
        yield Disk(recording.folder / "disk.qcow2", "qcow2"), sys.maxsize
    later = moments(recording.told, CUTS - 1, random.Random(seed))[max(0, first - 1) :]
    for disk, size in cut_disks(recording.folder, later, random.Random(f"{seed} {first}"), found):
        yield Disk(disk), size


def look(booted: Machine, disk: Disk, size: int, recording: Recording, found: Counter[str]) -> None:
    """Boot from ``disk`` in a machine that waits for one, and compare what is in force with what was told
    by the time at which the log had that size."""
    tar = recording.folder / "left.tar"
    booted.start(WAITS)
    try:
        booted.insert("cut", disk)
        booted.plug("virtio-blk-pci", "plugged", drive="cut", bus="bay")
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
    faults = Counter[str](unsound=int(done[1] != "Finished"))
    with tempfile.TemporaryDirectory(prefix="jepa-cut-") as place:
        with tarfile.open(tar) as archive:
            archive.extractall(place, filter="tar")
        left = load(Path(place, JOURNAL))
        faults["unsound"] += bool(left.damage)
        changes = list(left.changes.values())
        compare(Path(place), changes, recording.told, size, faults, SETTINGS)
    in_force = [each for each in changes if each.in_force]
    for block in shown.strip().split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines())
        policy = newest(in_force, unit["Id"], "restart_policy", "unit's own")
        faults["wrong"] += unit["Restart"] != ("no" if policy == "unit's own" else policy)
        faults["wrong"] += unit["UnitFileState"] != newest(in_force, unit["Id"], "enabled", "disabled")
    faults["wrong"] += sum(now != then for now, then in zip(reset, recording.before, strict=True))
    found["in_a_change"] += any(each.detail.startswith(IN_A_CHANGE) for each in changes)
    found["in_an_undo"] += any(each.detail.startswith(IN_AN_UNDO) for each in changes)
    found["cuts"] += 1
    found.update(faults)
    if any(faults[each] for each in ("lost", "wrong", "half", "unsound")):
        kept = PLACE / f"fault-{found['cuts']}"
        kept.mkdir(exist_ok=True)
        for path in (tar, disk.path):
            shutil.copy(path, kept)
        print(f"{dict(faults)}: see {kept}; {shown}{reset}", flush=True)


def measure(count: int, found: Counter[str]) -> Iterator[None]:
    """Cut the power ``count`` times in all, and stop after each."""
    image = built_image()
    booted = waiting(image)
    while found["cuts"] < count:
        number, first = divmod(found["cuts"], CUTS)
        folder, seed = PLACE / f"recording-{number}", f"recording {number}"
        try:
            if not first:
                raise FileNotFoundError
            recording = Recording.load(folder)
        except FileNotFoundError:
            recording = record(folder, image, str(number))
            found["recordings"] += 1
            found["refused"] += recording.told.refused
        for disk, size in disks(recording, first, seed, found):
            look(booted, disk, size, recording, found)
            print(f"{found['cuts']} power cuts of a machine: {dict(found)}", flush=True)
            yield
            if found["cuts"] >= count:
                return
        shutil.rmtree(folder)
