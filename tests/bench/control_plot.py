# SPDX-License-Identifier: Apache-2.0
"""Draw the goodput of each pair beside that under the kernel's defaults, by who looks after the machine.

`python -m tests.bench.control_plot` reads docs/bench/control-pairs.json and writes docs/images/control.svg,
which reads on light and dark pages.
"""

import json
import math
import sys
from html import escape
from typing import Any

from tools.vm.image import ROOT

FIGURES = ROOT / "docs/bench/control-pairs.json"
PICTURE = ROOT / "docs/images/control.svg"
COLOURS = {
    "planner": "#2a9d8f",
    "persistence": "#8ecfc7",
    "kernel rules": "#5b7db1",
    "polite": "#e9a03b",
    "reactive": "#c8553d",
    "psi": "#9a5fa8",
}
LEFT, WIDTH, BAR, GAP, TOP = 130, 520, 11, 14, 46


def ratios(figures: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Goodput to that of defaults, by pair and who."""
    pair, who, ratio = (figures["columns"].index(name) for name in ("pair", "who", "goodput to defaults"))
    found: dict[str, dict[str, float]] = {}
    for row in figures["rows"]:
        if row[who] in COLOURS:
            found.setdefault(row[pair], {})[row[who]] = row[ratio]
    return found


def draw(figures: dict[str, Any]) -> str:
    """The picture: a group of bars for each pair, and a line where defaults are."""
    pairs = ratios(figures)
    names = [name for name in COLOURS if any(name in each for each in pairs.values())]
    longest = math.ceil(max((ratio for each in pairs.values() for ratio in each.values()), default=1.0))
    scale, group = WIDTH / longest, len(names) * BAR + GAP
    bottom = TOP + len(pairs) * group
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 50} {bottom + 34}" '
        'role="img" font-family="sans-serif" font-size="12" fill="#808080">',
        "<title>Goodput beside that under the kernel's defaults, by pair and who looks after it</title>",
    ]
    for number, name in enumerate(names):
        x = LEFT + number * 88
        lines.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{COLOURS[name]}"/>')
        lines.append(f'<text x="{x + 16}" y="20">{escape(name)}</text>')
    for row, (pair, each) in enumerate(sorted(pairs.items())):
        y = TOP + row * group
        middle = y + len(names) * BAR / 2 + 4
        lines.append(f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(pair)}</text>')
        for number, name in enumerate(names):
            if name not in each:
                continue
            at, width = y + number * BAR, max(1.0, each[name] * scale)
            lines.append(
                f'<rect x="{LEFT}" y="{at}" width="{width:.1f}" height="{BAR - 2}" fill="{COLOURS[name]}"/>'
            )
            label = f"{each[name]:.2f}"
            lines.append(f'<text x="{LEFT + width + 5:.1f}" y="{at + 8}" font-size="9">{label}</text>')
    line = LEFT + scale
    lines.append(f'<path d="M{line:.1f} {TOP - 6}V{bottom}" stroke="#808080" stroke-dasharray="3 3"/>')
    lines.append(f'<text x="{LEFT}" y="{bottom + 18}">goodput; the line is what defaults come to</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> int:
    """Write the picture."""
    PICTURE.write_text(draw(json.loads(FIGURES.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
