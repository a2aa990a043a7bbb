# SPDX-License-Identifier: Apache-2.0
"""The arrays of frames and forecasts as messages: null where not observed, five significant digits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from jepa.errors import JepaError
from jepa.service.api import Band, ChannelInfo, EventOut, ForecastOut, FrameOut, HistogramOut, TickOut
from jepa.telemetry.events.eventlog import LoggedEvent
from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.schema import Schema
from jepa.world.forecast import SCALE_FRAMES, Forecast, Tick


def rounded(values: npt.NDArray[np.float32], digits: int = 5) -> npt.NDArray[np.float64]:
    """``values``, of any shape, at ``digits`` significant digits: no noise of the 32-bit format in JSON."""
    wide = values.astype(np.float64)
    size = np.abs(wide)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = digits - 1 - np.floor(np.log10(size))
    places = np.where(np.isfinite(places), places, 0.0)
    # Multiplying or dividing by a whole power of ten is exact enough that the result prints with few digits.
    up, down = 10.0 ** np.maximum(places, 0.0), 10.0 ** np.maximum(-places, 0.0)
    result: npt.NDArray[np.float64] = np.rint(wide * up / down) * down / up
    return result


def channel_infos(schema: Schema) -> list[ChannelInfo]:
    """The channels of ``schema``, in frame order."""
    return [
        ChannelInfo(
            name=channel.name,
            unit=channel.unit,
            low=channel.low,
            high=channel.high,
            noise_floor=channel.noise_floor,
            source=channel.source,
            description=channel.description,
        )
        for channel in schema.channels
    ]


def frame_out(schema: Schema, frame: Frame) -> FrameOut:
    """``frame`` by channel name."""
    observed = frame.valid & np.isfinite(frame.values)
    values = [
        value if seen else None
        for value, seen in zip(rounded(frame.values).tolist(), observed.tolist(), strict=True)
    ]
    return FrameOut(ts_ns=frame.ts_ns, values=dict(zip(schema.names, values, strict=True)))


def forecast_out(
    schema: Schema,
    frame: Frame,
    forecast: Forecast,
    channels: Sequence[str] = (),
    horizon_s: int | None = None,
) -> ForecastOut:
    """``forecast`` of ``channels`` (all when none is named), and of one horizon or all.

    JepaError: 404 for a channel that the schema lacks, that this machine does not have or that the pack
    does not forecast; 422 for a horizon that the pack does not forecast.
    """
    positions = _horizons(forecast, horizon_s)
    column = {name: position for position, name in enumerate(forecast.channels)}
    for name in channels:
        _check_channel(schema, frame, column, name)
    names = channels or [
        name for name in forecast.channels if name in schema.names and frame.valid[schema.index(name)]
    ]
    quantiles = [f"{quantile:g}" for quantile in forecast.quantiles]
    mean, p90 = rounded(forecast.mean), rounded(forecast.p90)
    out: dict[str, list[Band]] = {}
    for name in names:
        row = column[name]
        if not (np.isfinite(mean[row]).all() and np.isfinite(p90[row]).all()):
            continue
        out[name] = [
            Band(
                horizon_s=forecast.horizons_s[position],
                mean=dict(zip(quantiles, mean[row, position].tolist(), strict=True)),
                p90=dict(zip(quantiles, p90[row, position].tolist(), strict=True)),
            )
            for position in positions
        ]
    units = {name: schema.channels[schema.index(name)].unit for name in out}
    return ForecastOut(
        ts_ns=forecast.ts_ns,
        unit=units,
        channels=out,
        event_probability=_event_probability(forecast, positions),
    )


def _event_probability(forecast: Forecast, positions: Sequence[int]) -> dict[str, dict[str, float]]:
    """The probability of each event that can be seen on this machine."""
    probability = rounded(forecast.event_probability, 3)
    return {
        name: {str(forecast.horizons_s[position]): float(row[position]) for position in positions}
        for name, row in zip(forecast.events, probability, strict=True)
        if np.isfinite(row).all()
    }


def event_out(logged: LoggedEvent) -> EventOut:
    """``logged`` as a message."""
    event = logged.event
    return EventOut(
        sequence=logged.sequence,
        ts_ns=event.ts_ns,
        kind=event.kind,
        severity=event.severity,
        source=event.source,
        unit=event.unit,
        detail=event.detail,
    )


class SurpriseOut(NamedTuple):
    """The fields of a message that say how surprising a frame was."""

    probability: float | None
    """0..1."""
    reason: str
    """Why there is no probability, or empty."""
    channels: list[tuple[str, float]]
    """Channels furthest outside their forecast, in band widths, worst first."""


def surprise_out(tick: Tick | None) -> SurpriseOut:
    """The surprise of a tick, once enough frames have shown what surprises on this machine.

    Before that it only compares this machine with those of the pack's calibration: an idle one that the pack
    does not know would show 0.99 for minutes.
    """
    surprise = None if tick is None else tick.surprise
    if surprise is None:
        return SurpriseOut(None, "no forecast to compare with", [])
    if not surprise.scaled:
        return SurpriseOut(None, f"needs {SCALE_FRAMES} frames of this machine, {surprise.frames} seen", [])
    channels = [(name, round(distance, 3)) for name, distance in surprise.channels]
    return SurpriseOut(round(surprise.probability, 5), "", channels)


class TickedFrame(Protocol):
    """A frame of the ring with what was forecast from it and what was counted since the one before."""

    @property
    def sequence(self) -> int:
        """Number of the frame."""

    @property
    def frame(self) -> Frame:
        """What was observed."""

    @property
    def tick(self) -> Tick | None:
        """What was forecast; None without a model."""

    @property
    def histograms(self) -> Sequence[Histogram]:
        """What was counted by size."""


def tick_out(schema: Schema, ticked: TickedFrame, channels: Sequence[str] = ()) -> TickOut:
    """A frame and what was forecast from it, of ``channels`` alone where some are named.

    A channel that is not observed has the value null and no forecast. Histograms belong to no channel and
    are left out where some are named.
    """
    frame, tick = ticked.frame, ticked.tick
    surprise = surprise_out(tick)
    whole = frame_out(schema, frame)
    forecast = None
    if tick is not None:
        known = set(tick.forecast.channels)
        seen = [name for name in channels if name in known and whole.values[name] is not None]
        if seen or not channels:
            forecast = forecast_out(schema, frame, tick.forecast, seen)
        else:
            forecast = replace(forecast_out(schema, frame, tick.forecast), unit={}, channels={})
    return TickOut(
        sequence=ticked.sequence,
        frame=replace(whole, values={name: whole.values[name] for name in channels}) if channels else whole,
        forecast=forecast,
        surprise=surprise.probability,
        surprise_reason=surprise.reason,
        surprise_channels=surprise.channels,
        tick_ms=round(tick.elapsed_ms, 3) if tick else None,
        histograms=[]
        if channels
        else [
            HistogramOut(name=each.name, unit=each.unit, labels=dict(each.labels), counts=list(each.counts))
            for each in ticked.histograms
        ],
    )


def _horizons(forecast: Forecast, horizon_s: int | None) -> list[int]:
    if horizon_s is None:
        return list(range(len(forecast.horizons_s)))
    if horizon_s not in forecast.horizons_s:
        known = ", ".join(map(str, forecast.horizons_s))
        near = min(forecast.horizons_s, key=lambda known: abs(known - horizon_s))
        raise JepaError(
            f"The model has no forecast for {horizon_s} s.",
            f"It forecasts {known} s; the nearest is {near}.",
            status=422,
        )
    return [forecast.horizons_s.index(horizon_s)]


def _check_channel(schema: Schema, frame: Frame, column: dict[str, int], name: str) -> None:
    position = schema.index(name)
    if not frame.valid[position]:
        raise JepaError(
            f"The channel {name!r} is not observed on this machine.",
            f"`jepa doctor` says why its source, {schema.channels[position].source}, gives nothing.",
            status=404,
        )
    if name not in column:
        raise JepaError(
            f"The model does not forecast {name!r}.",
            "Name another channel, or use a pack built for this schema.",
            status=404,
        )
