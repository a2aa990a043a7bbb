# SPDX-License-Identifier: Apache-2.0
"""Which machines of a fleet surprise, warn or regress, as a Prometheus server has their figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from jepa.errors import JepaError
from jepa.fleet.prometheus import Series, quoted

SURPRISING: Final = 0.1
"""A share of strange frames, within an hour, that is no chance; as JepaSurprised (jepa.rules.yml)."""
NO_GAIN: Final = -0.02
"""Accuracy above repetition below which the model is worse than that; as JepaNoBetterThanRepeating."""
REGRESSED: Final = -0.05
"""Change of that within a week; as JepaRegressed."""
FALSE_ALARMS: Final = 3.0
"""False alarms within a day; as JepaFalseAlarms."""
_LEAST_WINDOWS: Final = 100


class Asked(Protocol):
    """What is needed of a server."""

    def instant(self, expression: str) -> list[Series]:
        """What ``expression`` is now."""


@dataclass(frozen=True, slots=True)
class ScrapedMachine:
    """A machine as it was scraped; a figure is None where there is none."""

    name: str
    answers: bool
    pack: str | None
    image: str | None
    surprising: float | None
    """Share of strange frames in the last hour."""
    accuracy: float | None
    """Banded accuracy of the last day."""
    gain: float | None
    """That above repeating the past."""
    change: float | None
    """Of the gain, against the same day of the week before."""
    false_alarms: float | None
    """Within the last day."""
    parts: tuple[str, ...]
    """That are degraded or failed."""
    alerts: tuple[str, ...]
    """That fire in Prometheus, where it has jepa.rules.yml."""

    @property
    def why(self) -> tuple[str, ...]:
        """What somebody should look at, the worst first."""
        found = [] if self.answers else ["away"]
        found += self.parts
        if self.gain is not None and self.gain < NO_GAIN:
            found.append("worse than repeating")
        if self.change is not None and self.change < REGRESSED:
            found.append("regressed")
        if self.surprising is not None and self.surprising > SURPRISING:
            found.append("surprised")
        if self.false_alarms is not None and self.false_alarms > FALSE_ALARMS:
            found.append("false alarms")
        return (*found, *self.alerts)

    @property
    def _weight(self) -> tuple[int, int, float, float, str]:
        """For sorting: who is away or has failed, how much there is to see, then the figures."""
        worst = 0 if not self.answers else 1 if any(each.endswith(" failed") for each in self.parts) else 2
        return worst, -len(self.why), -(self.surprising or 0.0), self.gain or 0.0, self.name


def machines(server: Asked, job: str) -> list[ScrapedMachine]:
    """The machines of the job ``job``, those to look at first. JepaError (404) when there are none."""
    of = f'job="{quoted(job)}"'
    up = _by_machine(server.instant(f"up{{{of}}}"))
    if not up:
        raise JepaError(
            f"Prometheus has no machine in the job {job!r}.",
            "docs/how-to/run-a-fleet.md says how machines are scraped; --job names another job.",
            status=404,
        )
    packs = _labels(server.instant(f"jepa_pack_info{{{of}}}"), "pack", "version")
    images = _labels(server.instant(f"jepa_system_info{{{of}}}"), "image")
    if not images and any(up.values()):
        raise JepaError(
            f"Prometheus has no jepa_system_info of the job {job!r}: what it scrapes there is not jepad.",
            "Enable jepa-figures.socket on the machines, or name another job with --job.",
            status=404,
        )
    windows = f"(sum by (instance) (increase(jepa_forecast_windows_total{{{of}}}[1d])) > {_LEAST_WINDOWS})"
    right = f"sum by (instance) (increase(jepa_forecast_right_total{{{of}}}[1d]))"
    repeated = f"sum by (instance) (increase(jepa_forecast_repeated_right_total{{{of}}}[1d]))"
    accuracy = _by_machine(server.instant(f"{right} / {windows}"))
    gain = _by_machine(server.instant(f"({right} - {repeated}) / {windows}"))
    before = _by_machine(
        server.instant(f"({right} - {repeated}) / {windows}".replace("[1d]", "[1d] offset 1w"))
    )
    strange = _by_machine(
        server.instant(
            f"sum by (instance) (increase(jepa_surprising_frames_total{{{of}}}[1h]))"
            f" / (sum by (instance) (increase(jepa_surprise_frames_total{{{of}}}[1h])) > 0)"
        )
    )
    vain = _by_machine(
        server.instant(f'sum by (instance) (increase(jepa_alerts_total{{{of},outcome="false"}}[1d]))')
    )
    parts = _lists(server.instant(f'jepa_part_state{{{of},state=~"degraded|failed"}} == 1'), "part", "state")
    alerts = _lists(server.instant(f'ALERTS{{{of},alertname=~"Jepa.*",alertstate="firing"}}'), "alertname")
    found = [
        ScrapedMachine(
            name,
            answers > 0,
            packs.get(name),
            images.get(name),
            strange.get(name),
            accuracy.get(name),
            gain.get(name),
            gain[name] - before[name] if name in gain and name in before else None,
            vain.get(name),
            parts.get(name, ()),
            alerts.get(name, ()),
        )
        for name, answers in up.items()
    ]
    return sorted(found, key=lambda each: each._weight)


def _by_machine(found: Iterable[Series]) -> dict[str, float]:
    return {each.machine: each.last for each in found}


def _labels(found: Iterable[Series], *names: str) -> dict[str, str]:
    return {each.machine: " ".join(each.labels.get(name, "") for name in names).strip() for each in found}


def _lists(found: Iterable[Series], *names: str) -> dict[str, tuple[str, ...]]:
    lists: dict[str, set[str]] = {}
    for each in found:
        lists.setdefault(each.machine, set()).add(" ".join(each.labels.get(name, "") for name in names))
    return {machine: tuple(sorted(each)) for machine, each in lists.items()}
