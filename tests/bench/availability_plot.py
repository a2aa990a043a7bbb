# SPDX-License-Identifier: Apache-2.0
"""Draw the seconds without service of each kind of fault, by variant.

`python -m tests.bench.availability_plot` reads docs/bench/availability.json and writes
docs/images/availability.svg, which reads on light and dark pages.
"""

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

from tools.vm.image import ROOT

FIGURES = ROOT / "docs/bench/availability.json"
PICTURE = ROOT / "docs/images/availability.svg"
COLOURS = {"healing": "#2a9d8f", "systemd": "#e9a03b", "nothing": "#c8553d"}
NAMES = {"healing": "healing", "systemd": "Restart=, WatchdogSec=, systemd-oomd", "nothing": "nothing"}
LEFT, WIDTH, BAR, GAP, TOP = 110, 560, 11, 12, 46
LONGEST_S = 80.0
"""Where a bar is cut: a storm in which nobody can act lasts so long that no other bar would be seen."""


def mean_down(figures: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Mean seconds without service by kind of fault and variant."""
    found: dict[str, dict[str, float]] = {}
    for name, variant in figures["variants"].items():
        kinds: dict[str, list[float]] = {}
        for each in variant["each"]:
            kinds.setdefault(each["kind"], []).append(each["down_s"])
        for kind, seconds in kinds.items():
            found.setdefault(kind, {})[name] = sum(seconds) / len(seconds)
    return found


def draw(figures: dict[str, Any]) -> str:
    """The picture: a group of bars for each kind of fault, the worst for systemd alone first."""
    means = mean_down(figures)
    names = [name for name in NAMES if name in figures["variants"]]
    kinds = sorted(means, key=lambda kind: (-means[kind].get("systemd", 0.0), kind))
    longest = max((seconds for each in means.values() for seconds in each.values()), default=1.0)
    scale = WIDTH / min(LONGEST_S, 10 * (int(longest / 10) + 1))
    group = len(names) * BAR + GAP
    height = TOP + len(kinds) * group + 34
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 50} {height}" role="img" '
        'font-family="sans-serif" font-size="12" fill="#808080">',
        "<title>Seconds without service after a fault, by kind of fault and by who repairs</title>",
    ]
    for number, name in enumerate(names):
        x = LEFT + number * 130 + (110 if number == 2 else 0)
        lines.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{COLOURS[name]}"/>')
        lines.append(f'<text x="{x + 18}" y="20">{escape(NAMES[name])}</text>')
    for row, kind in enumerate(kinds):
        y = TOP + row * group
        middle = y + len(names) * BAR / 2 + 4
        lines.append(f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(kind)}</text>')
        for number, name in enumerate(names):
            seconds = means[kind].get(name, 0.0)
            at, width = y + number * BAR, max(1.0, min(seconds, LONGEST_S) * scale)
            lines.append(
                f'<rect x="{LEFT}" y="{at}" width="{width:.1f}" height="{BAR - 2}" fill="{COLOURS[name]}"/>'
            )
            label = f"{seconds:.1f}" if seconds else "0"
            if seconds > LONGEST_S:
                label = f"{seconds:.0f} (cut)"
            lines.append(f'<text x="{LEFT + width + 5:.1f}" y="{at + 8}" font-size="9">{label}</text>')
    bottom = TOP + len(kinds) * group
    lines.append(f'<text x="{LEFT}" y="{bottom + 18}">seconds without service a fault, mean</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> int:
    """Write the picture."""
    Path(PICTURE).write_text(draw(json.loads(FIGURES.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
