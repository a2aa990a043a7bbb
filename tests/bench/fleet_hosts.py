# SPDX-License-Identifier: Apache-2.0
"""What a hundred machines take, replayed: frames a second and core, and memory for 10, 30 and 100 of them.

Each machine has a day of hours unless told otherwise (`tests.bench.fleet_replayed`: real recordings, shifted
and mixed; about a gigabyte, removed afterwards). For each number of machines a process with a cluster of two
CPUs of its own

- loads every hour of every machine, as training and evaluation do, a task an hour;
- judges the first minutes of an hour of each machine with the machine pack, a task each;
- looks through an hour of each machine, as a training does first;
- trains with two workers on all their hours, for a few steps.

Frames a second are of the processor's time of the tasks themselves, on one core, without what Ray takes
beside. Memory is the proportional set size, looked at five times a second: of the process that asks, of the
worker that has most, and of all processes together. What 10,000 machines of 30 days take is computed from
these figures (`on_paper`), not measured.

Usage: python -m tests.bench.fleet_hosts [OUT [HOURS [DIR]]]     (HOURS of each machine; DIR keeps the store)
       python -m tests.bench.fleet_hosts --run HOSTS PLACE
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import psutil

from jepa.evaluation.session import Session, judge_session, together
from jepa.fleet.manifest import StoredRecording
from jepa.packs.pack import Pack, load_pack
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa_lab.fleet.cluster import Away, Given, cluster, each_part, use_part
from jepa_lab.fleet.cuts import CUT
from jepa_lab.fleet.evaluate import sum_up
from jepa_lab.fleet.survey import Problem
from jepa_lab.fleet.training import PartFacts, on_workers, part_facts
from jepa_lab.model.config import ModelConfig
from jepa_lab.train_config import TrainConfig
from tests.bench.fleet import entry, on_paper
from tests.bench.fleet_replayed import HOUR, SCHEMA, Replayed, look, replayed
from tests.bench.fleet_workers import job_of

PACK = Path("model-packs/machine")
MACHINES: Final = (10, 30, 100)
HOURS: Final = 24
JUDGED: Final = 240
"""Frames of each machine that are judged: a whole day of a hundred would take half a day."""
CONFIG: Final = TrainConfig(frames=6 * CUT, steps=20, validate_every=10)
WORKERS: Final = Path("docs/bench/fleet-workers.json")
_LOOK_S: Final = 0.2


def main(out: Path, hours: int = HOURS, kept: Path | None = None) -> None:
    """Measure and write ``out``."""
    with tempfile.TemporaryDirectory(prefix="jepa-fleet-hosts-") as name:
        place = kept or Path(name)
        found = replayed(place, MACHINES[-1], hours, HOUR)
        store = Path(found.address.removeprefix("file://"))
        size = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
        told = {}
        for machines in MACHINES:
            with tempfile.TemporaryDirectory(prefix="some-", dir=place) as some:
                told[machines] = in_its_own(machines, first(machines, store.parent, Path(some)))
    entries = [
        entry("hosts_day_mib", 24 / hours * size / MACHINES[-1] / 2**20, "MiB", "lower", MACHINES[-1])
    ]
    most = told[MACHINES[-1]]
    for name in ("load", "look", "evaluate"):
        rate = most[f"{name}_frames"] / most[f"{name}_cpu_s"]
        entries.append(entry(f"hosts_{name}_frames_per_s", rate, "1/s", "higher", int(most[f"{name}_n"])))
    for stage in STAGES:
        for who in ("asking", "worker", "all"):
            for machines in MACHINES:
                value = told[machines][f"{stage}_{who}_mib"]
                entries.append(entry(f"memory_{stage}_{who}_{machines}_hosts_mib", value, "MiB", "lower", 1))
    value = {each["name"]: each["value"] for each in entries}
    rates = {stage: value[f"hosts_{stage}_frames_per_s"] for stage in ("load", "look", "evaluate")}
    learned = {each["name"]: each["value"] for each in json.loads(WORKERS.read_text())}
    entries += on_paper(value["hosts_day_mib"], rates, learned["fleet_train_one_core_frames_per_s"])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def first(machines: int, place: Path, into: Path) -> Path:
    """A store with the first ``machines`` of that in ``place``, by hard links."""
    shutil.copytree(place / "keys", into / "keys")
    for host in sorted((place / "store/hosts").iterdir())[:machines]:
        shutil.copytree(host, into / "store/hosts" / host.name, copy_function=os.link)
    return into


def in_its_own(machines: int, place: Path) -> dict[str, float]:
    """What a process of its own finds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.fleet_hosts", "--run", str(machines), str(place)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(machines, told, file=sys.stderr, flush=True)
    return told


def run(machines: int, place: Path) -> None:
    """Do it all with the ``machines`` in ``place`` and print what it took."""
    told: dict[str, float] = {}
    with watched() as most:
        found = look(place)
        time.sleep(2 * _LOOK_S)
    assert len(found.hosts) == machines
    told["survey_asking_mib"] = round(most["asking"], 1)
    with cluster(None):
        for name, stage in STAGES.items():
            with watched() as most:
                told |= {f"{name}_{key}": round(value, 3) for key, value in stage(found).items()}
            told |= {f"{name}_{who}_mib": round(mib, 1) for who, mib in most.items()}
    print(json.dumps(told))


def loading(found: Replayed) -> dict[str, float]:
    """Every hour once."""
    given = [(host.host, part) for host in found.hosts for part in host.parts]
    return timed(given, each_part(load_part, found.address, given, SCHEMA))


def judging(found: Replayed) -> dict[str, float]:
    """The beginning of an hour of each machine, added up as `jepa-lab fleet evaluate` does."""
    pack = load_pack(PACK)
    hosts = [replace(host, parts=host.parts[:1]) for host in found.hosts]
    given = [(host.host, host.parts[0]) for host in hosts]
    spent: list[float] = []

    def sessions() -> Iterator[Session | Problem]:
        for answer in each_part(judge_beginning, found.address, given, pack):
            assert not isinstance(answer, Problem), answer
            session, seconds = answer
            spent.append(seconds)
            yield session

    judged = sum_up(hosts, sessions(), pack)
    assert judged.hosts == len(hosts)
    return {"frames": float(JUDGED * len(spent)), "cpu_s": sum(spent), "n": len(spent)}


def looking(found: Replayed) -> dict[str, float]:
    """An hour of each machine, as before a training."""
    given = [(host.host, host.parts[1]) for host in found.hosts]
    return timed(given, each_part(timed_facts, found.address, given, SCHEMA, ModelConfig.of(SCHEMA)))


def training(found: Replayed) -> dict[str, float]:
    """A few steps on all hours of all machines."""
    job = job_of(found, CONFIG)
    with tempfile.TemporaryDirectory(prefix="jepa-fleet-state-") as state:
        _, history = on_workers(state, 2)(job)
    return {"steps": history[-1]["step"] + 1}


STAGES: Final = {"load": loading, "evaluate": judging, "look": looking, "train": training}


def load_part(address: str, host: str, part: StoredRecording, schema: Schema) -> float | Problem | Away:
    """The processor's seconds that loading it took."""
    began = time.process_time()
    loaded = use_part(address, host, part, schema, lambda recording: len(recording.ts_ns))
    return time.process_time() - began if isinstance(loaded, int) else loaded


def judge_beginning(
    address: str, host: str, part: StoredRecording, pack: Pack
) -> tuple[Session, float] | Problem | Away:
    """What its first frames come to, and the processor's seconds that judging them took."""

    def judged(recording: Recording) -> tuple[Session, float]:
        some = replace(recording, ts_ns=recording.ts_ns[:JUDGED], values=recording.values[:JUDGED])
        began = time.process_time()
        session = together([judge_session(some, pack)])
        return session, time.process_time() - began

    return use_part(address, host, part, pack.schema, judged)


def timed_facts(
    address: str, host: str, part: StoredRecording, schema: Schema, size: ModelConfig
) -> float | Problem | Away:
    """The processor's seconds that looking through it took, loading it included."""
    began = time.process_time()
    facts = part_facts(address, host, part, schema, size)
    return time.process_time() - began if isinstance(facts, PartFacts) else facts


def timed(given: Sequence[Given], answers: Iterator[float | Problem]) -> dict[str, float]:
    """Frames and processor's seconds of all ``answers``; the first of each worker, which starts up, too."""
    seconds = []
    for answer in answers:
        assert not isinstance(answer, Problem), answer
        seconds.append(answer)
    return {
        "frames": float(sum(part.frames for _, part in given)),
        "cpu_s": sum(seconds),
        "n": len(seconds),
    }


@contextlib.contextmanager
def watched() -> Iterator[dict[str, float]]:
    """While in it, the most memory of this process, of one worker, and of all: MiB."""
    most = {"asking": 0.0, "worker": 0.0, "all": 0.0}
    over, me = threading.Event(), psutil.Process()

    def watch() -> None:
        while not over.wait(_LOOK_S):
            workers, rest = [0.0], 0.0
            for child in me.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    mib = child.memory_full_info().pss / 2**20
                    if (child.cmdline() or [""])[0].startswith("ray::"):
                        workers.append(mib)
                    else:
                        rest += mib
            own = me.memory_full_info().pss / 2**20
            now = {"asking": own, "worker": max(workers), "all": own + sum(workers) + rest}
            for who, mib in now.items():
                most[who] = max(most[who], mib)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(
            Path((sys.argv[1:] or ["build/bench/fleet-hosts.json"])[0]),
            *map(int, sys.argv[2:3]),
            *map(Path, sys.argv[3:4]),
        )
