# SPDX-License-Identifier: Apache-2.0
"""`jepa forecast`: what is expected of each channel over the coming windows, next to its last minute."""

from jepa.probability import percent
from jepa.service.api import Band, ChannelInfo, ForecastOut, FrameOut
from jepa.shell.channel_names import FIRST, full_name
from jepa.shell.formatting import Interval, interval, quantity
from jepa.shell.output import Output
from jepa.shell.request import Request

PAST_S = 40
"""Seconds of the past in a sparkline, where the terminal has room."""
OVERVIEW_S = 30
"""The horizon of the overview, or the pack's nearest."""
WORTH_TELLING = 0.05
"""Probability from which an event is shown in the overview."""
WITH_PAST = 90
"""Columns from which the overview has room for the past."""


def run(request: Request) -> int:
    """Show the forecast: a line a channel, or a block for each channel named."""
    names = [full_name(name) for name in request.args.channels]
    horizon: int | None = request.args.horizon
    forecast = request.client.forecast(names, horizon)
    out = request.out
    if out.json:
        out.data(forecast)
        return 0
    past = request.client.frames(limit=PAST_S)
    channels = {channel.name: channel for channel in request.client.channels()}
    if names:
        for name in names:
            block(out, channels[name], forecast.channels[name], past)
    else:
        overview(out, channels, forecast, past)
    return 0


def overview(
    out: Output, channels: dict[str, ChannelInfo], forecast: ForecastOut, past: list[FrameOut]
) -> None:
    """One line a channel, the main ones first, at one horizon."""
    names = [name for name in FIRST if name in forecast.channels]
    names += [name for name in forecast.channels if name not in names]
    rows = []
    horizon = quiet = 0
    recent = past[-max(8, min(PAST_S, out.width - 70)) :]
    for name in names:
        band = min(forecast.channels[name], key=lambda band: abs(band.horizon_s - OVERVIEW_S))
        horizon = band.horizon_s
        if name not in FIRST and is_quiet(channels[name], band, past):
            quiet += 1
            continue
        unit = forecast.unit[name]
        rows.append([name, now(past, name, unit), _past(out, recent, name), *_texts(band.mean, unit)])
    if not rows and not quiet:
        out.line("There is no forecast for any channel of this machine.")
        return
    table = [["channel", "now", "past", f"next {horizon} s", "90 % band"], *rows]
    right: tuple[int, ...] = (1, 3, 4)
    if out.width < WITH_PAST:
        table, right = [row[:2] + row[3:] for row in table], (1, 2, 3)
    if not out.fits(table):
        table = [[name.removeprefix("system."), *cells] for name, *cells in table]
    if not out.fits(table):
        table, right = [[row[0], *row[2:]] for row in table], (1, 2)
    out.table(table, right)
    if quiet:
        out.line(f"{quiet} idle channels hidden; name one to see it.")
    event_lines(out, forecast)


def is_quiet(channel: ChannelInfo, band: Band, past: list[FrameOut]) -> bool:
    """Whether the channel is within its noise of 0, and is expected to stay there."""
    coming = interval(band.mean)
    value = past[-1].values.get(channel.name) if past else None
    if coming is None or value is None:
        return False
    return max(abs(value), abs(coming.low), abs(coming.high)) <= channel.noise_floor


def event_lines(out: Output, forecast: ForecastOut) -> None:
    """A line for each event that may well come, the likeliest first."""
    likely = []
    for name, probability in forecast.event_probability.items():
        horizon, chance = max(probability.items(), key=lambda entry: (entry[1], -int(entry[0])))
        if chance >= WORTH_TELLING:
            likely.append((chance, name, horizon))
    for chance, name, horizon in sorted(likely, reverse=True):
        out.line(f"{name.replace('_', ' ')} within {horizon} s: {percent(chance)}")


def block(out: Output, channel: ChannelInfo, bands: list[Band], past: list[FrameOut]) -> None:
    """Everything forecast of one channel."""
    recent = past[-max(8, min(PAST_S, out.width - 58)) :]
    spark = _past(out, recent, channel.name, bands)
    out.line(f"{channel.name}  {now(past, channel.name, channel.unit)}  {spark}")
    rows = [["window", "mean", "90 % band", "P90", "90 % band"]]
    for band in bands:
        rows.append(
            [
                f"next {band.horizon_s} s",
                *_texts(band.mean, channel.unit),
                *_texts(band.p90, channel.unit),
            ]
        )
    out.table(rows, right=(0, 1, 2, 3, 4))


def now(past: list[FrameOut], name: str, unit: str) -> str:
    """The newest reading of ``name``."""
    value = past[-1].values.get(name) if past else None
    return "-" if value is None else quantity(value, unit)


def _past(out: Output, past: list[FrameOut], name: str, bands: list[Band] | None = None) -> str:
    values = [frame.values.get(name) for frame in past]
    coming = [interval(band.mean) for band in bands or []]
    seen = [value for value in values if value is not None]
    seen += [edge for found in coming if found for edge in found]
    if not seen:
        return ""
    low, high = min(0.0, *seen), max(seen)
    drawn = out.spark(values, low, high)
    if not coming:
        return drawn
    median = out.spark([found.median if found else None for found in coming], low, high)
    upper = out.spark([found.high if found else None for found in coming], low, high)
    return f"{drawn}|{median}|{upper}|" if not out.unicode else f"{drawn}│{median}│{upper}│"


def _texts(quantiles: dict[str, float], unit: str) -> tuple[str, str]:
    found = interval(quantiles)
    if found is None:
        return "-", "-"
    return quantity(found.median, unit), span(found, unit)


def span(found: Interval, unit: str) -> str:
    """Both ends of an interval, the unit once where it is the same: ``30 .. 52 %``."""
    low, high = quantity(found.low, unit), quantity(found.high, unit)
    number, _, same = low.partition(" ")
    return f"{number} .. {high}" if same and high.endswith(f" {same}") else f"{low} .. {high}"
