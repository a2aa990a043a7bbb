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


class History:
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

    def line(self, over_s: float = float("inf")) -> Line | None:
        """The line of least squares over the last ``over_s`` seconds; None with fewer than eight numbers."""
        points = [each for each in self._points if each[0] >= self._points[-1][0] - over_s]
        count = len(points)
        if count < 8:
            return None
        start = points[0][0]
        xs = [time - start for time, _ in points]
        ys = [value for _, value in points]
        mean_x, mean_y = sum(xs) / count, sum(ys) / count
        xx = sum((x - mean_x) ** 2 for x in xs)
        xy = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
        yy = sum((y - mean_y) ** 2 for y in ys)
        if xx == 0 or yy == 0:
            return None
        return Line(xy / xx, xy * xy / (xx * yy), xs[-1])


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
