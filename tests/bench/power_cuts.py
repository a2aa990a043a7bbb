# SPDX-License-Identifier: Apache-2.0
"""Power cuts and kills while settings are changed: what is lost, half applied or wrong afterwards.

Usage: python -m tests.bench.power_cuts [--out FILE] [PART[=COUNT] ...], as root. The parts:

    disk      cuts on a disk that reorders what was not flushed, rebuilt from a log of its writes (1000)
    actuator  kills of the actuator, at work and in its start, on this host (400)
    client    kills of `jepa act` and `jepa undo` (500)
    jepad     kills of jepad while changes are made (100)

A part that was measured replaces its figures in FILE; those of the others stay. Without a part: all.
"""

import argparse
import json
import platform
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.bench import killed_actuator, reordered_disk

PARTS: Final[Mapping[str, tuple[int, Callable[[int, Counter[str]], None]]]] = {
    "disk": (1000, reordered_disk.measure),
    "actuator": (400, killed_actuator.kill_actuators),
    "client": (500, killed_actuator.kill_clients),
    "jepad": (100, killed_actuator.kill_jepads),
}
FAULTS: Final = {"lost": "records", "wrong": "settings", "half": "changes", "unsound": "journals"}
"""What has to be zero."""


def entries(part: str, count: int, found: Mapping[str, int]) -> list[dict[str, Any]]:
    """The figures of a part."""
    setup = f"Python {platform.python_version()}, kernel {platform.release()}"
    made = []
    for name in sorted(found, key=lambda each: (each not in FAULTS, each)):
        made.append({"name": f"{part}_{name}", "value": found[name], "unit": FAULTS.get(name, ""),
                     "better": "lower" if name in FAULTS else "", "n": count, "p50": None, "p99": None,
                     "setup": setup, "baseline": None, "ratio": None})  # fmt: skip
    return made


def main() -> None:
    """Measure the parts that are wanted and write their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("build/bench/power-cuts.json"))
    parser.add_argument("parts", nargs="*", metavar="PART[=COUNT]", default=list(PARTS))
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    for wanted in arguments.parts:
        part, _, number = wanted.partition("=")
        usual, measure = PARTS[part]
        count = int(number or usual)
        found: Counter[str] = Counter(dict.fromkeys(FAULTS, 0))
        measure(count, found)
        measured = entries(part, count, found)
        kept = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
        kept = [each for each in kept if not each["name"].startswith(f"{part}_")]
        arguments.out.write_text(json.dumps(kept + measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
