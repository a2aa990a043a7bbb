# SPDX-License-Identifier: Apache-2.0
"""How often the gate of a release errs, and how long it takes, over simulated releases, not real ones.

The differences of each hour are drawn: quiet (1 % deviation), loud (5 %), seldom (nothing, and now and then
5 %) and clustered (quiet and wild hours that last); of errors the worst of the four is told. A release is
looked at after each hour, for two weeks.

Usage: python -m tests.bench.gate [OUT]
"""

import json
import sys
from pathlib import Path
from typing import Any

from jepa_lab.fleet.gate import Decision
from tests.unit.jepa_lab.fleet.releases import NOISES, decided, share

RUNS = 1000
HOURS = 14 * 24
EDGE = (-1.0,) * 5
ONE_AT_THE_EDGE = (-1.0, 1.0, 1.0, 1.0, 1.0)
SAME = (0.0,) * 5
WORSE = (-4.0, 0.0, 0.0, 0.0, 0.0)


def main(out: Path) -> None:
    """Simulate and write ``out``."""
    entries = []
    for name, means, decision in (
        ("gate_taken_back_at_the_edge", EDGE, Decision.BACK),
        ("gate_let_on_at_the_edge", ONE_AT_THE_EDGE, Decision.GO),
        ("gate_taken_back_unchanged", SAME, Decision.BACK),
    ):
        worst = max(share(decided(noise, means, RUNS, HOURS), decision) for noise in NOISES)
        entries.append(entry(name, round(100 * worst, 2), "%", "lower"))
    for name, means, decision in (
        ("gate_hours_to_let_on_unchanged", SAME, Decision.GO),
        ("gate_hours_to_take_back_8_percent_worse", WORSE, Decision.BACK),
    ):
        for noise in ("quiet", "loud"):
            found = decided(noise, means, RUNS, HOURS)
            hours = sorted(passed for each, passed in found if each is decision)
            assert len(hours) > 0.9 * RUNS, (name, noise)
            entries.append(
                {
                    **entry(f"{name}_{noise}", hours[len(hours) // 2], "h", "lower"),
                    "p50": hours[len(hours) // 2],
                    "p99": hours[int(0.99 * len(hours))],
                }
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(entries, indent=1) + "\n")


def entry(name: str, value: float, unit: str, better: str) -> dict[str, Any]:
    """One figure."""
    return {"name": name, "value": value, "unit": unit, "better": better, "n": RUNS}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/bench/gate.json"))
