# SPDX-License-Identifier: Apache-2.0
"""How probabilities are shown to people."""


def percent(probability: float) -> str:
    """``probability``, 0..1, in percent: no forecast is certain, so the ends are not 0 % and 100 %."""
    if probability >= 0.99:
        return "more than 99 %"
    return "less than 1 %" if probability < 0.01 else f"{probability * 100:.0f} %"


def shown_surprise(probability: float | None, reason: str = "") -> str:
    """A surprise, 0..1, with two digits; 0.99 at most, since a stranger frame can always come.

    Where it is None, a dash and the ``reason``.
    """
    if probability is None:
        return f"- ({reason})" if reason else "-"
    return f"{min(probability, 0.99):.2f}"
