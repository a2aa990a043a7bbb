# SPDX-License-Identifier: Apache-2.0
"""Formats live values for people: numbers with units, intervals, histograms, events, the health line."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jepa.probability import shown_surprise
from jepa.service.api import EventOut, HistogramOut, Status
from jepa.text import shown

_BINARY = ("KiB", "MiB", "GiB", "TiB")


def number(value: float) -> str:
    """At most three digits that matter, with k, M or G above a thousand."""
    size = abs(value)
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= limit * 0.9995:
            return f"{value / limit:.3g}{suffix}"
    if size < 0.005:
        return "0"
    return f"{value:.2f}" if size < 0.995 else f"{value:.1f}" if size < 9.95 else f"{value:.0f}"


def quantity(value: float, unit: str) -> str:
    """A value with its unit, such as ``41 %`` or ``1.2 MiB/s``; ``-`` when it is absent."""
    if not math.isfinite(value):
        return "-"
    if unit.startswith("KiB"):
        step = _binary_step(value)
        return f"{number(value / 1024**step)} {_BINARY[step]}{unit.removeprefix('KiB')}"
    if unit.startswith("{"):
        rate = "/s" if unit.endswith("/s") else ""
        return f"{number(value)}{rate}"
    return f"{number(value)} {'°C' if unit == 'Cel' else unit}".rstrip()


def shown_unit(value: float, unit: str) -> float:
    """How many of ``unit`` the unit that ``quantity`` shows for ``value`` holds."""
    return float(1024 ** _binary_step(value)) if unit.startswith("KiB") and math.isfinite(value) else 1.0


def _binary_step(value: float) -> int:
    step = 0
    while abs(value) >= 999.5 and step < len(_BINARY) - 1:
        value, step = value / 1024, step + 1
    return step


def health(status: Status) -> list[str]:
    """What the header says, most important first; the caller drops from the end what does not fit."""
    facts = [shown(status.host), shown(status.pack or "no pack")]
    if status.state != "ok":
        facts.append(status.state)
    facts.append(f"context {status.context_frames}/{status.context_limit}")
    facts.append(f"surprise {shown_surprise(status.surprise)}")
    facts.append(f"missed {status.missed}")
    if status.mode == "local":
        facts.append("in this process")
    return facts


def fit(facts: Sequence[str], width: int, between: str) -> str:
    """As many facts as fit in ``width`` cells."""
    line = ""
    for fact in facts:
        longer = line + between + fact if line else fact
        if len(longer) > width:
            break
        line = longer
    return line


class Interval(NamedTuple):
    """A forecast's 5th, 50th and 95th percentile, or the pack's nearest, in the channel's unit."""

    low: float
    median: float
    high: float


def interval(quantiles: Mapping[str, float]) -> Interval | None:
    """The outer band and the median of a message's quantiles; None when absent or not finite."""
    if not quantiles:
        return None
    by_level = {float(level): value for level, value in quantiles.items()}

    def nearest(wanted: float) -> float:
        return by_level[min(by_level, key=lambda level: abs(level - wanted))]

    found = Interval(nearest(0.05), nearest(0.5), nearest(0.95))
    return found if all(map(math.isfinite, found)) else None


HEAT = ("system.cpu.run_queue.latency", "system.disk.latency")
"""Histograms worth a strip of their own."""
_SHADES, _ASCII_SHADES = " ░▒▓█", " .:*#"


def heat(histogram: HistogramOut, *, unicode: bool) -> str:
    """One character a size, each twice the one before: the darker, the more often it occurred."""
    shades = _SHADES if unicode else _ASCII_SHADES
    most = max(histogram.counts, default=0)
    scale = (len(shades) - 1) / most if most else 0.0
    return "".join(shades[math.ceil(count * scale)] for count in histogram.counts)


def heat_title(histogram: HistogramOut) -> str:
    """What a strip shows, such as ``run queue foreground`` or ``disk read 254:0``."""
    name = "run queue" if histogram.name == HEAT[0] else "disk"
    return shown(" ".join([name, *reversed(histogram.labels.values())]))


def heat_extent(histogram: HistogramOut) -> str:
    """How many were counted, and what the largest was below."""
    largest = max((slot for slot, count in enumerate(histogram.counts) if count), default=0)
    below = float(2**largest)
    size = f"{below:.0f} {histogram.unit}"
    for unit in ("ms", "s") if histogram.unit == "us" else ():
        if below >= 1000:
            below /= 1000
            size = f"{below:.3g} {unit}"
    return f"{sum(histogram.counts)} below {size}"


def heat_line(histogram: HistogramOut, *, unicode: bool) -> str:
    """One histogram as a line: what it shows, its strip and its extent."""
    return f"{heat_title(histogram):<24}|{heat(histogram, unicode=unicode)}|  {heat_extent(histogram)}"


def event_line(event: EventOut) -> str:
    """One event for people: time, severity, kind, unit and detail."""
    at = time.strftime("%H:%M:%S", time.localtime(event.ts_ns / 1e9))
    what = event.kind.replace("_", " ")
    said = [at, f"{event.severity:8}", what, event.unit or "", f"({event.detail})" if event.detail else ""]
    return "  ".join(shown(word) for word in said if word)
