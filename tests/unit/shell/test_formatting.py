# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from jepa.shell.formatting import fit, quantity


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (41.4, "%", "41 %"),
        (0.26, "%", "0.26 %"),
        (0.0, "%", "0 %"),
        (math.nan, "%", "-"),
        (math.inf, "KiB/s", "-"),
        (12.0, "KiB/s", "12 KiB/s"),
        (2048.0, "KiB/s", "2.0 MiB/s"),
        (1023.0, "KiB/s", "1.0 MiB/s"),
        (5e12, "KiB/s", "4.66k TiB/s"),
        (1234.0, "{switch}/s", "1.23k/s"),
        (3.0, "{task}", "3.0"),
        (50.5, "Cel", "50 °C"),
    ],
)
def test_a_quantity_is_short_and_has_its_unit(value: float, unit: str, said: str) -> None:
    assert quantity(value, unit) == said


def test_facts_that_do_not_fit_are_left_out() -> None:
    assert fit(["jepa", "host", "context"], 13, " | ") == "jepa | host"
