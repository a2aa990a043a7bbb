# SPDX-License-Identifier: Apache-2.0
"""What a fleet costs: an hour's part to make, send, keep, judge and train on; a hundred machines' overview.

The hour is real held-out recordings laid one after the other until there are 3,600 frames. Of the hundred
machines the manifests are real, with a day of parts each, and the files are empty ones of the right size,
which `ls` never opens. Times are those of the processor, of one core. Figures for 10,000 machines and 30
days are the others multiplied, not measured.

Usage: python -m tests.bench.fleet [OUT]
"""

import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jepa.evaluation.session import judge_session, together
from jepa.fleet.identity import identity_in
from jepa.fleet.keys import make_keys, read_owner_key
from jepa.fleet.manifest import StoredRecording, signed
from jepa.fleet.names import Names
from jepa.fleet.part import make_part
from jepa.fleet.spool import Spool
from jepa.fleet.store import Store
from jepa.fleet.upload import manifest_path, part_path
from jepa.packs.pack import load_pack
from jepa.telemetry.recording import Recording, load_recording, save
from jepa.telemetry.schema import load_schema
from jepa.world.scale import Scale
from jepa_lab.data import Mirror, to_stretch
from jepa_lab.facts import channel_facts
from jepa_lab.fleet.cuts import CUT, cut
from jepa_lab.fleet.survey import survey
from jepa_lab.fleet.worker import each_step
from jepa_lab.learner import Learner
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.world import MachineModel
from jepa_lab.train import repeatable
from jepa_lab.train_config import TrainConfig

PACK = Path("model-packs/machine")
SCHEMA = load_schema()
HOUR = 3600
HOSTS, PARTS = 100, 24
MANY_HOSTS, MANY_DAYS = 10_000, 30
START_NS = 1_795_910_400 * 10**9
"""2026-11-29 00:00 UTC."""


def main(out: Path) -> None:
    """Measure and write ``out``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_keys(folder)
        entries = [*part(folder), *overview(folder), *judging(), *training()]
    value = {each["name"]: each["value"] for each in entries}
    stages = {"load": "load", "look": "train_facts", "evaluate": "evaluate"}
    rates = {stage: value[f"{name}_frames_per_s"] for stage, name in stages.items()}
    entries += on_paper(value["day_mib"], rates, value["train_step_frames_per_s"])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    for each in entries:
        print(f"{each['name']:50}{each['value']:>14} {each['unit']}")


def on_paper(day_mib: float, rates: dict[str, float], step_rate: float) -> list[dict[str, Any]]:
    """What MANY_HOSTS of MANY_DAYS take, computed, not measured: TB, hours of a core, cores for a day.

    ``rates`` are frames a second of a core, by what is done with every frame there is; a training takes the
    same steps however many there are, at ``step_rate``.
    """
    days, usual = MANY_HOSTS * MANY_DAYS, TrainConfig()
    hours = {stage: days * 86_400 / rate / 3600 for stage, rate in rates.items()}
    hours["train"] = usual.steps * usual.frames / step_rate / 3600
    name = f"paper_{MANY_HOSTS}_hosts_{MANY_DAYS}_days"
    return [
        entry(f"{name}_tb", days * day_mib * 2**20 / 1e12, "TB", "lower", 1),
        *(entry(f"{name}_{stage}_core_hours", each, "h", "lower", 1) for stage, each in hours.items()),
        *(
            entry(f"{name}_{stage}_cores_for_a_day", each / 24, "", "lower", 1)
            for stage, each in hours.items()
        ),
    ]


def entry(name: str, value: float, unit: str, better: str, n: int) -> dict[str, Any]:
    """One benchmark of which a run has one value."""
    return {
        **{"name": name, "value": round(value, 3), "unit": unit, "better": better, "n": n},
        **{"p50": None, "p99": None, "baseline": None, "ratio": None},
    }


def an_hour() -> Recording:
    """3,600 frames of real machines."""
    folders = [PACK / "heldout" / name for name in ("h03-day", "h01-shop", "h02-studio", "l01-lived")]
    pack = load_pack(PACK)
    found = [load_recording(folder, pack.schema) for folder in folders]
    values = np.concatenate([each.values for each in found])
    values = np.resize(values, (HOUR, values.shape[1]))
    ts_ns = START_NS + np.arange(HOUR, dtype=np.int64) * 10**9
    meta = replace(found[0].meta, start_ns=START_NS, frames=HOUR, seconds=float(HOUR - 1), labels={})
    return Recording(pack.schema, ts_ns, values, (), found[0].events, meta)


def part(folder: Path) -> list[dict[str, Any]]:
    """An hour as a part: how large, how long to make, to bring back, and what the uploader needs for it."""
    recording, key = an_hour(), read_owner_key(folder / "owner.key").fleet
    hour = folder / "hour"
    hour.mkdir()
    save(hour, recording)
    took: list[float] = []
    for number in range(5):
        into = folder / f"into{number}"
        into.mkdir()
        began = time.process_time()
        made = make_part(hour, SCHEMA, Names(key), into)
        took.append(time.process_time() - began)
    began = time.process_time()
    load_recording(into, SCHEMA)
    loaded = time.process_time() - began
    size = sum(file.size for file in made.files.values())
    rss = uploading_mib(folder, recording)
    return [
        entry("part_kib", size / 1024, "KiB", "lower", 1),
        entry("day_mib", size * 24 / 2**20, "MiB", "lower", 1),
        entry("part_make_ms", 1000 * float(np.median(took)), "ms", "lower", len(took)),
        entry("load_frames_per_s", HOUR / loaded, "1/s", "higher", 1),
        entry("upload_rss_mib", rss, "MiB", "lower", 1),
    ]


def uploading_mib(folder: Path, recording: Recording) -> float:
    """The most memory that `jepa-upload` has while it sends one part."""
    spool = Spool(folder / "spool")
    now_ns = time.time_ns()
    waiting = spool.name(now_ns)
    waiting.mkdir()
    save(waiting, replace(recording, ts_ns=recording.ts_ns - START_NS + now_ns))
    (folder / "store").mkdir()
    (folder / "fleet.toml").write_text(f'store = "{(folder / "store").as_uri()}"\nkib_per_s = 100000\n')
    code = (
        "import resource, sys; from jepa.fleet.command import main; status = main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(spool.folder), "--settings", str(folder / "fleet.toml")],
        env={**os.environ, "CREDENTIALS_DIRECTORY": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout.split()[-1]) / 1024


def overview(folder: Path) -> list[dict[str, Any]]:
    """`jepa-lab fleet ls` of a hundred machines with a day of hours each."""
    owner = read_owner_key(folder / "owner.key")
    store = Store((folder / "many").as_uri())
    (folder / "many").mkdir()
    into = folder / "one"
    into.mkdir()
    made = make_part(folder / "hour", SCHEMA, Names(owner.fleet), into)
    for number in range(HOSTS):
        state = folder / f"host{number}"
        state.mkdir()
        machine = identity_in(state)
        parts = tuple(another(made, number, hour) for hour in range(PARTS))
        table = {owner.fleet.pseudonym("unit", f"{number}-{unit}"): f"{unit}.service" for unit in range(50)}
        manifest = signed(
            machine,
            owner.fleet,
            day="2026-11-29",
            parts=parts,
            table=table,
            lost=0,
            sent_ns=time.time_ns(),
        )
        store.write(manifest_path(machine.host, "2026-11-29"), manifest)
        for each in parts:
            for file, sent in each.files.items():
                path = folder / "many" / part_path(machine.host, each.name, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as opened:
                    opened.truncate(sent.size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    found = survey(store, owner, SCHEMA, time.time_ns() + 10**18)
    took = time.process_time() - began
    assert (len(found.hosts), found.problems) == (HOSTS, ()), found.problems[:3]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return [
        entry("ls_100_hosts_a_day_s", took, "s", "lower", 1),
        entry("ls_100_hosts_a_day_rss_mib", grown / 1024, "MiB", "lower", 1),
    ]


def another(part: StoredRecording, number: int, hour: int) -> StoredRecording:
    """The same part as if another machine had sent it of another hour."""
    shift_ns = hour * HOUR * 10**9
    return replace(
        part,
        name=f"20261129T{hour:02}0000Z-{number:012x}",
        start_ns=START_NS + shift_ns,
        end_ns=START_NS + shift_ns + (HOUR - 1) * 10**9,
        content=f"{number * PARTS + hour:064x}",
    )


def judging() -> list[dict[str, Any]]:
    """What one task of `jepa-lab fleet evaluate` costs, and what is kept of each machine."""
    pack, recording = load_pack(PACK), an_hour()
    frames = 900
    recording = replace(recording, ts_ns=recording.ts_ns[:frames], values=recording.values[:frames])
    began = time.process_time()
    session = judge_session(recording, pack)
    took = time.process_time() - began
    kept = len(pickle.dumps(together([session]), protocol=5))
    assert len(pickle.dumps(together([session] * 24), protocol=5)) < 1.01 * kept
    return [
        entry("evaluate_frames_per_s", frames / took, "1/s", "higher", 1),
        entry("evaluate_kept_kib_a_machine", kept / 1024, "KiB", "lower", 1),
    ]


def training() -> list[dict[str, Any]]:
    """What training costs, but for what Ray takes: to look through an hour, to cut it, and a step."""
    recording, config = an_hour(), TrainConfig()
    size = ModelConfig.of(SCHEMA)
    began = time.process_time()
    facts = channel_facts([to_stretch(recording, size)], Scale(SCHEMA))
    looked = time.process_time() - began
    repeatable(config.seed)
    model = MachineModel(size, facts.center, facts.spread, facts.floor)
    learner = Learner(model, facts, Mirror.of(SCHEMA), config)
    cuts = [cut(recording, CUT * number) for number in range(each_step(config, 1))]
    steps = 5
    began = time.process_time()
    for _ in range(steps):
        learner.learn([to_stretch(each, size) for each in cuts])
    learned = time.process_time() - began
    frames = sum(len(each.ts_ns) for each in cuts)
    return [
        entry("train_facts_frames_per_s", HOUR / looked, "1/s", "higher", 1),
        entry("train_step_frames_per_s", steps * frames / learned, "1/s", "higher", steps),
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/bench/fleet.json"))
