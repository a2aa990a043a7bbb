# SPDX-License-Identifier: Apache-2.0
"""Measure what jepad takes of CPU and memory while a task stands, beside itself without one.

`python -m tests.bench.standing_task` writes build/bench/standing-task.json. A machine of one CPU in virtual
time, 500 million instructions a second, works as in the control benchmark. jepad watches
it, and then stands for a task that prefers the foreground. What this takes of a core of the host is not
measured there but follows from it: the same ticks are timed on both.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from jepa.packs.pack import load_pack
from jepa.packs.places import default_pack_dir
from jepa.telemetry.recording import load_recording
from tests.bench.control import CONTEXT_S, FOLDER, GUEST, IDLE, SHAPE
from tests.bench.control_cost import RECORDING, ask
from tests.bench.control_plan import order, pair_named
from tests.bench.virtual import boot, give
from tools.laboratory import make_work_disk
from tools.vm.image import BUILD, ROOT
from tools.vm.machine import Machine

PAIR: Final = "sqlite-compile"
SEED: Final = 1
WATCHED_S: Final = 120
STANDING_S: Final = 600
TICK: Final = "a tick, all in all"
GROUP: Final = "/sys/fs/cgroup/jepa.slice/jepad.service"
WISH: Final = {"intent": "prioritize", "targets": ["foreground"]}


@dataclass(frozen=True, slots=True)
class Taken:
    """What jepad took over a while."""

    cpu_share: float
    """Of the machine's CPU, 0 to 1."""
    resident_mib: float
    """The most that was resident at a time since it started, libraries included."""


def work(seed: int, least_s: int) -> dict[str, Any]:
    """The phases of the pair over and over for at least ``least_s``."""
    told = order(pair_named(PAIR), seed)
    once = told["phases"]
    length = once[-1]["end_s"]
    rounds = -(-least_s // length)
    shifted = [
        {**phase, "begin_s": phase["begin_s"] + at * length, "end_s": phase["end_s"] + at * length}
        for at in range(rounds)
        for phase in once
    ]
    return {**told, "phases": shifted}


def begin(machine: Machine) -> None:
    """Let both programs work, and jepad see enough of it for a plan."""
    machine.succeed(f"systemctl stop {IDLE}")
    for name in GUEST[:1]:
        give(machine, f"{FOLDER}/{name}", Path(__file__).with_name(name).read_text())
    machine.succeed(make_work_disk(SHAPE), 60)
    machine.wait_until_succeeds("jepa forecast --json", 120, poll=3)
    machine.slow_disk(SHAPE.operations_per_s)
    give(machine, f"{FOLDER}/order.json", json.dumps(work(SEED, CONTEXT_S + WATCHED_S + STANDING_S + 300)))
    for role, slice_ in (("foreground", "user.slice"), ("background", "background.slice")):
        machine.succeed(
            f"systemd-run --quiet --unit=lab-{role} --slice={slice_} -p OOMScoreAdjust=300 "
            f"python3 {FOLDER}/control_programs.py {role} {FOLDER}/order.json {FOLDER}/{role}.log"
        )
    machine.succeed(f"sleep {CONTEXT_S}", 4 * CONTEXT_S)


def watch(machine: Machine, seconds: int) -> Taken:
    """What jepad takes over so long, by the clock of the guest."""
    said = machine.succeed(
        f"used() {{ grep -o 'usage_usec .*' {GROUP}/cpu.stat | cut -d' ' -f2; "
        "cut -d' ' -f1 /proc/uptime; }; "
        f"used; sleep {seconds}; used; grep -h VmHWM /proc/$(systemctl show -P MainPID jepad)/status",
        6 * seconds,
    ).split()
    (used, at, used_then, then), peak = map(float, said[:4]), float(said[5])
    return Taken((used_then - used) / 1e6 / (then - at), peak / 1024)


def stand(machine: Machine) -> str:
    """The id of a task that stands from now on."""
    give(machine, f"{FOLDER}/spec.json", json.dumps(WISH))
    told = machine.wait_until_succeeds(f"jepa do --spec {FOLDER}/spec.json --yes --json", 120, poll=3)
    task: str = json.loads(told)["task"]["id"]
    return task


def native_ms() -> float:
    """What a tick takes on a core of this host, in milliseconds."""
    pack = load_pack(default_pack_dir())
    with tempfile.TemporaryDirectory() as directory:
        frames = Path(directory, "frames.npz")
        np.savez_compressed(frames, values=load_recording(pack.folder / RECORDING, pack.schema).values)
        guest = Path(__file__).with_name("control_cost_guest.py")
        command = [sys.executable, str(guest), str(ROOT / "userland/src"), str(frames)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: float = json.loads(done.stdout)["ms"][TICK]
    return found


def entry(name: str, value: float, unit: str, alone: float, n: int) -> dict[str, Any]:
    """A benchmark of DESIGN §7, beside what jepad takes without a task."""
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "better": "lower",
        "n": n,
        "p50": None,
        "p99": None,
        "baseline": {"name": "without a task", "value": round(alone, 2)},
        "ratio": round(value / alone, 2),
    }


def entries(alone: Taken, standing: Taken, tick_ms: Mapping[str, float]) -> list[dict[str, Any]]:
    """What is committed. ``tick_ms``: of a tick, "there" and on a core of the "host"."""
    quicker = tick_ms["host"] / tick_ms["there"]
    there = [100 * each.cpu_share for each in (standing, alone)]
    here = [quicker * share for share in there]
    return [
        entry("standing_task_cpu_500_mips", there[0], "% of the CPU", there[1], STANDING_S),
        entry("standing_task_cpu_host", here[0], "% of a core", here[1], STANDING_S),
        entry(
            "standing_task_memory_mib", standing.resident_mib, "MiB resident", alone.resident_mib, STANDING_S
        ),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write."""
    argparse.ArgumentParser(prog="tests.bench.standing_task", description=__doc__).parse_args(argv)
    machine = boot(SHAPE, BUILD / "bench/standing-task", sources=False)
    try:
        begin(machine)
        alone = watch(machine, WATCHED_S)
        print(f"without a task: {asdict(alone)}", flush=True)
        task = stand(machine)
        standing = watch(machine, STANDING_S)
        print(f"with one: {asdict(standing)}", flush=True)
        print(machine.succeed(f"jepa tasks {task}"), flush=True)
        machine.succeed(f"jepa tasks end {task}; systemctl stop lab-foreground lab-background", 60)
        (there,) = ask(machine, [ROOT])
    finally:
        machine.crash()
    tick_ms = {"there": there["ms"][TICK], "host": native_ms()}
    print(f"a tick: {tick_ms}", flush=True)
    out = BUILD / "bench/standing-task.json"
    out.write_text(json.dumps(entries(alone, standing, tick_ms), indent=1) + "\n")
    print(out.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
