# SPDX-License-Identifier: Apache-2.0
"""Reads the hours that the gate judges from a Prometheus server: how models do, and nothing else."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from jepa.errors import JepaError
from jepa.fleet.prometheus import Series
from jepa_lab.fleet.gate import FIGURES, Gate, Hour, differences

HOUR_S: Final = 3600.0
_BEFORE_S: Final = 7 * 24 * HOUR_S
"""What machines were before is the mean of so long, up to the release."""
_LEAST_WINDOWS: Final = 100
_LEAST_FRAMES: Final = 600
ACCURACY, COVERAGE, CALM, QUIET, ORDER = (each.name for each in FIGURES)


class Asked(Protocol):
    """What is needed of a server."""

    def over(self, expression: str, start_s: float, end_s: float, step_s: float) -> list[Series]:
        """What ``expression`` was at each step."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of the hours since a release to a wave."""

    gate: Gate
    hours: int
    machines: tuple[str, ...]
    """That got the version since then."""
    others: int


def judge(server: Asked, job: str, title: str, start_s: float, now_s: float) -> Judged:
    """The gate of the version ``title``, NAME_VERSION, over the whole hours from ``start_s`` to ``now_s``.

    The others are machines on which neither pack nor image changed since. Machines that had the version
    before, from an earlier wave, are on neither side. JepaError (404) when no machine of ``job`` has a past.
    """
    hours = int((now_s - start_s) // HOUR_S)
    of = f'job="{job}"'
    past = _hours(server, of, start_s - _BEFORE_S, start_s)
    before = {machine: _mean(list(each.values())) for machine, each in past.items()}
    if not before:
        raise JepaError(
            f"Prometheus has no machine in the job {job!r} from before the release of {title}.",
            "The gate compares with what machines were before: scrape them for a day first.",
            status=404,
        )
    gate = Gate()
    if not hours:
        return Judged(gate, 0, (), len(before))
    end_s = start_s + hours * HOUR_S
    first_seen = _first_seen(server, of, start_s - _BEFORE_S, end_s)
    since = {machine: each[title] for machine, each in first_seen.items() if each.get(title, 0.0) > start_s}
    others = {
        machine
        for machine in before
        if title not in first_seen[machine] and all(each <= start_s for each in first_seen[machine].values())
    }
    now = _hours(server, of, start_s, end_s)
    for number in range(1, hours + 1):
        at = start_s + number * HOUR_S
        # The hour in which it came is one of both versions.
        have = {machine for machine, first in since.items() if at > first}
        judged = have | others
        hour = {machine: each[at] for machine, each in now.items() if at in each and machine in judged}
        if have:
            gate.push(differences(hour, before, have))
    return Judged(gate, hours, tuple(sorted(since)), len(others))


def _first_seen(server: Asked, of: str, start_s: float, end_s: float) -> dict[str, dict[str, float]]:
    """By machine the packs and images that it had, as NAME_VERSION, and in which hour each came first."""
    seen: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for metric in ("jepa_pack_info", "jepa_system_info"):
        found = server.over(f"max_over_time({metric}{{{of}}}[1h])", start_s, end_s, HOUR_S)
        for series in found:
            labels = series.labels
            title = f"jepa-os_{labels.get('image')}"
            if metric == "jepa_pack_info":
                title = f"{labels.get('pack')}_{labels.get('version')}"
            first = series.values[0][0]
            seen[series.machine][title] = min(first, seen[series.machine].get(title, first))
    return seen


def _hours(server: Asked, of: str, start_s: float, end_s: float) -> dict[str, dict[float, Hour]]:
    """By machine and the end of each hour from ``start_s`` to ``end_s``, its figures."""

    def counted(metric: str, labels: str = "") -> dict[tuple[str, float], float]:
        return read(f"sum by (instance) (increase({metric}{{{of}{labels}}}[1h]))")

    def read(expression: str) -> dict[tuple[str, float], float]:
        found = server.over(expression, start_s + HOUR_S, end_s, HOUR_S)
        return {(each.machine, at): value for each in found for at, value in each.values}

    windows = counted("jepa_forecast_windows_total")
    right, repeated = counted("jepa_forecast_right_total"), counted("jepa_forecast_repeated_right_total")
    covered = counted("jepa_forecast_covered_total")
    frames, strange = counted("jepa_surprise_frames_total"), counted("jepa_surprising_frames_total")
    vain = counted("jepa_alerts_total", ',outcome="false"')
    answered = read(f"avg by (instance) (avg_over_time(up{{{of}}}[1h]))")
    model = read(f'avg by (instance) (avg_over_time(jepa_part_state{{{of},part="model",state="ok"}}[1h]))')
    found: defaultdict[str, dict[float, Hour]] = defaultdict(dict)
    for machine, at in answered:
        place = (machine, at)
        figures = {ORDER: answered[place] * model.get(place, 0.0)}
        if (judged := windows.get(place, 0.0)) >= _LEAST_WINDOWS:
            figures[ACCURACY] = (right.get(place, 0.0) - repeated.get(place, 0.0)) / judged
            figures[COVERAGE] = -abs(covered.get(place, 0.0) / judged - 0.9)
        if (told := frames.get(place, 0.0)) >= _LEAST_FRAMES:
            figures[CALM] = 1 - strange.get(place, 0.0) / told
        if place in vain:
            figures[QUIET] = -min(1.0, vain[place])
        found[machine][at] = figures
    return found


def _mean(hours: list[Hour]) -> Hour:
    return {name: sum(values) / len(values) for name, values in _by_figure(hours)}


def _by_figure(hours: list[Hour]) -> Iterator[tuple[str, list[float]]]:
    for figure in FIGURES:
        if values := [hour[figure.name] for hour in hours if figure.name in hour]:
            yield figure.name, values
