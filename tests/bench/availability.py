# SPDX-License-Identifier: Apache-2.0
"""Measure how available a service stays while faults happen: with healing, with systemd alone, with nothing.

`python -m tests.bench.availability` writes build/bench/availability.json. The same hour of faults, by its
seed, on one machine in virtual time that is restored for each variant; when a fault is 45 s old a person
comes and puts right what is still wrong. Customer and person have memory and CPU time of their own, since
in truth they are not on the machine. The controls are healing over hours of busy work without a fault.
What each run came to is kept in build/bench/availability/, and only what is missing is measured.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.availability_figures import Fault, Outcome, entries
from tests.bench.customer import (
    ELSEWHERE,
    GIVE_ELSEWHERE,
    PROGRAM,
    give_data_disk,
    heal,
    heal_not,
    kill_when_short,
    requests,
    start_customer,
)
from tests.bench.peers import install
from tools.vm.image import BUILD, built_image
from tools.vm.machine import Machine, MachineError, Setup
from tools.vm.sources import push

DIRECTORY = BUILD / "bench/availability"
SECONDS = 100.0
SLOTS = 20
SEED = 20261128
WORKS = ("mixed", "build", "web", "batch")
CONTROL_S = 3600.0
CONTROL_INSTRUCTION_NS = 4
"""Hours without a fault pass on a slower machine: a busy one of the usual speed takes its host hours."""
VARIANTS = ("healing", "systemd", "nothing", *(f"control_{work}" for work in WORKS))
PROCESSES = 1500
"""Processes and threads that the machine has room for, as in a small virtual server."""
IDLE = "jepad jepa-telemetry"
"""Stopped in all variants, to save the emulation's time: healing needs neither."""
NOTICED = re.compile(
    r"jepa-healing: detected"
    r"|systemd\[1\]: (shop|db|bad-\w+)\.service: (Main process exited|Watchdog timeout|.* killed by the OOM)"
    r"|systemd-oomd\[\d+\]: Killed"
)
"""Lines of the log by which a fault was noticed."""
FOLLOW = (
    f"systemd-run --quiet --unit=follow --slice={ELSEWHERE} -p OOMScoreAdjust=-1000 "
    "-p StandardOutput=file:/run/noticed.log "
    "journalctl --follow --lines=0 -o short-monotonic _PID=1 + _SYSTEMD_UNIT=systemd-oomd.service "
    "+ _SYSTEMD_UNIT=jepa-healing.service"
)
"""Keeps what the services say of faults: a log storm drives it out of the journal."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and what is left to chance."""

    slots: int
    seconds: float
    """Of each slot."""
    seed: int


def prepare(machine: Machine, variant: str) -> None:
    """Set up ``variant`` and the customer's service."""
    machine.succeed(f"systemctl stop {IDLE}; sysctl -q kernel.pid_max={PROCESSES}")
    give_data_disk(machine)
    machine.succeed(GIVE_ELSEWHERE)
    start_customer(machine, "no" if variant == "nothing" else "on-failure", ELSEWHERE)
    machine.succeed(FOLLOW)
    if variant == "systemd":
        kill_when_short(machine)
    elif variant == "nothing":
        heal_not(machine)
    else:
        heal(machine)


def measure(machine: Machine, variant: str, plan: Plan) -> Outcome:
    """Run the schedule, or busy work without faults for as long."""
    prepare(machine, variant)
    what = f"schedule {plan.seed} {plan.slots} {plan.seconds}"
    properties = f"--slice={ELSEWHERE} -p OOMScoreAdjust=-1000"
    if variant.startswith("control"):
        what = f"work {variant.partition('_')[2]} {plan.seed} {CONTROL_S}"
        properties = ""
    machine.succeed(
        f"systemd-run --quiet --unit=schedule {properties} -p StandardOutput=file:/run/faults.log "
        f"python3 {PROGRAM} {what}"
    )
    deadline = time.monotonic() + 4 * max(CONTROL_S, plan.slots * plan.seconds)
    while time.monotonic() < deadline:
        time.sleep(5)
        try:
            if "done" in machine.succeed("tail -n 1 /run/faults.log", 60):
                break
        except MachineError:
            continue  # it does not answer: a fault of the schedule
    return read(machine, plan)


def read(machine: Machine, plan: Plan) -> Outcome:
    """What the logs in the guest say."""
    asked = requests(machine)
    lines = [json.loads(line) for line in machine.succeed("cat /run/faults.log").splitlines()]
    onsets, persons, ends = (
        [line for line in lines if key in line] for key in ("onset", "person", "put_right")
    )
    faults = [
        Fault(onset["kind"], onset["onset"], person["person"], end["put_right"])
        for onset, person, end in zip(onsets, persons, ends, strict=False)
    ]
    log = machine.succeed("cat /run/noticed.log", 60).splitlines()
    begin = asked[0].at_s
    timed = [(float(line.partition("]")[0].strip("[ ")), line) for line in log if line.startswith("[")]
    return Outcome(
        [each.at_s for each in asked],
        [each.served for each in asked],
        faults,
        [at for at, line in timed if at >= begin and NOTICED.search(line)],
        [line for _, line in timed if "jepa-healing: acted" in line],
        asked[-1].at_s - begin,
    )


def ready(sources: bool, instruction_ns: int) -> Machine:
    """A machine in virtual time, booted and kept as snapshot "ready"."""
    image = built_image()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    disk = image.overlay(DIRECTORY / "disk.qcow2")
    setup = Setup(
        disk,
        kernel=image.kernel,
        initrd=image.initrd,
        cpus=1,
        virtual_time=True,
        instruction_ns=instruction_ns,
    )
    machine = Machine("availability", setup, DIRECTORY, lambda line: print(line, flush=True))
    machine.start()
    machine.wait_for_shell()
    if sources:
        push(machine)
    machine.wait_for_unit("jepad.service", 120)
    install(machine, "systemd-oomd", "dmsetup", "libdevmapper1.02.1")
    machine.wait_for_unit("jepa-healing.service", 120)
    machine.execute("systemctl is-system-running --wait", 120)
    machine.snapshot("ready")
    return machine


def kept(variant: str, plan: Plan) -> Path:
    """Where the outcome of a run is kept."""
    return DIRECTORY / f"{variant}-{plan.seed}-{plan.slots}x{plan.seconds:.0f}.json"


def load(path: Path) -> Outcome:
    """An outcome as it was kept."""
    content = json.loads(path.read_text())
    return Outcome(**{**content, "faults": [Fault(**each) for each in content["faults"]]})


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write build/bench/availability.json."""
    parser = argparse.ArgumentParser(prog="tests.bench.availability", description=__doc__)
    parser.add_argument("--slots", type=int, default=SLOTS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--sources", action="store_true", help="with this tree's sources over the image's")
    parser.add_argument("--fresh", action="store_true", help="measure also what is kept already")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    args = parser.parse_args(argv)
    plan = Plan(args.slots, args.seconds, args.seed)
    missing = [name for name in args.only if args.fresh or not kept(name, plan).exists()]
    controls = [variant for variant in missing if variant.startswith("control")]
    faulty = [variant for variant in missing if variant not in controls]
    for variants, instruction_ns in ((faulty, 1), (controls, CONTROL_INSTRUCTION_NS)):
        if variants:
            run(variants, plan, ready(args.sources, instruction_ns))
    outcomes = {name: load(kept(name, plan)) for name in VARIANTS if kept(name, plan).exists()}
    (BUILD / "bench/availability.json").write_text(json.dumps(entries(outcomes), indent=2) + "\n")
    return 0


def run(variants: Sequence[str], plan: Plan, machine: Machine) -> None:
    """Measure each from the same moment, and keep what it came to."""
    try:
        for variant in variants:
            begin = time.monotonic()
            machine.restore("ready")
            outcome = measure(machine, variant, plan)
            kept(variant, plan).write_text(json.dumps(asdict(outcome)) + "\n")
            (DIRECTORY / f"{variant}.journal").write_text(
                machine.execute("journalctl --boot -o short-monotonic --no-pager | tail -n 20000", 60).out
            )
            machine.say(f"{variant}: {time.monotonic() - begin:.0f} s of this host")
            print(json.dumps(entries({variant: outcome}), indent=1), flush=True)
    finally:
        machine.crash()


if __name__ == "__main__":
    sys.exit(main())
