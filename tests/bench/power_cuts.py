# SPDX-License-Identifier: Apache-2.0
"""Power cuts and kills while settings are changed: what is lost, half applied or wrong afterwards.

Usage: python -m tests.bench.power_cuts [--out FILE] [PART[=COUNT] ...], as root. The parts:

    disk      cuts on a disk that reorders what was not flushed, rebuilt from a log of its writes (1000)
    actuator  kills of the actuator, at work and in its start, on this host (400)
    client    kills of `jepa act` and `jepa undo` (500)
    jepad     kills of jepad while changes are made (100)
    machine   cuts of the image in a VM with such a disk, which then boots from what is left (100)

Without a part: all. The figures are kept in FILE as they come, and a part that was interrupted goes on from
there until it has COUNT; remove FILE to begin anew.
"""

import argparse
import json
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.bench import cut_machine, killed_actuator, reordered_disk

Measure = Callable[[int, Counter[str]], Iterator[None]]
"""Goes on from what was found so far until there are so many; stops where that may be kept."""
PARTS: Final[Mapping[str, tuple[int, Measure]]] = {
    "disk": (1000, reordered_disk.measure),
    "actuator": (400, killed_actuator.kill_actuators),
    "client": (500, killed_actuator.kill_clients),
    "jepad": (100, killed_actuator.kill_jepads),
    "machine": (100, cut_machine.measure),
}
FAULTS: Final = {"lost": "records", "wrong": "settings", "half": "changes", "unsound": "journals"}
"""What has to be zero."""
FAULTS_OF_BOOTS: Final = {"dead": "systems", "half": "systems", "lost": "updates"}
"""The same in the parts that tests/vm keeps here, whose names begin with BOOT."""
BOOT: Final = "boot_"


def entries(part: str, found: Mapping[str, int]) -> list[dict[str, Any]]:
    """The figures of a part."""
    setup = f"Python {platform.python_version()}, kernel {platform.release()}"
    faults: Mapping[str, str] = FAULTS_OF_BOOTS if part.startswith(BOOT) else FAULTS
    if part == "machine" or part.startswith(BOOT):
        setup = cut_machine.setup(2 if part.startswith(BOOT) else 1)
    count = found.get("cuts") or found.get("killed", 0)
    made = []
    for name in sorted(found, key=lambda each: (each not in faults, each)):
        made.append({"name": f"{part}_{name}", "value": found[name], "unit": faults.get(name, ""),
                     "better": "lower" if name in faults else "", "n": count, "p50": None, "p99": None,
                     "setup": setup, "baseline": None, "ratio": None})  # fmt: skip
    return made


def load(file: Path, part: str) -> Counter[str]:
    """What was found of a part so far."""
    kept = json.loads(file.read_text()) if file.exists() else []
    of_it = {each["name"].removeprefix(f"{part}_"): each["value"] for each in kept if _is_of(each, part)}
    return Counter({**dict.fromkeys(FAULTS, 0), **of_it})


def save(file: Path, part: str, found: Mapping[str, int]) -> None:
    """Replace the figures of a part."""
    kept = json.loads(file.read_text()) if file.exists() else []
    others = [each for each in kept if not _is_of(each, part)]
    whole = file.with_suffix(".new")
    whole.write_text(json.dumps(others + entries(part, found), indent=1) + "\n")
    whole.replace(file)


def _is_of(entry: Mapping[str, Any], part: str) -> bool:
    return str(entry["name"]).startswith(f"{part}_")


def main() -> None:
    """Measure the parts that are wanted, and write their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("build/bench/power-cuts.json"))
    parser.add_argument("parts", nargs="*", metavar="PART[=COUNT]", default=list(PARTS))
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    for wanted in arguments.parts:
        part, _, number = wanted.partition("=")
        usual, measure = PARTS[part]
        found = load(arguments.out, part)
        for _ in measure(int(number or usual), found):
            save(arguments.out, part, found)


if __name__ == "__main__":
    main()
