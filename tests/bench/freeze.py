# SPDX-License-Identifier: Apache-2.0
"""Measure how long a shell waits while a program takes all memory: with healing and without.

`python -m tests.bench.freeze` writes build/bench/freeze.json. One machine is booted, and restored for each
run: a customer's service and an interactive shell loop run, then a hog takes memory as fast as it can, with
swap on zram. In turn healing (`jepa autonomy auto`), systemd-oomd and earlyoom as Debian ships them, and
nothing but the kernel look after it.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.customer import PROGRAM, heal, heal_not, kill_when_short, requests, start_customer
from tests.bench.peers import install
from tools.vm.image import BUILD, built_image, kvm_works
from tools.vm.machine import Machine, MachineError, Setup
from tools.vm.sources import push

RUNS = 5
WATCHED_S = 60
LOOP_PAUSE_S = 0.1

LOOP = f"""\
exec > /run/loop.log
while read -r up idle < /proc/uptime; do
    echo "$up"
    ls /etc > /dev/null
    sleep {LOOP_PAUSE_S}
done
"""


def _earlyoom(machine: Machine) -> None:
    heal_not(machine)
    machine.succeed("systemctl start earlyoom")


VARIANTS: dict[str, Callable[[Machine], None]] = {
    "healing": heal,
    "systemd_oomd": kill_when_short,
    "earlyoom": _earlyoom,
    "kernel": heal_not,
}
PEER = "systemd_oomd"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to."""

    longest_gap_s: float
    """The longest time between two answers of the shell loop, without the loop's own pause."""
    served: float
    """Share of the customer's requests that were answered within 2 s."""
    quiet_gap_s: float
    """The same gap before the hog began: what the machine does anyway."""
    ended: bool
    """Whether the hog was ended."""


def measure(machine: Machine, protect: Callable[[Machine], None]) -> Run:
    """One run on a machine as it was at the snapshot."""
    protect(machine)
    start_customer(machine)
    machine.succeed(f"cat > /run/loop.sh <<'END'\n{LOOP}END")
    machine.succeed("systemd-run --quiet --unit=loop --slice=user.slice bash /run/loop.sh; sleep 12")
    begin = float(
        machine.succeed(f"cut -d' ' -f1 /proc/uptime; systemd-run --quiet --unit=hog python3 {PROGRAM} hog")
    )
    deadline = time.monotonic() + 10 * WATCHED_S
    while time.monotonic() < deadline:
        time.sleep(5)
        try:
            if float(machine.succeed("cut -d' ' -f1 /proc/uptime", 60)) > begin + WATCHED_S:
                break
        except MachineError:
            continue  # it does not answer at all: that is what is measured
    times = [float(line) for line in machine.succeed("cat /run/loop.log", 120).split()]
    end = begin + WATCHED_S
    served = [each.served for each in requests(machine) if begin <= each.at_s < end]
    ended = machine.execute("systemctl is-active hog").out.strip() != "active"
    return Run(
        _longest([each for each in times if begin <= each < end] + [end]),
        sum(served) / max(len(served), WATCHED_S // 2),
        _longest([each for each in times if each < begin]),
        ended,
    )


def _longest(times: Sequence[float]) -> float:
    gaps = [after - before for before, after in itertools.pairwise(times)]
    return max(0.0, max(gaps, default=float("inf")) - LOOP_PAUSE_S)


def entries(results: dict[str, list[Run]]) -> list[dict[str, object]]:
    """The figures in the form of every file in build/bench; the value is the worst run."""
    rows: list[dict[str, object]] = []
    worst = {name: max(run.longest_gap_s for run in runs) for name, runs in results.items() if runs}
    for name, runs in results.items():
        if name not in worst:
            continue
        gaps = [run.longest_gap_s for run in runs]
        beside = name == "healing" and PEER in worst
        rows.append(
            {
                "name": f"freeze_{name}_longest_gap_s",
                "value": round(worst[name], 2),
                "unit": "s",
                "better": "lower",
                "n": len(runs),
                "p50": round(statistics.median(gaps), 2),
                "p99": None,
                "baseline": {"name": PEER, "value": round(worst[PEER], 2)} if beside else None,
                "ratio": round(worst[name] / worst[PEER], 4) if beside else None,
                "quiet_gap_s": round(max(run.quiet_gap_s for run in runs), 2),
                "served": round(min(min(1.0, run.served) for run in runs), 3),
                "hog_ended": sum(run.ended for run in runs),
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write build/bench/freeze.json."""
    parser = argparse.ArgumentParser(prog="tests.bench.freeze", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--sources", action="store_true", help="with this tree's sources over the image's")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    args = parser.parse_args(argv)
    image, directory = built_image(), BUILD / "bench/freeze"
    directory.mkdir(parents=True, exist_ok=True)
    disk = image.overlay(directory / "disk.qcow2")
    held = kvm_works()
    setup = Setup(
        disk,
        kernel=image.kernel,
        initrd=image.initrd,
        cpus=2 if held else 1,
        kvm=held,
        virtual_time=not held,
    )
    machine = Machine("freeze", setup, directory, lambda line: print(line, flush=True))
    results: dict[str, list[Run]] = {name: [] for name in args.only}
    path = BUILD / "bench/freeze.json"
    machine.start()
    try:
        machine.wait_for_shell()
        if args.sources:
            push(machine)
        machine.wait_for_unit("jepad.service", 120)
        install(machine, "systemd-oomd", "earlyoom")
        machine.wait_for_unit("jepa-healing.service", 120)
        machine.execute("systemctl is-system-running --wait", 120)
        machine.snapshot("ready")
        for number in range(args.runs):
            for name in args.only:
                machine.restore("ready")
                run = measure(machine, VARIANTS[name])
                results[name].append(run)
                print(f"{number + 1}/{args.runs} {name}: {run}", flush=True)
                path.write_text(json.dumps(entries(results), indent=2) + "\n")
    finally:
        machine.crash()
    print(path.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
