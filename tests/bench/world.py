# SPDX-License-Identifier: Apache-2.0
"""Measures a tick of the world model on held-out frames, and a plan: wall time and resident memory.

Run as `python tests/bench/world.py [OUT]`; writes build/bench/world.json unless told otherwise.
"""

import json
import os
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from jepa.packs.pack import Pack, load_pack
from jepa.packs.places import default_pack_dir
from jepa.planning.goals import Knowledge
from jepa.planning.planner import Moment, Planner
from jepa.planning.rollouts import Rollouts
from jepa.planning.solvers import CategoricalCEM
from jepa.planning.surroundings import Surroundings
from jepa.tasks.spec import parse_spec
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import load_recording
from jepa.world.controls import HostSize, host_of
from jepa.world.model import WorldModel

_WARM = 200
_TICKS = 2000
_PLANS = 101
_SEEN = 60
_PLAN_MS = 100.0


def main(out: Path) -> None:
    """Measure and write ``out``."""
    # The image has neither, but the lab has, and DuckDB would load them to read the frames: 64 MiB more.
    sys.modules |= {"pandas": None, "pyarrow": None}  # type: ignore[dict-item]
    before = _rss_mib()
    pack = load_pack(default_pack_dir())
    model = WorldModel.load(pack, pack.schema)
    recording = load_recording(pack.folder / "heldout/h01-shop", pack.schema)
    frames = [
        Frame(1_000_000_000 * number, values, ~np.isnan(values))
        for number, values in enumerate(islice(cycle(recording.values), _WARM + _TICKS))
    ]
    took = np.empty(_TICKS)
    processor = np.empty(_TICKS)
    for number, frame in enumerate(frames):
        start, start_cpu = time.perf_counter(), time.thread_time()
        model.tick(frame)
        if number >= _WARM:
            took[number - _WARM] = (time.perf_counter() - start) * 1e3
            processor[number - _WARM] = (time.thread_time() - start_cpu) * 1e3
        time.sleep(0.001)
    rss = _rss_mib()
    planned, planned_cpu = _planned(pack)
    entries = [
        _entry("tick_ms", "ms", took, pack.manifest.budget.tick_ms_p99),
        _entry("tick_cpu_ms", "ms", processor, pack.manifest.budget.tick_ms_p99),
        _entry("imagine_64x3x6_ms", "ms", _imagined(model), _PLAN_MS),
        _entry("plan_ms", "ms", planned, _PLAN_MS),
        _entry("plan_cpu_ms", "ms", planned_cpu, _PLAN_MS),
        {"name": "rss_mib", "unit": "MiB", "better": "lower", "value": round(rss, 1), "n": 1}
        | {"p50": None, "p99": None, "ratio": round(rss / pack.manifest.budget.rss_mib, 3)}
        | {"baseline": {"name": "budget", "value": pack.manifest.budget.rss_mib}},
        {"name": "rss_before_mib", "unit": "MiB", "better": "lower", "value": round(before, 1), "n": 1}
        | {"p50": None, "p99": None, "ratio": None, "baseline": None},
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    load = os.getloadavg()[0]
    print(f"{pack.title} on {os.cpu_count()} CPUs at load {load:.1f}")
    for entry in entries:
        print(
            f"{entry['name']:20}{entry['value']:>10} {entry['unit']}  p50 {entry['p50']}  p99 {entry['p99']}"
        )


def _imagined(model: WorldModel) -> "np.ndarray":
    """Milliseconds for what a plan takes: three CEM iterations of 64 action sequences of six seconds."""
    shape = model.pack.manifest.shape
    rng = np.random.default_rng(1)
    took = np.empty(_PLANS)
    for number in range(_PLANS):
        start = time.perf_counter()
        for _ in range(3):
            model.imagine(rng.uniform(-1, 1, (64, shape.imagined, len(shape.controls))).astype(np.float32))
        took[number] = (time.perf_counter() - start) * 1e3
    return took[1:]


def _planned(pack: Pack) -> "tuple[np.ndarray, np.ndarray]":
    """Milliseconds, by the clock and of the CPU, for a whole plan by CEM, among 60 courses.

    From the task spec to the plan with its hash, the control groups of two units read from files. A course
    is imagined once, however often the solver asks, so that this is less than ``_imagined``.
    """
    assert pack.effects is not None
    recording = load_recording(pack.folder / "heldout/eh4-cpu.untouched", pack.schema)  # it has roles
    model = WorldModel.load(pack, pack.schema, host_of(recording.meta))
    for number, values in enumerate(recording.values[:_SEEN]):
        forecast = model.tick(Frame(1_000_000_000 * number, values, ~np.isnan(values))).forecast
    shape = pack.manifest.shape
    spec = parse_spec('{"intent": "prioritize", "targets": ["web"]}')
    took, processor = np.empty(_PLANS), np.empty(_PLANS)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _control_groups(root)
        moment = Moment(
            Rollouts(model, shape.candidates), forecast, pack.schema, shape.controls, shape.imagined
        )
        known = Knowledge(
            pack.title, pack.effects, HostSize(), Surroundings(root), lambda action, unit: None
        )
        planner = Planner("bench", lambda options: CategoricalCEM())
        for number in range(_PLANS):
            start, start_cpu = time.perf_counter(), time.thread_time()
            plan = planner.plan(spec, moment, known).as_dict()
            took[number] = (time.perf_counter() - start) * 1e3
            processor[number] = (time.thread_time() - start_cpu) * 1e3
            assert plan["hash"]
    return took[1:], processor[1:]


def _control_groups(root: Path) -> None:
    roles = {"system.slice/web.service": "foreground", "background.slice": "background"}
    files = {
        "cpu.weight": "100",
        "cpu.max": "max 100000",
        "cgroup.freeze": "0",
        "cgroup.events": "populated 1",
    }
    for path in roles:
        folder = root / "sys/fs/cgroup" / path
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_text(content)
    (root / "sys/fs/cgroup/cgroup.controllers").write_text("cpu\n")
    rules = "".join(f'[[role]]\nrole = "{role}"\ncgroups = ["{path}"]\n' for path, role in roles.items())
    (root / "etc/jepa").mkdir(parents=True)
    (root / "etc/jepa/roles.toml").write_text(rules)


def _entry(name: str, unit: str, samples: "np.ndarray", budget: float) -> dict[str, object]:
    p50, p99 = (round(float(np.percentile(samples, at)), 3) for at in (50, 99))
    return {
        "name": name,
        "value": p50,
        "unit": unit,
        "better": "lower",
        "n": len(samples),
        "p50": p50,
        "p99": p99,
        "baseline": {"name": "budget, p99", "value": budget},
        "ratio": round(p99 / budget, 3),
    }


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/bench/world.json"))
