# SPDX-License-Identifier: Apache-2.0
"""Reads the hours that the gate judges from a Prometheus server: how models do, and nothing else."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from jepa.errors import JepaError
from jepa.fleet.prometheus import Series, quoted
from jepa_lab.fleet.gate import FIGURES, Gate, Hour, differences

HOUR_S: Final = 3600.0
_BEFORE: Final = 7 * 24
"""What machines were before is the mean of so many steps, up to the release."""
_LEAST_WINDOWS: Final = 100 / HOUR_S
_LEAST_FRAMES: Final = 600 / HOUR_S
"""A second, below which a figure says nothing."""
ACCURACY, COVERAGE, CALM, QUIET, ORDER = (each.name for each in FIGURES)


NONE: Final[frozenset[str]] = frozenset()


class Asked(Protocol):
    """What is needed of a server."""

    def over(self, expression: str, start_s: float, end_s: float, step_s: float) -> list[Series]:
        """What ``expression`` was at each step."""


@dataclass(frozen=True, slots=True)
class WaveJudged:
    """What came of the hours since a release to a wave."""

    gate: Gate
    hours: int
    machines: tuple[str, ...]
    """That got the version since then."""
    others: int


def judge(
    server: Asked, job: str, title: str, start_s: float, now_s: float, step_s: float = HOUR_S
) -> WaveJudged:
    """The gate of the version ``title``, NAME_VERSION, over the whole hours from ``start_s`` to ``now_s``.

    What a machine was before are the hours in which it had nothing but what it had at ``start_s``.
    The others are machines that have it still; those that had the version from an earlier wave are on
    neither side. An hour is long enough that one says little of the next; ``step_s`` is another. JepaError
    (404) when no machine of ``job`` has a past.
    """
    start_s = float(int(start_s))  # Prometheus answers in milliseconds, by which hours are found again
    hours = max(0, int((now_s - start_s) // step_s))
    of = f'job="{quoted(job)}"'
    before_s, end_s = start_s - _BEFORE * step_s, start_s + hours * step_s
    had = _had(server, of, before_s, end_s, step_s)
    at_start = {
        machine: each[max(earlier)]
        for machine, each in had.items()
        if (earlier := [at for at in each if at <= start_s])
    } | _has(server, of, start_s)  # who just went back from another version had both in the last hour
    past = _hours(server, of, before_s, start_s, step_s)
    before = {
        machine: _mean([hour for at, hour in past[machine].items() if had[machine].get(at, NONE) <= kept])
        for machine, kept in at_start.items()
        if machine in past and title not in kept
    }
    if not at_start:
        raise JepaError(
            f"Prometheus has no machine in the job {job!r} from before the release of {title}.",
            "The gate compares with what machines were before: scrape them for a day first.",
            status=404,
        )
    later = {machine: {at: each for at, each in had[machine].items() if at > start_s} for machine in before}
    since = {
        machine: min(times)
        for machine, each in later.items()
        if (times := [at for at, titles in each.items() if title in titles])
    }
    others = {
        machine for machine, each in later.items() if all(now <= at_start[machine] for now in each.values())
    }
    gate = Gate()
    now = _hours(server, of, start_s, end_s, step_s) if since else {}
    for number in range(1, hours + 1):
        at = start_s + number * step_s
        # The hour in which it came is one of both versions. In the next one a system that was started anew
        # still learns which channels move, of which the figures are.
        have = {machine for machine, first in since.items() if at > first + step_s}
        judged = have | others
        hour = {machine: each[at] for machine, each in now.items() if at in each and machine in judged}
        if have:
            gate.push(differences(hour, before, have))
    return WaveJudged(gate, hours, tuple(sorted(since)), len(others))


def _had(
    server: Asked, of: str, start_s: float, end_s: float, step_s: float
) -> dict[str, dict[float, frozenset[str]]]:
    """By machine and the end of each hour, the packs and images that it had, as NAME_VERSION."""
    return _titles(
        server,
        lambda metric: f"max_over_time({metric}{{{of}}}[{step_s:g}s])",
        start_s + step_s,
        end_s,
        step_s,
    )


def _has(server: Asked, of: str, at_s: float) -> dict[str, frozenset[str]]:
    """By machine, those that it had at that moment; of machines that answered shortly before."""
    found = _titles(server, lambda metric: f"{metric}{{{of}}}", at_s, at_s, HOUR_S)
    return {machine: titles for machine, each in found.items() for titles in each.values()}


def _titles(
    server: Asked, asked: Callable[[str], str], start_s: float, end_s: float, step_s: float
) -> dict[str, dict[float, frozenset[str]]]:
    found: defaultdict[str, dict[float, frozenset[str]]] = defaultdict(dict)
    for metric in ("jepa_pack_info", "jepa_system_info"):
        for series in server.over(asked(metric), start_s, end_s, step_s):
            labels = series.labels
            title = f"jepa-os_{labels.get('image')}"
            if metric == "jepa_pack_info":
                title = f"{labels.get('pack')}_{labels.get('version')}"
            hours = found[series.machine]
            for at, _ in series.values:
                hours[at] = hours.get(at, NONE) | {title}
    return found


def _hours(
    server: Asked, of: str, start_s: float, end_s: float, step_s: float
) -> dict[str, dict[float, Hour]]:
    """By machine and the end of each hour from ``start_s`` to ``end_s``, its figures."""

    def counted(metric: str, labels: str = "") -> dict[tuple[str, float], float]:
        return read(f"sum by (instance) (increase({metric}{{{of}{labels}}}[{step_s:g}s]))")

    def read(expression: str) -> dict[tuple[str, float], float]:
        found = server.over(expression, start_s + step_s, end_s, step_s)
        return {(each.machine, at): value for each in found for at, value in each.values}

    windows = counted("jepa_forecast_windows_total")
    right, repeated = counted("jepa_forecast_right_total"), counted("jepa_forecast_repeated_right_total")
    covered = counted("jepa_forecast_covered_total")
    frames, strange = counted("jepa_surprise_frames_total"), counted("jepa_surprising_frames_total")
    vain = counted("jepa_alerts_total", ',outcome="false"')
    answered = read(f"avg by (instance) (avg_over_time(up{{{of}}}[{step_s:g}s]))")
    model = read(
        f'avg by (instance) (avg_over_time(jepa_part_state{{{of},part="model",state="ok"}}[{step_s:g}s]))'
    )
    found: defaultdict[str, dict[float, Hour]] = defaultdict(dict)
    for machine, at in answered:
        place = (machine, at)
        figures = {ORDER: answered[place] * model.get(place, 0.0)}
        if (judged := windows.get(place, 0.0)) >= _LEAST_WINDOWS * step_s:
            figures[ACCURACY] = (right.get(place, 0.0) - repeated.get(place, 0.0)) / judged
            figures[COVERAGE] = -abs(covered.get(place, 0.0) / judged - 0.9)
        if (told := frames.get(place, 0.0)) >= _LEAST_FRAMES * step_s:
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
