# SPDX-License-Identifier: Apache-2.0
"""When a condition that is observed again and again begins and when it ends, without flickering between."""

from collections import deque


class Hysteresis:
    """Begins at ``enough`` positives of the last ``of`` observations; ends after ``calm`` negatives."""

    def __init__(self, *, of: int, enough: int, calm: int) -> None:
        """ValueError unless 1 <= enough <= of and calm >= 1."""
        if not 1 <= enough <= of or calm < 1:
            raise ValueError(f"no hysteresis begins at {enough} of {of} and ends after {calm}")
        self._enough, self._calm = enough, calm
        self._recent: deque[bool] = deque(maxlen=of)
        self._negative: int | None = None
        """Negative observations since the last positive one, while the condition holds."""

    @property
    def holds(self) -> bool:
        """Whether the condition has begun and not ended."""
        return self._negative is not None

    @property
    def at_rest(self) -> bool:
        """Whether the next negative observation changes nothing: none that counts was positive."""
        return self._negative is None and not any(self._recent)

    def push(self, positive: bool) -> bool:
        """Take the next observation; True when the condition began or ended with it (see ``holds``)."""
        if self._negative is None:
            self._recent.append(positive)
            if sum(self._recent) < self._enough:
                return False
            self._negative = 0
            return True
        self._negative = 0 if positive else self._negative + 1
        if self._negative < self._calm:
            return False
        self.clear()
        return True

    def clear(self) -> None:
        """Forget all observations: the condition does not hold."""
        self._recent.clear()
        self._negative = None
