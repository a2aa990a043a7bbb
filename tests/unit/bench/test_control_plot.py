# SPDX-License-Identifier: Apache-2.0
"""The plot of bench-control shows what was measured, and no bar of what was not."""

from tests.bench.control_plot import draw, ratios

FIGURES = {
    "columns": ["pair", "who", "seeds", "goodput to defaults"],
    "rows": [["one", "defaults", 2, 1.0], ["one", "planner", 2, 1.5], ["one", "kernel rules", 2, 3.0]],
}


def test_a_bar_for_each_who_that_was_measured() -> None:
    assert ratios(FIGURES) == {"one": {"planner": 1.5, "kernel rules": 3.0}}
    picture = draw(FIGURES)
    assert picture.count("<rect") == 4, "two bars and their two names"
    assert ">1.50<" in picture and ">3.00<" in picture and "polite" not in picture


def test_nothing_measured_is_an_empty_picture() -> None:
    assert draw({**FIGURES, "rows": []}).endswith("</svg>\n")
