# SPDX-License-Identifier: Apache-2.0
"""A log2 histogram: how often each size occurred during one interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by size; slot 0 holds 0, slot n holds sizes from 2^(n-1) to below 2^n, the last all above."""

    name: str
    unit: str
    labels: Mapping[str, str]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many were counted."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """The ``share`` quantile (0..1) in ``unit``, even within a slot; None when nothing was counted."""
        return quantile(self.counts, share)


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The ``share`` quantile of log2 ``counts``, linear within the slot that holds it; None without any."""
    total = sum(counts)
    if total == 0:
        return None
    wanted = share * total
    before = 0
    for slot, count in enumerate(counts):
        if count and before + count >= wanted:
            low = 0.0 if slot == 0 else float(2 ** (slot - 1))
            high = 0.0 if slot == 0 else float(2**slot)
            return low + (high - low) * min(1.0, max(0.0, (wanted - before) / count))
        before += count
    raise AssertionError("the counts cannot end before their total")
