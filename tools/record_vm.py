# SPDX-License-Identifier: Apache-2.0
"""Record the lab's sessions inside the image's own VM, where there are control groups to act on.

`python -m tools.record_vm` boots the image, puts the lab beside the userland in it, runs `jepa-lab record`
there and brings each finished session into the pack's folder. What is there already is left.
"""

import argparse
import base64
import io
import shlex
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from jepa_lab.record import SETTLE_S, folders
from jepa_lab.workloads.plans import PLANS, SHAPES
from tools.vm.emulator import newest
from tools.vm.image import ROOT, built_image, kvm_works
from tools.vm.machine import Machine, Setup

LAB = "/var/lib/lab"
POLL_S = 5.0
SPARED = "-p OOMScoreAdjust=-900 -p OOMPolicy=continue"
"""When memory runs out, and that may be the point, the recorder goes on."""
# Only what records: the image has no PyTorch.
PARTS = (
    *("__init__.py", "cli.py", "listening.py", "record.py", "workloads"),
    *("commands/__init__.py", "commands/defaults.py", "commands/record.py"),
)


def main() -> int:
    """Record what is missing; 1 when the guest cannot."""
    parser = argparse.ArgumentParser(description="Record sessions with actions in a VM.")
    parser.add_argument("--pack", type=Path, default=ROOT / "model-packs/machine")
    parser.add_argument("--plan", default="acting", choices=SHAPES)
    parser.add_argument("--only", nargs="+", metavar="SESSION", help="default: all of the plan")
    args = parser.parse_args()
    names = missing(args.plan, args.pack, args.only or ())
    if not names:
        print("all of them are recorded already", file=sys.stderr)
        return 0
    image, shape = built_image(), SHAPES[args.plan]
    print(f"recording in {newest()}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="jepa-lab-", dir=ROOT / "build") as folder:
        place = Path(folder)
        disk = image.overlay(place / "lab.qcow2")
        setup = Setup(
            disk,
            kernel=image.kernel,
            initrd=image.initrd,
            memory_mib=shape.memory_mib,
            cpus=shape.cpus,
            kvm=kvm_works(),
        )
        machine = Machine("lab", setup, place, lambda line: print(line, file=sys.stderr))
        machine.start()
        try:
            prepare(machine)
            return record(machine, args.plan, names, args.pack, recorded(args.plan, names, args.pack))
        finally:
            machine.crash()


def missing(plan: str, pack: Path, only: Sequence[str]) -> list[str]:
    """The sessions of ``plan`` that are not home yet."""
    return [
        session.name
        for session in PLANS[plan]
        if (not only or session.name in only)
        and not all((folder / "meta.json").exists() for folder in folders(session, pack))
    ]


def recorded(plan: str, names: Sequence[str], pack: Path) -> list[Path]:
    """The runs of the sessions ``names`` that are home already, seen from ``pack``."""
    return [
        folder.relative_to(pack)
        for session in PLANS[plan]
        if session.name in names
        for folder in folders(session, pack)
        if (folder / "meta.json").exists()
    ]


def prepare(machine: Machine) -> None:
    """Wait for the guest, quiet its own watchers, and put the lab there."""
    machine.wait_for_shell()
    machine.execute("systemctl is-system-running --wait", 120)
    # The lab's recorder watches by itself; two collectors would watch each other. Timers start others.
    machine.succeed("systemctl stop jepa-bpf-cost.timer jepa-health.timer jepad jepa-telemetry", 60)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for part in PARTS:
            tar.add(
                ROOT / "userland/src/jepa_lab" / part,
                f"jepa_lab/{part}",
                filter=lambda entry: None if "__pycache__" in entry.name else entry,
            )
    content = base64.b64encode(packed.getvalue()).decode()
    machine.succeed(f"mkdir -p {LAB} && echo {content} | base64 -d | tar -xz -C {LAB}")


def record(machine: Machine, plan: str, names: list[str], pack: Path, recorded: Sequence[Path]) -> int:
    """Run the sessions, but not the runs ``recorded``, and bring each home before the next begins.

    Nobody asks the guest anything while it records: that would be work for it, and would show.
    """
    for run in recorded:
        meta = shlex.quote((pack / run / "meta.json").read_text())
        machine.succeed(f"mkdir -p {LAB}/{run} && echo {meta} > {LAB}/{run}/meta.json")
    python = f"env PYTHONPATH=/usr/lib/jepa:{LAB} python3 -m jepa_lab.cli"
    home = set(recorded)
    for session in PLANS[plan]:
        runs = [folder.relative_to(pack) for folder in folders(session, pack)]
        left = [run for run in runs if run not in home]
        if session.name not in names or not left:
            continue
        machine.slow_disk(session.operations_per_s)
        command = f"{python} record --plan {plan} --pack {LAB} --only {session.name} 2>{LAB}/log"
        machine.succeed(f"systemd-run {SPARED} --quiet --collect --unit=lab sh -c '{command}'")
        time.sleep(len(left) * (session.seconds + SETTLE_S))
        while machine.execute("systemctl is-active --quiet lab").status == 0:
            time.sleep(POLL_S)
        for run in left:
            if machine.execute(f"grep -q finished.*true {LAB}/{run}/meta.json").status:
                print(machine.execute(f"tail -c 300 {LAB}/log").out, file=sys.stderr)
                return 1
            bring(machine, run, pack / run)
            machine.say(f"{run} is home")
    return 0


def bring(machine: Machine, session: Path, target: Path) -> None:
    """Copy a finished recording out of the guest."""
    target.mkdir(parents=True, exist_ok=True)
    for name in machine.succeed(f"ls {LAB}/{session}").split():
        (target / name).write_bytes(machine.copy_from(f"{LAB}/{session}/{name}"))


if __name__ == "__main__":
    sys.exit(main())
