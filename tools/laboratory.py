# SPDX-License-Identifier: Apache-2.0
"""The trial laboratory: a machine in virtual time, stopped at moments of its work, and branches from each.

Nothing is asked of the machine while it works: it stops itself (``jepa_lab.branches.guest``), what a branch
shall do lies in QEMU's firmware configuration, and what was recorded is in a file once it stands still.
"""

import base64
import hashlib
import io
import json
import shlex
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from jepa.telemetry.schema import Schema
from jepa_lab.branches.guest import PORT
from jepa_lab.branches.plan import Plan, Shape
from jepa_lab.branches.schedule import NOTHING, Course, Moment, Run, Start
from jepa_lab.branches.store import Branch, RecordedMoment, Stretch
from tools.lab_disk import make_disk
from tools.vm.image import BUILD, ROOT, built_image
from tools.vm.machine import Machine, MachineError, Say, Setup
from tools.vm.qemu import Disk

PLACE: Final = BUILD / "branches"
_PROGRAMS: Final = PLACE / "programs.erofs"
_PREPARED: Final = "prepared"
_GUEST: Final = "/run/lab"
PARTS: Final = ("__init__.py", "branches/__init__.py", "branches/guest.py")
_OTHERS: Final = (
    # what would watch beside the laboratory's own recorder, act by itself, or begin at some time
    *("jepad.service", "jepa-telemetry.service", "jepa-healing.service"),
    *(
        "jepa-bpf-cost.timer",
        "jepa-health.timer",
        "systemd-tmpfiles-clean.timer",
        "systemd-timesyncd.service",
    ),
)
_WORK: Final = "/var/tmp/lab"
_DISK_MIB: Final = 160
_LARGEST_KIB: Final = 64
"""Of one request to the disk that programs work on."""
_COURSE_BYTES: Final = 4096
"""Of the file that says what a branch does: always as many, since the machine knows its size."""
_SLICES: Final = {"foreground": "user.slice", "background": "background.slice"}
_LIMIT_S: Final = 180.0
"""For a machine to come to its next stop; multiplied under emulation."""
_BOOTING: Final = threading.Lock()
"""Held by who boots a machine, for others to use that boot."""
_KEPT_FIRST = "-p OOMScoreAdjust=-900 -p OOMPolicy=continue"
"""When memory runs out, and that may be the point, the recorder goes on."""


class Laboratory:
    """Records the moments of one run. What it needs meanwhile lies in ``directory``, which it removes."""

    def __init__(self, plan: Plan, run: Run, schema: Schema, directory: Path, say: Say) -> None:
        self._plan, self._run, self._schema = plan, run, schema
        self._directory, self._say = directory, say
        self._course, self._port = directory / "course", directory / "port"

    def moments(self, wanted: Sequence[Moment]) -> Iterator[tuple[Moment, RecordedMoment]]:
        """Each ``wanted`` moment of the run, in order, recorded; the machine is switched off at the end."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        write_course(self._course, Course(""), ends=False)
        disk = _booted(self._run.shape, self._directory, self._say)
        setup = _setup(self._run.shape, disk, self._course, self._port)
        machine = Machine(self._run.name, setup, self._directory, self._say)
        try:
            begun = time.monotonic()
            self._begin(machine)
            machine.wait_for_stop(_LIMIT_S)
            way_s = time.monotonic() - begun
            for moment in self._run.moments:
                context = self._told("context", moment.frame)
                if moment not in wanted:
                    machine.resume()
                    machine.wait_for_stop(_LIMIT_S)
                    continue
                machine.say(f"{self._run.name}, {moment.name}: {way_s:.0f} s to come there")
                cost = {"way": way_s, "snapshot": machine.snapshot(moment.name)}
                branches: dict[str, Branch] = {}
                # The first one last: it goes on to the next moment.
                for course in (*moment.courses[1:], moment.courses[0]):
                    begun = time.monotonic()
                    self._enter(
                        machine, moment, course, ends=course.name != NOTHING[0] or moment == wanted[-1]
                    )
                    machine.wait_for_stop(_LIMIT_S)
                    branches[course.name] = self._branch(moment, course)
                    way_s = cost[course.name] = time.monotonic() - begun
                    machine.say(f"{self._run.name}, {moment.name}: {course.name}: {way_s:.0f} s")
                ordered = tuple(branches[course.name] for course in moment.courses)
                facts = self._facts(machine, moment, cost)
                yield moment, RecordedMoment(facts, self._stretch(context), ordered)
                if moment == wanted[-1]:
                    return
        finally:
            machine.crash()
            shutil.rmtree(self._directory, ignore_errors=True)

    def _begin(self, machine: Machine) -> None:
        """Let the programs and the recorder begin in the machine as it booted."""
        machine.start(_PREPARED)
        machine.wait_for_shell()
        machine.slow_disk(self._run.shape.operations_per_s)
        order = {
            "starts": [[start.frame, command(start)] for start in self._run.starts],
            "moments": [moment.frame for moment in self._run.moments],
            "context_s": self._plan.context_s,
            "branch_s": self._plan.branch_s,
        }
        machine.succeed(make_work_disk(self._run.shape), 60)
        folders = " ".join(f"{_WORK}/{start.role}" for start in self._run.starts)
        machine.succeed(
            f"mkdir -p {folders} && cd {_GUEST} && echo {_packed()} | base64 -d | tar -xz"
            f" && echo {shlex.quote(json.dumps(order))} >order.json"
            f" && systemd-run {_KEPT_FIRST} --quiet --unit=lab-recorder"
            f" --setenv=PYTHONPATH=/usr/lib/jepa:{_GUEST}"
            f" python3 -m jepa_lab.branches.guest {_GUEST}/order.json"
        )

    def _enter(self, machine: Machine, moment: Moment, course: Course, *, ends: bool) -> None:
        """Wake the machine at ``moment``, and let it take ``course``."""
        machine.crash()
        write_course(self._course, course, ends=ends)
        machine.start(moment.name, paused=True)
        machine.slow_disk(self._run.shape.operations_per_s)
        machine.resume()

    def _branch(self, moment: Moment, course: Course) -> Branch:
        told = self._told("branch", moment.frame)
        steps = tuple(asdict(step) for step in course.steps)
        return Branch(course.name, steps, tuple(told["reports"]), self._stretch(told))

    def _told(self, kind: str, frame: int) -> dict[str, Any]:
        """The message of that kind about that moment; MachineError where there is none."""
        for line in self._port.read_bytes().splitlines():
            message: dict[str, Any] = json.loads(line)
            if message["kind"] == kind and message["frame"] == frame:
                return message
        raise MachineError(f"{self._run.name}: stopped, and did not tell of the {kind} at frame {frame}")

    def _stretch(self, told: dict[str, Any]) -> Stretch:
        values = np.frombuffer(base64.b64decode(told["values"]), "<f4").reshape(len(told["ts"]), -1)
        if values.shape[1] != len(self._schema.names):
            raise MachineError("the image has other channels than this tree; build it anew: make image")
        return Stretch(np.array(told["ts"], np.int64), values)

    def _facts(self, machine: Machine, moment: Moment, cost: dict[str, float]) -> dict[str, Any]:
        run = self._run
        return {
            "run": run.name,
            "moment": moment.name,
            "split": run.split,
            "frame": moment.frame,
            "shape": asdict(run.shape),
            "programs": [
                {"role": start.role, "name": start.program.name, "software": start.program.software}
                | {"from_frame": start.frame, "seed": start.seed, "command": start.program.command}
                for start in run.starts
            ],
            "seed": self._plan.seed,
            "emulator": ".".join(map(str, machine.setup.emulator.version)),
            "host_s": {name: round(seconds, 1) for name, seconds in cost.items()},
        }


def command(start: Start) -> list[str]:
    """The command that begins a program in the machine, as a unit in the slice of its role."""
    properties = {
        "RootDirectory": f"{_GUEST}/programs",
        "MountAPIVFS": "yes",
        "TemporaryFileSystem": "/tmp",
        "BindPaths": f"{_WORK}/{start.role}:/srv",
        "WorkingDirectory": "/srv",
        "StandardOutput": "null",
        "StandardError": "null",
        "OOMScoreAdjust": "300",  # when memory runs out, it is not the recorder that goes
        "OOMPolicy": "continue",
        "Restart": "always",
        "RestartSec": "1",
    }
    unit = ["systemd-run", "--quiet", f"--unit=lab-{start.role}", f"--slice={_SLICES[start.role]}"]
    unit += [f"--property={name}={value}" for name, value in properties.items()]
    return [*unit, f"--setenv=SEED={start.seed}", "bash", "-c", start.program.command]


def make_work_disk(shape: Shape) -> str:
    """The commands that give a machine the disk its programs work on.

    It is the kernel's scsi_debug: in the machine's own memory, and as slow as it is told to be in the
    machine's own time, so that a request takes as long in every branch. A disk of QEMU's answers when the
    host's has done its work, and meanwhile the clock of an idle machine has jumped ahead by any amount.
    """
    delay_ns = 1_000_000_000 // shape.operations_per_s
    return "\n".join(
        (
            "set -e",
            f"modprobe scsi_debug dev_size_mb={_DISK_MIB} ndelay={delay_ns} max_queue=1",
            "udevadm settle",
            # nothing to flush: scsi_debug would take a twentieth of a second each time
            "echo 'write through' >/sys/block/sda/queue/write_cache",
            f"echo {_LARGEST_KIB} >/sys/block/sda/queue/max_sectors_kb",
            f"mkfs.ext4 -q -m 0 /dev/sda && mkdir -p {_WORK} && mount /dev/sda {_WORK}",
        )
    )


def _setup(shape: Shape, disk: Disk, course: Path, port: Path) -> Setup:
    rate = f"throttling.iops-total={shape.operations_per_s}"
    devices = (
        # held to its rate by the machine's own clock, as `slow_disk` holds the other
        *("-drive", f"if=none,id=programs,file={_PROGRAMS},format=raw,readonly=on,{rate}"),
        *("-device", "virtio-blk-pci,drive=programs,serial=lab-programs"),
        *("-device", "pvpanic", "-action", "panic=pause"),
        *("-fw_cfg", f"name=opt/org.jepa.course,file={course}"),
        *("-chardev", f"file,id=branches,path={port}"),
        *("-device", "virtio-serial-pci,id=lab"),
        *("-device", f"virtserialport,bus=lab.0,chardev=branches,name={PORT.name}"),
        # What the machine asks of a device reaches it at that instruction, not when the host gets to it.
        *("-global", "virtio-blk-pci.ioeventfd=off", "-global", "virtio-serial-pci.ioeventfd=off"),
    )
    image = built_image()
    return Setup(
        disk,
        kernel=image.kernel,
        initrd=image.initrd,
        memory_mib=shape.memory_mib,
        cpus=1,
        virtual_time=True,
        instruction_ns=shape.instruction_ns,
        devices=devices,
    )


def write_course(path: Path, course: Course, *, ends: bool) -> None:
    """Write what a branch shall do, filled up: the size of the file is part of the machine."""
    steps = [[step.at_s, step.action, step.target, step.value] for step in course.steps]
    text = json.dumps({"steps": steps, "ends": ends})
    path.write_bytes(text.encode().ljust(_COURSE_BYTES))


def _booted(shape: Shape, directory: Path, say: Say) -> Disk:
    """A disk in ``directory`` with a booted machine of ``shape`` on it: booted once, then copied."""
    with _BOOTING:
        kept = PLACE / boot_name([built_image().raw, make_disk(_PROGRAMS)], shape)
        if not kept.exists():
            forget_boots(PLACE, kept)
            making = kept.with_suffix(".new.qcow2")
            _boot(shape, making, directory, say)
            making.rename(kept)
    disk = directory / "disk.qcow2"
    subprocess.run(["cp", "--sparse=always", str(kept), str(disk)], check=True)
    return Disk(disk, format="qcow2")


def _boot(shape: Shape, disk: Path, directory: Path, say: Say) -> None:
    """Make ``disk`` one of a machine that has booted, with what would disturb the laboratory stopped."""
    setup = _setup(shape, built_image().overlay(disk), directory / "course", directory / "port")
    machine = Machine(f"boot-{shape.name}", setup, directory, say)
    try:
        machine.start()
        machine.wait_for_shell()
        machine.execute("systemctl is-system-running --wait", 120)
        machine.succeed(f"systemctl stop {' '.join(_OTHERS)}", 60)
        machine.succeed("modprobe qemu_fw_cfg; systemctl start jepa-actuator.socket")
        programs = "/dev/disk/by-id/virtio-lab-programs"
        machine.succeed(f"mkdir -p {_GUEST}/programs && mount -t erofs -o ro {programs} {_GUEST}/programs")
        machine.snapshot(_PREPARED)
    finally:
        machine.crash()


def boot_name(disks: Sequence[Path], shape: Shape) -> str:
    """The file of a boot: of these disks, and of a machine like ``shape`` as far as a boot knows of it."""
    states = [(disk.stat().st_mtime_ns, disk.stat().st_size) for disk in disks]
    machine = (shape.memory_mib, shape.instruction_ns)
    of_disks, of_machine = (
        hashlib.sha256(repr(each).encode()).hexdigest()[:8] for each in (states, machine)
    )
    return f"booted-{of_disks}-{of_machine}.qcow2"


def forget_boots(place: Path, kept: Path) -> None:
    """Remove the boots in ``place`` that are of other disks than ``kept``."""
    disks = kept.name.rpartition("-")[0]
    for file in place.glob("booted-*"):
        if not file.name.startswith(f"{disks}-"):
            file.unlink()


def _packed() -> str:
    """What runs in the machine, as a compressed tar archive in base64."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for part in PARTS:
            tar.add(ROOT / "userland/src/jepa_lab" / part, f"jepa_lab/{part}")
    return base64.b64encode(packed.getvalue()).decode()
