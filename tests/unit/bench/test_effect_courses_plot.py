# SPDX-License-Identifier: Apache-2.0
"""The picture of courses shows what its figures say."""

from xml.etree import ElementTree

from tests.bench.effect_courses_plot import HEIGHT, LEAST, MOST, TOP, draw

COLUMNS = ["courses", "who", "window", "imagined", "as if nothing were done", "second run"]


def test_a_line_lies_where_its_figures_are() -> None:
    rows = [
        ["trials", "pack", "1 s", MOST, 1.0, 0.5],
        ["trials", "pack", "5 s", LEAST, 1.0, 0.5],
        ["branches", "pack", "1 s", 9.0, 1.0, "-"],
    ]
    root = ElementTree.fromstring(draw({"columns": COLUMNS, "rows": rows}))
    drawn = [each.attrib["points"] for each in root if each.tag.endswith("polyline")]
    assert len(drawn) == 5, "no second run of the moments"
    heights = [float(point.split(",")[1]) for point in drawn[0].split()]
    assert heights == [TOP, TOP + HEIGHT]
    assert float(drawn[3].split(",")[1]) == TOP, "what lies beyond is drawn at the edge"
