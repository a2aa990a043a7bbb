# SPDX-License-Identifier: Apache-2.0
"""Record what the shell of the booted image is told, while programs compete and some mishaps happen.

python -m tools.shell_tape tests/unit/shell/tape.json.gz
"""

from __future__ import annotations

import argparse
import json
import shlex
import tempfile
import time
from pathlib import Path

from tools.vm.image import BUILD, built_image, kvm_works
from tools.vm.machine import Machine, Setup
from tools.vm.ready import start_ready
from tools.vm.sources import feed, push

PROGRAMS = """\
set -e
systemd-run --quiet --unit=build -p CPUWeight=60 sh -c 'while :; do :; done'
systemd-run --quiet --unit=web -p CPUWeight=40 sh -c 'while :; do sleep 0.05; done'
systemd-run --quiet --unit=odd bash -c 'exec -a "$(printf "a\\033[2Jb\\342\\200\\256c")" sleep 3600'
systemd-run --quiet --unit=report false
"""
"""The name of one tries to clear the screen of whoever lists it, and one fails."""
LINES = (
    "status",
    "doctor",
    "forecast cpu",
    "why is it slow?",
    "events",
    "limit build to 20 % cpu for an hour",
    "why?",
    "act cpu.max build.service 20 --dry-run",
    "apply PLAN --yes",
    "history",
    "history CHANGE",
    "undo CHANGE",
    'do "limit web to 30 % cpu for half an hour" --yes',
    "tasks",
    "packs list",
    "policy show",
    "autonomy",
    "today",
    "alerts list",
    "restart web",
    "stop sshd",
    "limit cpu",
    "make the thing better",
    "apply 0123456789ab --yes",
    "stauts",
    "help",
    "tour",
)
FORECASTS_S = 20
"""So long the machine runs with those programs before."""
STREAM_S = 75


def record(machine: Machine) -> bytes:
    """The tape of a machine that is ready."""
    push(machine)
    machine.succeed(PROGRAMS, 60)
    machine.wait_until_succeeds("jepa forecast --json", poll=3)
    time.sleep(FORECASTS_S)
    feed(machine, Path(__file__).with_name("in_guest.py").read_bytes(), "cat >/run/tape.py")
    machine.succeed(f"python3 -IS /run/tape.py /run/tape {shlex.quote(json.dumps(LINES))} {STREAM_S}", 300)
    return machine.copy_from("/run/tape")


def main() -> None:
    """Record, on one emulated CPU."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("out", type=Path)
    wanted = arguments.parse_args()
    image = built_image()
    with tempfile.TemporaryDirectory(prefix="jepa-tape-") as folder:
        disk = image.overlay(Path(folder) / "tape.qcow2")
        setup = Setup(disk, kernel=image.kernel, initrd=image.initrd, cpus=1, kvm=kvm_works())
        machine = Machine("tape", setup, Path(folder), lambda line: print(line, flush=True))
        try:
            start_ready(machine, BUILD / "shell-tape")
            wanted.out.write_bytes(record(machine))
        finally:
            machine.crash()
    print(f"{wanted.out}: {wanted.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
