# SPDX-License-Identifier: Apache-2.0
"""The shell's own themes; for sixteen colours those of Textual that use the terminal's own are taken."""

from typing import Final

from textual.theme import Theme

DARK: Final = Theme(
    name="jepa-dark",
    primary="#5aa9e6",
    secondary="#8fa3bf",
    accent="#e0b040",
    success="#57c785",
    warning="#e8a04a",
    error="#f2777a",
    foreground="#d6dde6",
    background="#10141a",
    surface="#171c24",
    panel="#1e2530",
    dark=True,
)
LIGHT: Final = Theme(
    name="jepa-light",
    primary="#1f6fb2",
    secondary="#5b6b80",
    accent="#96690a",
    success="#1c7c45",
    warning="#a65f00",
    error="#b3261e",
    foreground="#1d2530",
    background="#fbfbf9",
    surface="#f1f2f0",
    panel="#e6e8e6",
    dark=False,
)
THEMES: Final = (DARK, LIGHT)
