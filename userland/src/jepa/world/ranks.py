# SPDX-License-Identifier: Apache-2.0
"""The rank of a value among the newest ones before it."""

from bisect import bisect_left, insort
from collections import deque


class SlidingRanks:
    """The newest values, at most ``length`` of them, in order; a look at them costs O(log n)."""

    def __init__(self, length: int) -> None:
        self._newest: deque[float] = deque(maxlen=length)
        self._ascending: list[float] = []

    def __len__(self) -> int:
        """How many values there are."""
        return len(self._ascending)

    def push(self, value: float) -> None:
        """Add the newest value; the oldest goes when there are too many."""
        if len(self._newest) == self._newest.maxlen:
            del self._ascending[bisect_left(self._ascending, self._newest[0])]
        self._newest.append(value)
        insort(self._ascending, value)

    def below(self, value: float) -> int:
        """How many of them are smaller."""
        return bisect_left(self._ascending, value)

    def quantile(self, share: float) -> float:
        """The value at ``share``, 0..1, of the way from the smallest to the largest; IndexError of none."""
        return self._ascending[int(share * (len(self._ascending) - 1))]

    def clear(self) -> None:
        """Forget them all."""
        self._newest.clear()
        self._ascending.clear()
