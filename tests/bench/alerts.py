# SPDX-License-Identifier: Apache-2.0
"""Recall of alerts against their false alarms: within their budget, and from a fixed level without one.

Recordings are replayed frame by frame through the pack and through jepad's own alerts, each as a machine of
its own whose thresholds start anew: the worst case, since a budget that has learned is no worse. An onset is
predicted when an alert stands in the minute before it; an alert is false when none comes within a minute.
The levels at which alerts start were chosen on the recordings called "tuning" alone.

Usage: python -m tests.bench.alerts [OUT]
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jepa.evaluation.alert_scoring import AlertTrace, model_alerts, score_alerts
from jepa.packs.pack import Pack, load_pack
from jepa.telemetry.frame import BoolArray, Frame
from jepa.telemetry.recording import TWIN, UNTOUCHED, Recording, load_recording, read_meta
from jepa.telemetry.schema import load_schema
from jepa.world.alerts import ANOMALY, STRANGE, Alerts
from jepa.world.controls import ActionReplay, host_of
from jepa.world.event_definitions import held
from jepa.world.forecast import FloatArray, Tick
from jepa.world.hysteresis import Hysteresis
from jepa.world.model import WorldModel

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "model-packs/machine"
OUT = ROOT / "docs/bench/alerts.json"
UPTIME = "uptime_s"
"""The label of a recording that began so many seconds after boot; others began long after it."""
USES = {"lived": "real use", "idle": "an idle machine"}
COLUMNS = [
    "recordings",
    "hours",
    "event",
    "onsets",
    "recall, fixed 0.7",
    "false alarms, fixed 0.7",
    "recall, within budget",
    "median lead, s",
    "false alarms, within budget",
    "most in one recording",
]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One recording: when alerts stood, with and without the budget, and how many anomalies were told."""

    names: tuple[str, ...]  # E
    holds: FloatArray  # (T, E)
    fixed: BoolArray  # (T, E)
    budgeted: BoolArray  # (T, E)
    anomalies: tuple[int, int]
    """Told without a budget, and with it."""


def groups() -> dict[str, list[Path]]:
    """The recordings by what they are, those to tune on first; second runs and such are left out."""
    found: dict[str, list[Path]] = {}
    for folder in sorted((*PACK.glob("recordings/*"), *PACK.glob("heldout/*"))):
        labels = read_meta(folder).labels
        if folder.name.endswith(TWIN) or UNTOUCHED in folder.name or "split" not in labels:
            continue
        kind, split = labels.get("kind"), labels["split"]
        if split == "alerts" or (split == "heldout" and kind == "lived"):
            name = f"{folder.name.partition('-')[0]}: {USES[kind]}"
        elif split in ("tuning", "validation"):
            name = "tuning: real use" if kind == "lived" else "tuning: arranged sessions"
        elif split in ("heldout", "faults"):
            name = {"scarce": "held out: scarce", "busy": "held out: busy and faults"}.get(
                kind, "held out: day and actions"
            )
        else:
            continue
        found.setdefault(name, []).append(folder)
    return dict(sorted(found.items(), key=lambda each: not each[0].startswith("tuning")))


def replayed(recording: Recording, pack: Pack) -> Replayed:
    """What would have been told, frame by frame."""
    model = WorldModel.load(pack, recording.schema, host_of(recording.meta))
    alerts, unbudgeted = Alerts(), Hysteresis(of=5, enough=3, calm=15)
    acting, coming = ActionReplay(recording.actions), list(recording.events)
    began = recording.meta.labels.get(UPTIME, float("inf"))
    probabilities, standing = [], []
    told = anomalies = 0
    tick: Tick | None = None
    for ts_ns, values in zip(recording.ts_ns, recording.values, strict=True):
        acting.up_to(int(ts_ns), model)
        while coming and coming[0].ts_ns <= ts_ns:
            alerts.hear(coming.pop(0))
        tick = model.tick(Frame(int(ts_ns), values, ~np.isnan(values)))
        events = alerts.look(tick, began + (ts_ns - recording.ts_ns[0]) / 1e9)
        told += sum(event.kind == ANOMALY for event in events)
        strange = tick.surprise is not None and tick.surprise.probability >= STRANGE
        anomalies += unbudgeted.push(strange) and unbudgeted.holds
        probabilities.append(tick.forecast.event_probability)
        standing.append([alerts.standing(name) for name in tick.forecast.events])
    assert tick is not None
    fixed = model_alerts(np.stack(probabilities))
    return Replayed(tick.forecast.events, held(recording), fixed, np.array(standing), (anomalies, told))


def rows(name: str, runs: Sequence[Replayed]) -> Iterator[list[Any]]:
    """One row an event, and one for anomalies."""
    hours = sum(len(each.holds) for each in runs) / 3600
    names = runs[0].names
    fixed = score_alerts([AlertTrace(each.holds, each.fixed) for each in runs], names)
    budgeted = score_alerts([AlertTrace(each.holds, each.budgeted) for each in runs], names)
    single = [score_alerts([AlertTrace(each.holds, each.budgeted)], names) for each in runs]
    for event in names:
        one, other = fixed.get(event), budgeted.get(event)
        if one is None and other is None:
            continue
        onsets = (one or other).onsets  # type: ignore[union-attr]
        most = max(each[event].false_alarms for each in single if event in each)
        yield [
            name,
            round(hours, 2),
            event,
            onsets,
            _of(one.predicted if one else 0, onsets),
            one.false_alarms if one else 0,
            _of(other.predicted if other else 0, onsets),
            "" if other is None or other.lead_s is None else round(other.lead_s, 1),
            other.false_alarms if other else 0,
            most,
        ]
    without, within = (sum(each.anomalies[number] for each in runs) for number in (0, 1))
    yield [name, round(hours, 2), "anomalies raised", "", "", without, "", "", within, ""]


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else ""


def main(argv: Sequence[str]) -> int:
    """Replay every group, print and write the table; 1 when a recording breaks its budget."""
    out = Path(argv[0]) if argv else OUT
    schema = load_schema()
    pack = load_pack(PACK, schema)
    table: list[list[Any]] = []
    for name, folders in groups().items():
        runs = []
        for folder in folders:
            runs.append(replayed(load_recording(folder, schema), pack))
            print(f"{name}: {folder.name}", file=sys.stderr)
        table += rows(name, runs)
    content: Mapping[str, Any] = {"columns": COLUMNS, "rows": table}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=1) + "\n")
    broken = [row for row in table if isinstance(row[-1], int) and row[-1] > 1]
    for row in broken:
        print(f"budget exceeded: {row}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
