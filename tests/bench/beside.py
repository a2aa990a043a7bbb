# SPDX-License-Identifier: Apache-2.0
"""Measures the world model and the collector of this tree beside those of another one.

The trees share this Python and its packages. The world models take turns, so that a machine that becomes
slower meets both. The collectors run at the same time under one load, so that both see the same events; the
one that starts second alternates, since its programs find warm what the other one's have just read. Each
figure is the median over the turns, each ratio the geometric mean of those of the turns.

Usage: python -m tests.bench.beside OTHER_TREE [OUT]; needs root and a quiet machine, about six minutes.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.bench import telemetry

HERE = Path(__file__).parents[2]
WORLD_TURNS, COLLECTOR_TURNS = 3, 4
COLLECTOR_SECONDS = 30.0
COMPARED = {
    "tick_cpu_ms": "value",
    "tick_cpu_ms, p99": "p99",
    "rss_mib": "value",
    "collector_cpu_percent_of_core": "value",
    "collector_process_cpu_percent": "value",
    "collector_programs_cpu_percent": "value",
    "collector_rss_mib": "value",
}


def main(other: Path, out: Path) -> None:
    """Measure, and write ``out`` as a table."""
    trees = {"before": other.resolve(), "now": HERE}
    commits = {label: _commit(tree) for label, tree in trees.items()}
    seen: dict[str, dict[str, list[float]]] = {label: {} for label in trees}
    units: dict[str, str] = {}

    def note(label: str, name: str, unit: str, value: float) -> None:
        units[name] = unit
        seen[label].setdefault(name, []).append(value)

    for turn in range(WORLD_TURNS):
        for label, tree in trees.items():
            print(f"world, turn {turn + 1} of {WORLD_TURNS}: {label} ({commits[label]})", flush=True)
            for figure in _figures(_world(tree)):
                note(label, *figure)
    for turn in range(COLLECTOR_TURNS):
        order = list(trees) if turn % 2 == 0 else list(reversed(trees))
        print(f"collectors, turn {turn + 1} of {COLLECTOR_TURNS}: {order[1]} starts second", flush=True)
        for label, each in _collectors({label: trees[label] for label in order}).items():
            note(label, "collector_cpu_percent_of_core", "%", each.whole)
            note(label, "collector_process_cpu_percent", "%", each.process)
            note(label, "collector_programs_cpu_percent", "%", each.kernel)
            note(label, "collector_rss_mib", "MiB", each.rss_mib)
    rows = [
        [
            name,
            units[name],
            *(round(statistics.median(seen[label][name]), 3) for label in trees),
            round(ratio, 3),
        ]
        for name in COMPARED
        for ratio in [
            statistics.geometric_mean(
                now / before for before, now in zip(seen["before"][name], seen["now"][name], strict=True)
            )
        ]
    ]
    columns = ["what", "unit", *(f"{label}, {commits[label]}" for label in trees), "ratio"]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"columns": columns, "rows": rows}, indent=1) + "\n", encoding="utf-8")


def _commit(tree: Path) -> str:
    asked = ["git", "-C", str(tree), "rev-parse", "--short=8", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def _environ(tree: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{tree}:{tree / 'userland/src'}", "PYTHONDONTWRITEBYTECODE": "1"}


def _world(tree: Path) -> list[Mapping[str, object]]:
    """The entries that ``tree``'s own benchmark writes; what it says goes to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "entries.json"
        command = [sys.executable, "-m", "tests.bench.world", str(out)]
        subprocess.run(command, cwd=tree, env=_environ(tree), check=True, stdout=sys.stderr)
        entries: list[Mapping[str, object]] = json.loads(out.read_text())
    return entries


def _collectors(trees: Mapping[str, Path]) -> dict[str, telemetry.Turn]:
    """What the collectors cost, started in the order of ``trees``, side by side and each with a reader."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(telemetry.load(Path(folder)))
        stack.enter_context(telemetry.stats())
        running: dict[str, subprocess.Popen[bytes]] = {}
        for label, tree in trees.items():
            socket = Path(folder) / f"{label}.sock"
            command = [sys.executable, "-c", telemetry.COLLECTOR, "--socket", str(socket)]
            running[label] = subprocess.Popen(
                command, cwd=tree, env=_environ(tree), stderr=subprocess.DEVNULL
            )
            stack.callback(running[label].wait)
            stack.callback(running[label].terminate)
            time.sleep(6)
            if running[label].poll() is not None:
                raise SystemExit(f"The collector of {tree} ended with {running[label].returncode}.")
            reader = telemetry.listen(socket)
            if reader is None:
                raise SystemExit(f"The collector of {tree} has no socket yet.")
            stack.callback(reader.wait)
            stack.callback(reader.kill)
        before = {label: _spent(each.pid) for label, each in running.items()}
        time.sleep(COLLECTOR_SECONDS)
        after = {label: _spent(each.pid) for label, each in running.items()}
        shares = {
            label: [
                100 * (now - then) / COLLECTOR_SECONDS
                for now, then in zip(after[label], before[label], strict=True)
            ]
            for label in running
        }
        return {
            label: telemetry.Turn(*shares[label], telemetry.resident(each.pid))
            for label, each in running.items()
        }


def _spent(pid: int) -> tuple[float, float]:
    """Seconds of CPU of the process, and of its programs in the kernel."""
    return telemetry.spent(pid), telemetry.in_kernel(pid)


def _figures(entries: list[Mapping[str, object]]) -> Iterator[tuple[str, str, float]]:
    by_name = {str(entry["name"]): entry for entry in entries}
    for name, field in COMPARED.items():
        entry = by_name.get(name.removesuffix(", p99"))
        if entry is not None:
            yield name, str(entry["unit"]), float(str(entry[field]))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "build/bench/beside.json"))
