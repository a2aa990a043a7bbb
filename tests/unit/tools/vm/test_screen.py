# SPDX-License-Identifier: Apache-2.0
"""Pictures are measured as they are; text becomes the keys of a US keyboard."""

from pathlib import Path

import pytest

from tools.vm.screen import keys, measure


def test_blank_screen_has_one_colour_and_nothing_lit() -> None:
    shot = measure(b"P6\n4 3\n255\n" + bytes(36), Path("x.png"))
    assert (shot.width, shot.height, shot.colours, shot.lit) == (4, 3, 1, 0.0)


def test_lit_share_counts_what_differs_from_the_background() -> None:
    shot = measure(b"P6\n2 2\n255\n" + bytes(9) + b"\n \n", Path("x.png"))
    assert (shot.colours, shot.lit) == (2, 0.25)


def test_other_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="PPM"):
        measure(b"\x89PNG....", Path("x.png"))


@pytest.mark.parametrize(
    ("character", "codes"),
    [("a", ["a"]), ("A", ["shift", "a"]), ("?", ["shift", "slash"]), ("%", ["shift", "5"]), ("\n", ["ret"])],
)
def test_characters_become_keys(character: str, codes: list[str]) -> None:
    assert keys(character) == codes
