# SPDX-License-Identifier: Apache-2.0
"""A clock for tests, which passes only when it is told to."""


class Clock:
    """A clock that moves when slept on or told to, and wakes a little late as a kernel does."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 1_700_000_000_000_000_000
        self.late = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall_ns(self) -> int:
        return self.wall

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.pass_(seconds + self.late)

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.wall += round(seconds * 1e9)
