# SPDX-License-Identifier: Apache-2.0
"""Draw how far imagined courses drift from those that came, by who imagined them.

`python -m tests.bench.effect_courses_plot` reads docs/bench/effect-courses.json and writes
docs/images/effect-courses.svg, which reads on light and dark pages.
"""

import json
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from tools.vm.image import ROOT

FIGURES: Final = ROOT / "docs/bench/effect-courses.json"
PICTURE: Final = ROOT / "docs/images/effect-courses.svg"
COLOURS: Final = {
    "pack": "#2a9d8f",
    "rules, fitted": "#e9a03b",
    "arx": "#c8553d",
    "trees": "#6d8fd6",
    "rssm": "#a06cd5",
    "ensemble": "#8a8d3a",
}
TITLES: Final = {"trials": "held-out trials", "branches": "moments of the laboratory"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 250, 210, 60, 64, 90
LEAST, MOST = 0.4, 1.4
"""Of the error of the past window; what lies beyond is drawn at the edge."""

Line = Sequence[tuple[str, float]]
"""By window, what is drawn."""


def lines(figures: dict[str, Any], source: str) -> dict[str, Line]:
    """Each peer's line for one source, that of the pack as if nothing were done, and the second run's."""
    at = {name: number for number, name in enumerate(figures["columns"])}
    rows = [row for row in figures["rows"] if row[at["courses"]] == source]
    found = {
        who: [(row[at["window"]], row[at["imagined"]]) for row in rows if row[at["who"]] == who]
        for who in COLOURS
    }
    for title, column in (
        ("pack, as if nothing were done", "as if nothing were done"),
        ("second run", "second run"),
    ):
        found[title] = [
            (row[at["window"]], row[at[column]])
            for row in rows
            if row[at["who"]] == "pack" and not isinstance(row[at[column]], str)
        ]
    return {who: line for who, line in found.items() if line}


def draw(figures: dict[str, Any]) -> str:
    """The picture: one panel for each source, persistence as a line at 1."""
    parts = {source: lines(figures, source) for source in TITLES}
    width = LEFT + len(parts) * (WIDTH + GAP)
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HEIGHT + 50}" role="img" '
        'font-family="sans-serif" font-size="12" fill="#808080">',
        "<title>Error of imagined courses beside that of the past window, by length of the window</title>",
    ]
    for number, (source, drawn) in enumerate(parts.items()):
        left = LEFT + number * (WIDTH + GAP)
        svg += _panel(drawn, left, TITLES[source])
    names = [*COLOURS, "pack, as if nothing were done", "second run"]
    for number, name in enumerate(name for name in names if any(name in drawn for drawn in parts.values())):
        x, y = LEFT + (number % 4) * 180, 12 + 18 * (number // 4)
        svg.append(f'<path d="M{x} {y - 4}h20" {_stroke(name)}/>')
        svg.append(f'<text x="{x + 26}" y="{y}" font-size="11">{escape(name)}</text>')
    return "\n".join([*svg, "</svg>", ""])


def _panel(drawn: dict[str, Line], left: int, title: str) -> list[str]:
    windows = [window for window, _ in max(drawn.values(), key=len)]
    step = WIDTH / max(1, len(windows) - 1)

    def height(value: float) -> float:
        return TOP + HEIGHT * (MOST - min(MOST, max(LEAST, value))) / (MOST - LEAST)

    svg = [f'<text x="{left}" y="{TOP - 10}">{escape(title)}</text>']
    for tenth in range(4, 15, 2):
        y = height(tenth / 10)
        dash = "" if tenth == 10 else ' stroke-dasharray="2 4"'
        svg.append(
            f'<path d="M{left} {y:.1f}h{WIDTH}" stroke="#808080" stroke-width="0.6"{dash} fill="none"/>'
        )
        svg.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tenth / 10:.1f}</text>')
    for number, window in enumerate(windows):
        x = left + number * step
        svg.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{escape(window)}</text>')
    for who, line in drawn.items():
        points = " ".join(
            f"{left + windows.index(window) * step:.1f},{height(value):.1f}" for window, value in line
        )
        svg.append(f'<polyline points="{points}" {_stroke(who)}/>')
    svg.append(
        f'<text x="{left}" y="{TOP + HEIGHT + 38}" font-size="11">window; 1 is the past window again</text>'
    )
    return svg


def _stroke(who: str) -> str:
    colour = COLOURS.get(who, COLOURS["pack"] if who.startswith("pack") else "#808080")
    wide = 3 if who == "pack" else 1.5
    dash = "" if who in COLOURS else ' stroke-dasharray="5 3"'
    return f'stroke="{colour}" stroke-width="{wide}"{dash} fill="none"'


def main() -> int:
    """Write the picture."""
    Path(PICTURE).write_text(draw(json.loads(FIGURES.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
