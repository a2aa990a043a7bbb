# SPDX-License-Identifier: Apache-2.0
"""What `watch` shows of each tick, typed anywhere: each channel beside its forecast, and histograms."""

import time
from collections.abc import Sequence

from jepa.probability import shown_surprise
from jepa.service.api import ChannelInfo, ForecastOut, TickOut
from jepa.shell.channel_names import FIRST, label, resolve
from jepa.shell.formatting import HEAT, heat_line, interval, quantity
from jepa.shell.output import Output
from jepa.shell.verbs.forecast import span


def names_channels_alone(words: Sequence[str]) -> bool:
    """Whether a `watch` typed at a prompt, followed by ``words``, is to go on there until it is ended.

    With an option it is a verb like any other, which answers once.
    """
    return not any(word.startswith("-") for word in words)


class TickTable:
    """Draws ticks one after the other, each beside what the one before it forecast."""

    def __init__(self, out: Output, channels: Sequence[ChannelInfo], words: Sequence[str]) -> None:
        """Of the channels that ``words`` name, else those shown first; JepaError (404) for an unknown."""
        self._out = out
        self._units = {channel.name: channel.unit for channel in channels}
        self.names = resolve(words, self._units)
        """The channels that were named."""
        self._shown = self.names or [name for name in FIRST if name in self._units]
        self._before: ForecastOut | None = None

    def draw(self, tick: TickOut) -> None:
        """Each channel now, the band forecast for it a tick ago, and the longest window ahead."""
        out, forecast = self._out, tick.forecast
        at = time.strftime("%H:%M:%S", time.localtime(tick.frame.ts_ns / 1e9))
        surprise = shown_surprise(tick.surprise, tick.surprise_reason)
        took = "" if tick.tick_ms is None else f"  tick {tick.tick_ms:.1f} ms"
        out.line(f"{at}  surprise {surprise}{took}")
        table = self._rows(tick, [*self._shown])
        if not out.fits(table):
            table = self._rows(tick, [label(name) for name in self._shown])
        out.table(table, right=(1, 2))
        for histogram in tick.histograms:
            if histogram.name in HEAT:
                out.line(heat_line(histogram, unicode=out.unicode))
        out.line()
        out.flush()
        self._before = forecast

    def _rows(self, tick: TickOut, titles: Sequence[str]) -> list[list[str]]:
        ahead_s = _longest_s(tick.forecast)
        rows = [["channel", "now", "forecast", "", f"next {ahead_s} s" if ahead_s else ""]]
        for name, title in zip(self._shown, titles, strict=True):
            value, unit = tick.frame.values.get(name), self._units[name]
            now = "-" if value is None else quantity(value, unit)
            rows.append([title, now, *self._band(name, value), self._ahead(tick.forecast, name)])
        return rows

    def _band(self, name: str, value: float | None) -> tuple[str, str]:
        bands = self._before.channels.get(name) if self._before else None
        found = interval(bands[0].mean) if bands and bands[0].horizon_s == 1 else None
        if found is None:
            return "-", ""
        outside = value is not None and not found.low <= value <= found.high
        return span(found, self._units[name]), "!" if outside else ""

    def _ahead(self, forecast: ForecastOut | None, name: str) -> str:
        bands = forecast.channels.get(name) if forecast else None
        found = interval(bands[-1].mean) if bands else None
        if found is None:
            return "-"
        return f"{quantity(found.median, self._units[name])} ({span(found, self._units[name])})"


def _longest_s(forecast: ForecastOut | None) -> int | None:
    bands = next(iter(forecast.channels.values()), None) if forecast else None
    return bands[-1].horizon_s if bands else None
