# SPDX-License-Identifier: Apache-2.0
"""Numbers of the recent past: how fast a counter rises and whether a straight line explains it."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through numbers over time."""

    rate: float
    """Per second."""
    explained: float
    """Share of the variance that it explains, 0..1."""
    span_s: float
    """Seconds from the first to the last number."""


class RecentNumbers:
    """The numbers of the last ``keep_s`` seconds."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._points: deque[tuple[float, float]] = deque()

    def push(self, now_s: float, value: float) -> None:
        """Add the number at ``now_s``; one below the last means a new counter, which begins anew."""
        self._points.append((now_s, value))
        while self._points and self._points[0][0] < now_s - self._keep_s:
            self._points.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self._points.clear()

    @property
    def span_s(self) -> float:
        """Seconds that are remembered."""
        return self._points[-1][0] - self._points[0][0] if len(self._points) > 1 else 0.0

    @property
    def last(self) -> float | None:
        """The newest number; None before the first."""
        return self._points[-1][1] if self._points else None

    def growth(self, over_s: float) -> float:
        """How much it grew over the last ``over_s`` seconds, or over less when less is remembered."""
        if len(self._points) < 2:
            return 0.0
        now, newest = self._points[-1]
        oldest = next(value for time, value in self._points if time >= now - over_s)
        return newest - oldest

    def rate(self, over_s: float) -> float | None:
        """Growth per second over the last ``over_s`` seconds; None while less than half of that is known."""
        if len(self._points) < 2:
            return None
        now, newest = self._points[-1]
        time, oldest = next(point for point in self._points if point[0] >= now - over_s)
        return (newest - oldest) / (now - time) if now - time >= over_s / 2 else None


class LeastSquares:
    """The line of least squares through the numbers of the last ``keep_s`` seconds.

    A number costs as much however many are remembered: sums are kept of them. With whole numbers these are
    exact for ever, since time counts in whole milliseconds; floating-point numbers are for windows that are
    filled once.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_ms = round(1000 * keep_s)
        self._points: deque[tuple[int, float]] = deque()
        self._t = self._tt = 0
        self._y: float = 0
        self._yy: float = 0
        self._ty: float = 0
        self.last: float | None = None
        """The newest number; None before the first."""

    def push(self, now_s: float, value: float) -> None:
        """Add the number at ``now_s``."""
        now = round(1000 * now_s)
        self._points.append((now, value))
        self._add(now, value, 1)
        self.last = value
        while self._points[0][0] < now - self._keep_ms:
            self._add(*self._points.popleft(), -1)

    def line(self) -> Line | None:
        """The line; None with fewer than eight numbers, or where they are all the same."""
        count = len(self._points)
        if count < 8:
            return None
        tt = count * self._tt - self._t * self._t
        ty = count * self._ty - self._t * self._y
        yy = count * self._yy - self._y * self._y
        if tt <= 0 or yy <= 0:
            return None
        span = self._points[-1][0] - self._points[0][0]
        return Line(1000 * ty / tt, min(1.0, ty / tt * ty / yy), span / 1000)

    def _add(self, time: int, value: float, sign: int) -> None:
        self._t += sign * time
        self._tt += sign * time * time
        self._y += sign * value
        self._yy += sign * value * value
        self._ty += sign * time * value


class Sustained:
    """Whether a condition has held without a break of more than ``grace_s`` for ``for_s`` seconds."""

    def __init__(self, for_s: float, grace_s: float = 0.0) -> None:
        self._for_s, self._grace_s = for_s, grace_s
        self._since: float | None = None
        self._last = float("-inf")

    def push(self, now_s: float, holds: bool) -> bool:
        """Take the next observation."""
        if holds:
            self._since = now_s if self._since is None else self._since
            self._last = now_s
        elif now_s - self._last > self._grace_s:
            self._since = None
        return self._since is not None and now_s - self._since >= self._for_s
