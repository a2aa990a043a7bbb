# SPDX-License-Identifier: Apache-2.0
"""docs/reference/actions.md is what the catalogue says."""

from jepa.actions.catalogue import catalogue
from tools.action_reference import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run python -m tools.action_reference"


def test_each_action_has_a_section() -> None:
    for name in catalogue():
        assert f"### `{name}`\n" in page()
