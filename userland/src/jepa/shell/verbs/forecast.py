# SPDX-License-Identifier: Apache-2.0
"""`jepa forecast`: what is expected of each channel over the coming windows, next to its last minute."""

from jepa.service.api import Band, ChannelInfo, ForecastOut, FrameOut
from jepa.shell.output import Output
from jepa.shell.request import Request
from jepa.shell.words import FIRST, full_name, interval, quantity

PAST_S = 40
"""Seconds of the past in a sparkline."""
OVERVIEW_S = 30
"""The horizon of the overview, or the pack's nearest."""


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
    horizon = 0
    for name in names:
        band = min(forecast.channels[name], key=lambda band: abs(band.horizon_s - OVERVIEW_S))
        horizon = band.horizon_s
        low, median, high = _texts(band.mean, forecast.unit[name])
        rows.append(
            [name, now(past, name, forecast.unit[name]), _past(out, past, name), median, f"{low} .. {high}"]
        )
    if not rows:
        out.line("There is no forecast for any channel of this machine.")
        return
    head = ["channel", "now", "past", f"next {horizon} s", "90 % band"]
    out.table([head, *rows], right=(1, 3, 4))


def block(out: Output, channel: ChannelInfo, bands: list[Band], past: list[FrameOut]) -> None:
    """Everything forecast of one channel."""
    spark = _past(out, past, channel.name, bands)
    out.line(f"{channel.name}  {now(past, channel.name, channel.unit)}  {spark}")
    rows = [["window", "mean", "90 % band", "P90", "90 % band"]]
    for band in bands:
        low, median, high = _texts(band.mean, channel.unit)
        low90, median90, high90 = _texts(band.p90, channel.unit)
        rows.append(
            [f"next {band.horizon_s} s", median, f"{low} .. {high}", median90, f"{low90} .. {high90}"]
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
    drawn = out.spark(values, low, high).rjust(PAST_S)
    if not coming:
        return drawn
    median = out.spark([found.median if found else None for found in coming], low, high)
    upper = out.spark([found.high if found else None for found in coming], low, high)
    return f"{drawn}|{median}|{upper}|" if not out.unicode else f"{drawn}│{median}│{upper}│"


def _texts(quantiles: dict[str, float], unit: str) -> tuple[str, str, str]:
    found = interval(quantiles)
    if found is None:
        return "-", "-", "-"
    return quantity(found.low, unit), quantity(found.median, unit), quantity(found.high, unit)
