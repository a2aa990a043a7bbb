# SPDX-License-Identifier: Apache-2.0
"""Measures the world model and the collector of this tree beside those of another one, in turn.

The trees share this Python and its packages; a machine that becomes slower meets both. Each figure is the
median over the turns.

Usage: python -m tests.bench.beside OTHER_TREE [OUT]; needs root and a quiet machine, about ten minutes.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

HERE = Path(__file__).parents[2]
TURNS = {"world": 3, "telemetry": 1}
"""By benchmark; a turn of telemetry has three of its own."""
COMPARED = {
    "tick_cpu_ms": "value",
    "tick_cpu_ms, p99": "p99",
    "rss_mib": "value",
    "collector_cpu_percent_of_core": "value",
    "collector_process_cpu_percent": "value",
    "collector_programs_cpu_percent": "value",
    "collector_rss_mib": "value",
    "bpf_maps_mib": "value",
}


def main(other: Path, out: Path) -> None:
    """Measure, and write ``out`` as a table."""
    trees = {"before": other.resolve(), "now": HERE}
    commits = {label: _commit(tree) for label, tree in trees.items()}
    seen: dict[str, dict[str, list[float]]] = {label: {} for label in trees}
    units: dict[str, str] = {}
    for bench, turns in TURNS.items():
        for turn in range(turns):
            for label, tree in trees.items():
                print(f"{bench}, turn {turn + 1} of {turns}: {label} ({commits[label]})", flush=True)
                for name, unit, value in _figures(_measure(bench, tree)):
                    units[name] = unit
                    seen[label].setdefault(name, []).append(value)
    rows = [
        [name, units[name], before, now, round(now / before, 3)]
        for name in COMPARED
        for before, now in [tuple(round(statistics.median(seen[label][name]), 3) for label in trees)]
    ]
    columns = ["what", "unit", *(f"{label}, {commits[label]}" for label in trees), "ratio"]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"columns": columns, "rows": rows}, indent=1) + "\n", encoding="utf-8")


def _commit(tree: Path) -> str:
    asked = ["git", "-C", str(tree), "rev-parse", "--short=8", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def _measure(bench: str, tree: Path) -> list[Mapping[str, object]]:
    """The entries that ``tree``'s own benchmark writes; what it says goes to standard error."""
    environ = os.environ | {"PYTHONPATH": f"{tree}:{tree / 'userland/src'}", "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "entries.json"
        command = [sys.executable, "-m", f"tests.bench.{bench}", str(out)]
        subprocess.run(command, cwd=tree, env=environ, check=True, stdout=sys.stderr)
        entries: list[Mapping[str, object]] = json.loads(out.read_text())
    return entries


def _figures(entries: list[Mapping[str, object]]) -> Iterator[tuple[str, str, float]]:
    by_name = {str(entry["name"]): entry for entry in entries}
    for name, field in COMPARED.items():
        entry = by_name.get(name.removesuffix(", p99"))
        if entry is not None:
            yield name, str(entry["unit"]), float(str(entry[field]))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "build/bench/beside.json"))
