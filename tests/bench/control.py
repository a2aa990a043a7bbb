# SPDX-License-Identifier: Apache-2.0
"""Measure how much background work gets done beside a foreground that must not notice, and who manages best.

`python -m tests.bench.control` writes control.json, control-pairs.json and control-windows.json to
build/bench/. For each pair of programs and seed a machine of one CPU in virtual time is stopped in the
middle of their work; from there it goes on once for each rival: the kernel's defaults, fixed rules, rules
that react, the planner with and without its parts. What each came to is kept in build/bench/control/, and
only what is missing is measured.
"""

from __future__ import annotations

import argparse
import configparser
import hashlib
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from jepa_lab.branches.plan import Shape
from tests.bench.control_entries import by_window, entries, table
from tests.bench.control_figures import TOLERATED, Run, Score, alone_p99, run_of, score
from tests.bench.control_plan import LEAD_S, PAIRS, RIVALS, Pair, order, pair_named
from tests.bench.peers import fetch
from tests.bench.virtual import awake, boot, give
from tools.laboratory import make_work_disk
from tools.vm.image import BUILD, ROOT, built_image
from tools.vm.machine import Machine, MachineError

DIRECTORY: Final = BUILD / "bench/control"
EFFECTS: Final = ROOT / "model-packs/machine/effects.json"
SHAPE: Final = Shape("control", memory_mib=1536, operations_per_s=400, instruction_ns=2)
SEEDS: Final = (1, 2, 3)
READY: Final = "ready"
FOLDER: Final = "/run/control"
GUEST: Final = ("control_programs.py", "control_guest.py", "control_ablated.py")
PROFILE: Final = "latency-performance"
"""Of TuneD, whose sections about kernel parameters are applied; its others are about hardware."""
CONTEXT_S: Final = 36
"""Seconds of work before the moment: a plan needs 32 frames of it."""
IDLE: Final = "jepa-healing.service jepa-bpf-cost.timer jepa-health.timer systemd-tmpfiles-clean.timer"
_JEPAD: Final = f"""\
mkdir -p /run/systemd/system/jepad.service.d /run/systemd/system/background.slice.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/python3 {FOLDER}/control_ablated.py\\n' \
    > /run/systemd/system/jepad.service.d/control.conf
printf '[Slice]\\nCPUWeight=100\\nIOWeight=100\\n' > /run/systemd/system/background.slice.d/control.conf
systemctl daemon-reload
systemctl restart jepad
"""
"""jepad as the ablations need it, and a background slice as Debian has it: no rival begins with our own."""
_LIMIT_S: Final = 90.0


class Snapshots:
    """Which snapshots the disk of a machine holds, so that who goes on need not boot again."""

    def __init__(self, *, sources: bool) -> None:
        self._file = DIRECTORY / "kept.json"
        self._of = digest(sources=sources)
        content = json.loads(self._file.read_text()) if self._file.exists() else {}
        self.held: list[str] = content["snapshots"] if content.get("of") == self._of else []

    def add(self, snapshot: str) -> None:
        """It is there now; those of an earlier machine are not."""
        self.held = [*self.held, snapshot] if snapshot != READY else [READY]
        self._file.write_text(json.dumps({"of": self._of, "snapshots": self.held}) + "\n")


def digest(*, sources: bool) -> str:
    """Stands for what a booted machine is made of."""
    image = built_image().raw.stat()
    folders = ("userland/src/jepa", "mkosi.extra/usr") if sources else ()
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
    files += [Path(__file__).with_name(name) for name in GUEST]
    files += [ROOT / "model-packs/machine/pack.toml"] if sources else []
    found = hashlib.sha256(repr((image.st_mtime_ns, image.st_size, SHAPE, sources)).encode())
    for path in files:
        if path.suffix != ".pyc":
            found.update(f"{path}\0".encode() + path.read_bytes())
    return found.hexdigest()


def ready(snapshots: Snapshots, *, sources: bool) -> Machine:
    """A machine in virtual time as it was at snapshot "ready": booted, with jepad forecasting."""
    if READY in snapshots.held:
        return awake(SHAPE, DIRECTORY, READY)
    machine = boot(SHAPE, DIRECTORY, sources=sources)
    machine.succeed(f"systemctl stop {IDLE}")
    for name in GUEST:
        give(machine, f"{FOLDER}/{name}", Path(__file__).with_name(name).read_text())
    give(machine, f"{FOLDER}/tuned.json", json.dumps(tuned_parameters()))
    machine.succeed(make_work_disk(SHAPE), 60)
    machine.succeed(_JEPAD, 120)
    machine.wait_for_unit("jepad.service", 120)
    machine.wait_until_succeeds("jepa forecast --json", 120, poll=3)
    machine.snapshot(READY)
    snapshots.add(READY)
    return machine


def tuned_parameters() -> dict[str, str]:
    """The kernel parameters of TuneD's profile, as its package has them."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["dpkg-deb", "-x", str(fetch("tuned")), directory], check=True)
        found: dict[str, str] = {}
        name: str | None = PROFILE
        while name is not None:
            (file,) = Path(directory).glob(f"usr/lib/tuned/**/{name}/tuned.conf")
            content = configparser.ConfigParser(
                interpolation=None, strict=False, delimiters="=", inline_comment_prefixes="#"
            )
            content.read_string(file.read_text())
            if content.has_section("sysctl"):
                found = {key: value.strip("> ") for key, value in content.items("sysctl")} | found
            name = content.get("main", "include", fallback=None)
        return found


def begin(machine: Machine, snapshots: Snapshots, pair: Pair, seed: int) -> None:
    """Let both programs of ``pair`` work until a moment, and keep that."""
    if moment(pair, seed) in snapshots.held:
        return
    machine.restore(READY)
    machine.slow_disk(SHAPE.operations_per_s)
    give(machine, f"{FOLDER}/order.json", json.dumps(order(pair, seed)))
    for role, slice_ in (("foreground", "user.slice"), ("background", "background.slice")):
        machine.succeed(
            f"systemd-run --quiet --unit=lab-{role} --slice={slice_} -p OOMScoreAdjust=300 "
            f"python3 {FOLDER}/control_programs.py {role} {FOLDER}/order.json {FOLDER}/{role}.log"
        )
    machine.succeed(f"sleep {CONTEXT_S}", 4 * CONTEXT_S)
    check(machine)
    machine.snapshot(moment(pair, seed))
    snapshots.add(moment(pair, seed))


def check(machine: Machine) -> None:
    """MachineError when one of the programs has failed: what it did not do would be taken for a result."""
    machine.fail("systemctl is-failed lab-foreground lab-background")


def moment(pair: Pair, seed: int) -> str:
    """The name of the snapshot."""
    return f"{pair.name}-{seed}"


def branch(
    machine: Machine, pair: Pair, seed: int, rival: str, targets: Mapping[str, float]
) -> dict[str, Any]:
    """What comes of the moment when ``rival`` looks after the machine."""
    machine.restore(moment(pair, seed))
    machine.slow_disk(SHAPE.operations_per_s)
    give(machine, f"{FOLDER}/targets.json", json.dumps(targets))
    properties = "-p OOMScoreAdjust=-900 -p CPUWeight=1000"
    machine.succeed(
        f"systemd-run --quiet --unit=control-branch {properties} "
        f"-p StandardError=file:{FOLDER}/branch.err python3 {FOLDER}/control_guest.py {rival} {FOLDER}"
    )
    machine.wait_for_stop(_LIMIT_S)
    machine.resume()
    check(machine)
    result: dict[str, Any] = json.loads(machine.copy_from(f"{FOLDER}/result.json"))
    result["journal"] = machine.execute(
        "journalctl -b -u jepad -u jepa-actuator -o short-monotonic | tail -80"
    ).out
    return result


def kept(pair: str, seed: int, rival: str) -> Path:
    """Where the outcome of a branch is kept, named by what it depends on but the system under test."""
    told = json.dumps([order(pair_named(pair), seed), asdict(SHAPE), LEAD_S, CONTEXT_S])
    parts = [told, *(Path(__file__).with_name(name).read_text() for name in GUEST[:1])]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
    return DIRECTORY / f"{pair}-{seed}-{digest}" / f"{rival}.json"


def load(pair: str, seed: int) -> dict[str, Run]:
    """All runs of a moment that are there."""
    phases = order(pair_named(pair), seed)["phases"]
    files = {name: kept(pair, seed, name) for name in RIVALS}
    return {
        name: run_of(json.loads(file.read_text()), phases) for name, file in files.items() if file.exists()
    }


def targets_of(runs: Mapping[str, Run]) -> dict[str, float]:
    """What an operation of each load may take: what rules that look at latency are told."""
    found: dict[str, float] = {}
    if "solo" in runs:
        for phase, p99 in zip(runs["solo"].phases, alone_p99(runs["solo"]), strict=True):
            if p99 is not None:
                load = phase["foreground"]
                found[load] = max(found.get(load, 0.0), TOLERATED * p99)
    return found


def scores_of(runs: Mapping[str, Run]) -> dict[str, Score]:
    """Every run of a moment scored; none before its two baselines are there."""
    if not {"solo", "defaults"} <= runs.keys():
        return {}
    return {name: score(run, runs["solo"], runs["defaults"]) for name, run in runs.items()}


def work(args: argparse.Namespace) -> Iterator[tuple[str, int, list[str]]]:
    """Each moment with the rivals that are missing, a seed of every pair before the next seed."""
    for seed in args.seeds:
        for pair in args.pairs:
            missing = [name for name in RIVALS if name in args.only]
            missing = [name for name in missing if args.fresh or not kept(pair, seed, name).exists()]
            if missing:
                yield pair, seed, missing


def measure(args: argparse.Namespace) -> None:
    """Measure what is missing, as long as there is time."""
    machine, snapshots = None, Snapshots(sources=args.sources)
    deadline = time.monotonic() + 60 * args.minutes
    try:
        for name, seed, missing in work(args):
            if time.monotonic() > deadline:
                break
            machine = machine or ready(snapshots, sources=args.sources)
            pair = pair_named(name)
            begin(machine, snapshots, pair, seed)
            for rival in missing:
                if time.monotonic() > deadline:
                    break
                started = time.monotonic()
                try:
                    result = branch(machine, pair, seed, rival, targets_of(load(name, seed)))
                except MachineError as error:
                    print(f"{name} {seed} {rival}: {error}", flush=True)
                    continue
                path = kept(name, seed, rival)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(result) + "\n")
                found = scores_of(load(name, seed)).get(rival)
                machine.say(
                    f"{name} {seed} {rival}: {time.monotonic() - started:.0f} s of this host; {found}"
                )
            machine.crash()
    finally:
        if machine is not None:
            machine.crash()


def write(pairs: Sequence[str], seeds: Sequence[int]) -> None:
    """Write what all runs that are there come to; pairs that rules were tuned on are left out."""
    reported = [name for name in pairs if not pair_named(name).development]
    every = {(name, seed): load(name, seed) for name in reported for seed in seeds}
    scores = {key: found for key, runs in every.items() if (found := scores_of(runs))}
    planned = [runs["planner"] for key, runs in every.items() if key in scores and "planner" in runs]
    effects = json.loads(EFFECTS.read_text())
    for file, content in (
        ("control.json", entries(scores, planned, effects)),
        ("control-pairs.json", table(scores)),
        ("control-windows.json", by_window(every)),
    ):
        (BUILD / "bench" / file).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    print((BUILD / "bench/control.json").read_text())


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is missing, and write the figures of all there is."""
    names = [each.name for each in PAIRS]
    parser = argparse.ArgumentParser(prog="tests.bench.control", description=__doc__)
    parser.add_argument("--pairs", nargs="*", choices=names, default=names)
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--only", nargs="*", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after so long")
    parser.add_argument("--sources", action="store_true", help="with this tree's sources over the image's")
    parser.add_argument("--fresh", action="store_true", help="measure also what is kept already")
    args = parser.parse_args(argv)
    print(f"runs are kept in {shlex.quote(str(DIRECTORY))}", flush=True)
    measure(args)
    write(args.pairs, args.seeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
