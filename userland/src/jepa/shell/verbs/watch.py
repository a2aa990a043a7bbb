# SPDX-License-Identifier: Apache-2.0
"""`jepa watch`: each second what was observed, what was forecast for it, and what is forecast next."""

import time

from jepa.probability import shown_surprise
from jepa.service.api import ForecastOut, TickOut
from jepa.shell.channel_names import FIRST, resolve
from jepa.shell.formatting import (
    HEAT,
    heat,
    heat_extent,
    heat_title,
    interval,
    quantity,
)
from jepa.shell.output import Output
from jepa.shell.request import Request
from jepa.shell.verbs.forecast import span


def run(request: Request) -> int:
    """Show ticks until --count or Ctrl-C; at the prompt one, unless --count is given."""
    count: int | None = request.args.count
    if count is None and request.prompt:
        count = 1
    channels = {channel.name: channel.unit for channel in request.client.channels()}
    names = resolve(request.args.channels, channels)
    shown = names or [name for name in FIRST if name in channels]
    before: ForecastOut | None = None
    try:
        ticks = (each for each in request.client.stream(names) if isinstance(each, TickOut))
        for seen, tick in enumerate(ticks, start=1):
            if request.out.json:
                request.out.data(tick)
            else:
                block(request.out, tick, before, shown, channels)
            before = tick.forecast
            if count is not None and seen >= count:
                break
    except KeyboardInterrupt:
        if request.prompt:
            raise
    return 0


def block(
    out: Output, tick: TickOut, before: ForecastOut | None, names: list[str], units: dict[str, str]
) -> None:
    """One second: each channel now, the band forecast for it a second ago, and the longest window ahead."""
    at = time.strftime("%H:%M:%S", time.localtime(tick.frame.ts_ns / 1e9))
    surprise = shown_surprise(tick.surprise, tick.surprise_reason)
    took = "" if tick.tick_ms is None else f"  tick {tick.tick_ms:.1f} ms"
    out.line(f"{at}  surprise {surprise}{took}")
    rows = [["channel", "now", "forecast", "", "ahead"]]
    for name in names:
        value = tick.frame.values.get(name)
        rows.append(
            [
                name,
                "-" if value is None else quantity(value, units[name]),
                *_band(before, name, value, units[name]),
                _ahead(tick.forecast, name, units[name]),
            ]
        )
    out.table(rows, right=(1, 2))
    for histogram in tick.histograms:
        if histogram.name in HEAT:
            strip = heat(histogram, unicode=out.unicode)
            out.line(f"{heat_title(histogram):<24}|{strip}|  {heat_extent(histogram)}")
    out.line()
    out.flush()


def _band(before: ForecastOut | None, name: str, value: float | None, unit: str) -> tuple[str, str]:
    bands = before.channels.get(name) if before else None
    found = interval(bands[0].mean) if bands and bands[0].horizon_s == 1 else None
    if found is None:
        return "-", ""
    outside = value is not None and not found.low <= value <= found.high
    return span(found, unit), "!" if outside else ""


def _ahead(forecast: ForecastOut | None, name: str, unit: str) -> str:
    bands = forecast.channels.get(name) if forecast else None
    found = interval(bands[-1].mean) if bands else None
    if not bands or found is None:
        return "-"
    return f"{quantity(found.median, unit)} ({span(found, unit)}) over {bands[-1].horizon_s} s"
