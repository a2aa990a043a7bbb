# SPDX-License-Identifier: Apache-2.0
"""Measure how available a service stays while faults happen: with healing, with systemd alone, with nothing.

`python -m tests.bench.availability` writes build/bench/availability.json. The same schedule of faults, by
its seed, on one machine that is restored for each variant; at the end of each slot a person puts right what
is still wrong. The last variant is healing over the same time of busy work without any fault.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.customer import PROGRAM, heal, heal_not, kill_when_short, requests, start_customer
from tests.bench.peers import install
from tools.vm.image import BUILD, built_image, kvm_works
from tools.vm.machine import Machine, MachineError, Setup
from tools.vm.sources import push

SLOT_S = 90
SLOTS = 36
SEED = 20261128
BUSY = "while :; do find /usr -type f | head -2000 | xargs cat | gzip -1 > /var/tmp/busy; done"


@dataclass
class Outcome:
    """What one variant came to."""

    served: list[bool]
    times: list[float]
    """Seconds since boot at which each request was made."""
    onsets: list[tuple[str, float, float]]
    """Kind of fault, its onset, and when a person put it right."""
    detected: list[float] = field(default_factory=list)
    repairs: int = 0

    @property
    def availability(self) -> float:
        """Share of requests that were served."""
        return sum(self.served) / len(self.served)

    def downtimes(self) -> list[tuple[str, float]]:
        """For each fault the seconds from its first failed request until the service is well again."""
        found: list[tuple[str, float]] = []
        for kind, onset, right in self.onsets:
            failed = [
                at
                for at, well in zip(self.times, self.served, strict=True)
                if onset <= at < right and not well
            ]
            found.append((kind, failed[-1] - failed[0] + 1.0 if failed else 0.0))
        return found


def prepare(machine: Machine, variant: str) -> None:
    """Set up ``variant`` and the customer's service."""
    start_customer(machine, "no" if variant == "nothing" else "on-failure")
    if variant.startswith("healing"):
        heal(machine)
    elif variant == "systemd":
        kill_when_short(machine)
    else:
        heal_not(machine)


def measure(machine: Machine, variant: str, slots: int, seconds: float, seed: int) -> Outcome:
    """Run the schedule, or busy work without faults for as long."""
    prepare(machine, variant)
    if variant == "healing_without_faults":
        for unit in ("busy", "busier"):
            machine.succeed(f"systemd-run --quiet --unit={unit} bash -c '{BUSY}'")
        command = f'sleep {slots * seconds}; echo "{{\\"done\\": 0}}"'
        machine.succeed(
            f"systemd-run --quiet --unit=schedule -p StandardOutput=file:/run/faults.log bash -c '{command}'"
        )
    else:
        machine.succeed(
            "systemd-run --quiet --unit=schedule -p OOMScoreAdjust=-1000 "
            "-p StandardOutput=file:/run/faults.log "
            f"python3 {PROGRAM} schedule {seed} {slots} {seconds}"
        )
    deadline = time.monotonic() + 4 * slots * seconds + 600
    while time.monotonic() < deadline:
        time.sleep(10)
        try:
            if "done" in machine.succeed("tail -n 1 /run/faults.log", 60):
                break
        except MachineError:
            continue  # it does not answer: a fault of the schedule
    return read(machine)


def read(machine: Machine) -> Outcome:
    """What the logs in the guest say."""
    asked = requests(machine)
    lines = [json.loads(line) for line in machine.succeed("cat /run/faults.log").splitlines()]
    onsets = [
        (fault["kind"], fault["onset"], right["put_right"])
        for fault, right in zip(
            [each for each in lines if "onset" in each],
            [each for each in lines if "put_right" in each],
            strict=False,
        )
    ]
    log = machine.execute("journalctl -u jepa-healing -o short-monotonic --no-pager", 60).out.splitlines()
    detected = [
        float(line.partition("]")[0].strip("[ ")) for line in log if "jepa-healing: detected" in line
    ]
    repairs = sum("jepa-healing: acted" in line for line in log)
    return Outcome([each.served for each in asked], [each.at_s for each in asked], onsets, detected, repairs)


def entries(variant: str, outcome: Outcome, hours: float) -> list[dict[str, object]]:
    """The figures of one variant in the form of every file in build/bench."""
    downs = outcome.downtimes()
    hit = [seconds for _, seconds in downs if seconds]
    by_kind = {
        kind: [round(seconds, 1) for each, seconds in downs if each == kind]
        for kind in sorted({k for k, _ in downs})
    }
    common = {"n": len(outcome.served), "p50": None, "p99": None, "baseline": None, "ratio": None}
    delays = [
        min((at - onset for at in outcome.detected if onset <= at < right), default=None)
        for _, onset, right in outcome.onsets
    ]
    seen = [each for each in delays if each is not None]
    return [
        {
            "name": f"availability_{variant}",
            "value": round(100 * outcome.availability, 3),
            "unit": "%",
            "better": "higher",
            **common,
            "faults": len(downs),
            "faults_per_hour": round(len(downs) / hours, 1),
            "repairs": outcome.repairs,
        },
        {
            "name": f"repair_s_{variant}",
            "value": round(statistics.mean(hit), 1) if hit else 0.0,
            "unit": "s",
            "better": "lower",
            **common,
            "n": len(hit),
            "p50": round(statistics.median(hit), 1) if hit else 0.0,
            "by_kind": by_kind,
            "detected": len(seen),
            "detected_after_s": round(statistics.median(seen), 1) if seen else None,
        },
    ]


VARIANTS = ("healing", "systemd", "nothing", "healing_without_faults")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write build/bench/availability.json."""
    parser = argparse.ArgumentParser(prog="tests.bench.availability", description=__doc__)
    parser.add_argument("--slots", type=int, default=SLOTS)
    parser.add_argument("--seconds", type=float, default=SLOT_S)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--sources", action="store_true", help="with this tree's sources over the image's")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    args = parser.parse_args(argv)
    image, directory = built_image(), BUILD / "bench/availability"
    directory.mkdir(parents=True, exist_ok=True)
    disk = image.overlay(directory / "disk.qcow2")
    setup = Setup(disk, kernel=image.kernel, initrd=image.initrd, kvm=kvm_works())
    machine = Machine("availability", setup, directory, lambda line: print(line, flush=True))
    rows: list[dict[str, object]] = []
    machine.start()
    try:
        machine.wait_for_shell()
        if args.sources:
            push(machine)
        machine.wait_for_unit("jepad.service", 120)
        install(machine, "systemd-oomd")
        machine.wait_for_unit("jepa-healing.service", 120)
        machine.execute("systemctl is-system-running --wait", 120)
        machine.snapshot("ready")
        for variant in args.only:
            machine.restore("ready")
            outcome = measure(machine, variant, args.slots, args.seconds, args.seed)
            rows += entries(variant, outcome, args.slots * args.seconds / 3600)
            (directory / f"{variant}.journal").write_text(
                machine.execute("journalctl -u jepa-healing -u jepa-actuator --no-pager", 60).out
            )
            print(json.dumps(rows[-2:], indent=1), flush=True)
    finally:
        machine.crash()
    path = BUILD / "bench/availability.json"
    path.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
