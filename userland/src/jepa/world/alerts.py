# SPDX-License-Identifier: Apache-2.0
"""From ticks to alerts: the machine does what the model did not expect, or an event is predicted.

Each kind of alert, that of anomalies and one for each event, keeps a budget of one false alarm a day
(`jepa.world.alert_budget`). An alert is right when within a minute the event begins or, of an anomaly, any
event begins or a warning is reported.

Nothing is raised in the first minutes, for three reasons. Every boot does what the machine does not do again
until the next one, so the first BOOT_S seconds of uptime say nothing of the machine. A forecast from fewer
than CONTEXT_FRAMES frames rests on next to nothing. And how strange a frame is can only be said once enough
frames have shown what surprises on this machine (`jepa.world.forecast.SCALE_FRAMES`).
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from jepa.probability import percent
from jepa.telemetry.events.event import Event
from jepa.world.alert_budget import AlertBudget, Ledger, Levels, Tally
from jepa.world.event_definitions import EVENT_DEFINITIONS
from jepa.world.forecast import FloatArray, Forecast, Surprise, Tick

SOURCE: Final = "model"
ANOMALY: Final = "anomaly"
BOOT_S: Final = 300.0
CONTEXT_FRAMES: Final = 30
STRANGE: Final = 0.995
"""Share of frames that a frame must surprise more than to count as strange."""

_PROBABILITIES = (0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_EVENT = Levels(_PROBABILITIES, (4, 2, 1, 1, 1, 1, 1, 1), of=2, enough=2, clear=0.1, calm=1)
"""Alerts start at 0.9, from which most onsets are predicted on the recordings to tune on: from higher levels
more are missed, and from lower ones a false alarm soon silences the rest. Three days without a false alarm
bring the level down to 0.7."""
_GRAVE = Levels(_PROBABILITIES, (2, 1, 1, 1, 1, 1, 1, 1), of=2, enough=2, clear=0.1, calm=1)
"""Of what cannot be taken back the model is less sure, and missing it costs more: alerts start at 0.8."""
_GRAVE_EVENTS = frozenset({"oom_kill", "disk_full"})
_ANOMALY = Levels((2.5, 3, 3.5, 4, 4.5, 5, 6), (6, 4, 2, 1, 1, 1, 1), of=5, enough=3, clear=0.0, calm=15)
"""Sizes of surprise, a logarithm: injected faults reach 4 to 5.5, ordinary frames are at about 0.7."""
_FEWEST, _MOST_BANDS = 0.1, 100.0
"""Distances are shown within these: beyond them another digit says nothing."""


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """What outlives a restart of one kind of alert."""

    counts: Tally = field(default_factory=Tally)
    ledger: Ledger = field(default_factory=Ledger)


ALERT_KINDS: Final[tuple[str, ...]] = (ANOMALY, *(each.name for each in EVENT_DEFINITIONS))


class Alerts:
    """Decides what a person is alerted to. ``look`` is called once a tick, ``hear`` at any time."""

    def __init__(self, records: Mapping[str, AlertRecord] | None = None) -> None:
        """``records`` are those of an earlier process, by kind."""
        known = records or {}
        self._budgets = {kind: _budget(kind, known.get(kind)) for kind in ALERT_KINDS}
        self._reports = {each.event: each.name for each in EVENT_DEFINITIONS if each.event is not None}
        self._heard: deque[Event] = deque(maxlen=100)
        self._held: dict[str, bool] = {}
        self._anomaly_raised = False

    def look(self, tick: Tick, uptime_s: float) -> list[Event]:
        """The alerts that ``tick`` gives reason for, most often none, ``uptime_s`` after boot."""
        happens, news = self._happening(tick)
        early = uptime_s < BOOT_S
        return [
            *self._anomaly(tick, news, early=early or not _scaled(tick.surprise)),
            *self._predicted(tick.forecast, happens, early=early or tick.context_frames < CONTEXT_FRAMES),
        ]

    def hear(self, event: Event) -> None:
        """Know of an event that others reported: it may be what an alert was about."""
        if event.source != SOURCE and event.severity != "info":
            self._heard.append(event)

    def records(self) -> dict[str, AlertRecord]:
        """What is to outlive this process."""
        return {kind: AlertRecord(each.counts, each.ledger) for kind, each in self._budgets.items()}

    def thresholds(self) -> dict[str, float | None]:
        """The score from which each kind is raised now; None where every level has given false alarms."""
        return {kind: budget.threshold for kind, budget in self._budgets.items()}

    def standing(self, kind: str) -> bool:
        """Whether an alert of ``kind`` was raised and what it is about has not passed."""
        return self._budgets[kind].stands

    def _happening(self, tick: Tick) -> tuple[dict[str, bool], bool]:
        """Which events happen now, and whether one of them, or a reported warning, is new."""
        happens = {
            name: bool(holds > 0) for name, holds in zip(tick.forecast.events, tick.event_holds, strict=True)
        }
        news = False
        while self._heard:
            event = self._heard.popleft()
            news = True
            if (name := self._reports.get(event.kind)) is not None:
                happens[name] = True
        news |= any(holds and not self._held.get(name, False) for name, holds in happens.items())
        self._held = happens
        return happens, news

    def _anomaly(self, tick: Tick, news: bool, *, early: bool) -> Iterator[Event]:
        surprise, budget = tick.surprise, self._budgets[ANOMALY]
        strange = surprise is not None and surprise.probability >= STRANGE
        score = surprise.size if surprise is not None and strange else -np.inf
        if budget.push(tick.forecast.ts_ns, score, news, mute=early) and surprise is not None:
            self._anomaly_raised = True
            yield Event(tick.forecast.ts_ns, "anomaly", None, describe(surprise), "warning", SOURCE)
        elif self._anomaly_raised and not budget.stands:
            self._anomaly_raised = False
            yield Event(tick.forecast.ts_ns, "anomaly_over", None, None, source=SOURCE)

    def _predicted(self, forecast: Forecast, happens: Mapping[str, bool], *, early: bool) -> Iterator[Event]:
        most = np.fmax.reduce(forecast.event_probability, axis=1, initial=0.0).tolist()  # of those known
        for name, row, probability in zip(forecast.events, forecast.event_probability, most, strict=True):
            budget = self._budgets[name]
            threshold = budget.threshold
            raised = budget.push(forecast.ts_ns, probability, happens.get(name, False), mute=early)
            if raised and threshold is not None:
                yield _alert(forecast, name, row, threshold)


def _scaled(surprise: Surprise | None) -> bool:
    return surprise is None or surprise.scaled


def _budget(kind: str, record: AlertRecord | None) -> AlertBudget:
    levels = _ANOMALY if kind == ANOMALY else _GRAVE if kind in _GRAVE_EVENTS else _EVENT
    return AlertBudget(levels) if record is None else AlertBudget(levels, record.counts, record.ledger)


def _alert(forecast: Forecast, name: str, row: FloatArray, threshold: float) -> Event:
    soonest = forecast.horizons_s[int(np.argmax(row >= threshold))]
    detail = f"{name.replace('_', ' ')} within {soonest} s: {percent(float(row.max()))}"
    return Event(forecast.ts_ns, "event_predicted", name, detail, "warning", SOURCE)


def describe(surprise: Surprise) -> str:
    """How strange a frame is, and the channels that strayed furthest, for people."""
    strayed = ", ".join(f"{name} ({_bands(distance)})" for name, distance in surprise.channels[:3])
    return (
        f"stranger than {min(surprise.probability, 0.999):.1%} of frames; {strayed or 'no single channel'}"
    )


def _bands(distance: float) -> str:
    if distance > _MOST_BANDS:
        return f"more than {_MOST_BANDS:.0f} bands out"
    return f"{max(distance, _FEWEST):.1f} bands out"
