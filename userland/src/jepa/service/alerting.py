# SPDX-License-Identifier: Apache-2.0
"""Alerts as a part of the service: what outlives a restart, kinds that a person has muted, the state."""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from jepa.durable import PRIVATE, replace_file
from jepa.errors import JepaError
from jepa.service.api import AlertKind, Part
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import Schema
from jepa.world.alert_budget import Ledger, Tally
from jepa.world.alerts import ALERT_KINDS, AlertRecord, Alerts
from jepa.world.forecast import Tick
from jepa.world.trend import EXHAUSTIBLE, TrendRecord, Trends

KINDS: Final = (*ALERT_KINDS, *(each.kind for each in EXHAUSTIBLE))
"""Every kind of alert, as one mutes it."""
_SAVE_NS: Final = 600_000_000_000
"""How often what was learned is written while no alert is raised; a crash loses so much at most."""
_FORMAT: Final = 1


class Alerting:
    """The alerts of each frame, without those of muted kinds; what they came to is kept in ``file``.

    ``look`` belongs to one thread, the other methods may be called from any.
    """

    def __init__(
        self, schema: Schema, file: Path | None, uptime_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Without ``file`` nothing outlives the process; part() says when it cannot be read."""
        self._file = file
        self._uptime_s = uptime_s
        self._lock = threading.Lock()
        self._fault: JepaError | None = None
        self._muted: dict[str, int | None] = {}
        alerts: dict[str, AlertRecord] = {}
        trends: dict[str, TrendRecord] = {}
        if file is not None:
            try:
                alerts, trends, self._muted = _read(file)
            except JepaError as fault:
                self._fault = fault
        self._alerts = Alerts(alerts)
        self._trends = Trends(schema, trends)
        self._saved_ns: int | None = None

    def look(self, frame: Frame, tick: Tick | None) -> list[Event]:
        """The alerts that ``frame`` gives reason for, and ``tick`` where there is a model."""
        events = self._trends.push(frame)
        if tick is not None:
            events += self._alerts.look(tick, self._uptime_s())
        if self._saved_ns is None:
            self._saved_ns = frame.ts_ns
        if events or abs(frame.ts_ns - self._saved_ns) >= _SAVE_NS:
            self._saved_ns = frame.ts_ns
            self._save()
        return [event for event in events if not self._is_muted(event)]

    def hear(self, event: Event) -> None:
        """Know of an event that others reported."""
        self._alerts.hear(event)

    def mute(self, kind: str, until_ns: int | None) -> None:
        """Raise no alert of ``kind`` until a time, or until it is unmuted; JepaError (404) without such."""
        if kind not in KINDS:
            raise JepaError(
                f"There are no alerts of kind {kind[:60]!r}.", f"Kinds are {', '.join(KINDS)}.", status=404
            )
        with self._lock:
            self._muted[kind] = until_ns
        self._save()

    def unmute(self, kind: str) -> None:
        """Raise alerts of ``kind`` again; JepaError (404) when it is not muted."""
        with self._lock:
            if kind not in self._muted:
                raise JepaError(
                    f"{kind[:60]!r} is not muted.", "`jepa status` lists muted kinds.", status=404
                )
            del self._muted[kind]
        self._save()

    def muted(self, now_ns: int) -> dict[str, int | None]:
        """The kinds that are muted, and until when: ns since the epoch, or None for as long as may be."""
        with self._lock:
            self._muted = {
                kind: until for kind, until in self._muted.items() if until is None or now_ns < until
            }
            return dict(self._muted)

    def kinds(self, now_ns: int) -> list[AlertKind]:
        """Every kind of alert, what it came to so far, and whether it is muted."""
        muted, thresholds = self.muted(now_ns), self._alerts.thresholds()
        ledgers = {kind: record.ledger for kind, record in self._alerts.records().items()}
        ledgers |= {kind: record.ledger for kind, record in self._trends.records().items()}
        return [
            AlertKind(
                kind=kind,
                muted=kind in muted,
                muted_until_ns=muted.get(kind),
                threshold=thresholds.get(kind),
                right=ledgers[kind].right,
                false_alarms=ledgers[kind].false,
                last_false_ns=ledgers[kind].last_false_ns,
                open_ns=ledgers[kind].open_ns,
            )
            for kind in KINDS
        ]

    def part(self, now_ns: int) -> Part:
        """The state of alerts."""
        if self._fault is not None:
            return Part(
                name="alerts", state="degraded", reason=self._fault.problem, remedy=self._fault.remedy
            )
        said = []
        if muted := self.muted(now_ns):
            said.append(f"Muted: {', '.join(muted)}.")
        if silent := [kind for kind, threshold in self._alerts.thresholds().items() if threshold is None]:
            said.append(f"Silent after too many false alarms: {', '.join(silent)}.")
        return Part(name="alerts", state="ok", reason=" ".join(said))

    def close(self) -> None:
        """Write what was learned."""
        self._save()

    def _is_muted(self, event: Event) -> bool:
        kind = event.unit if event.kind == "event_predicted" else "anomaly"
        return kind in self.muted(event.ts_ns)

    def _save(self) -> None:
        if self._file is None:
            return
        with self._lock:
            content = {
                "format": _FORMAT,
                "alerts": {kind: asdict(record) for kind, record in self._alerts.records().items()},
                "trends": {kind: asdict(record) for kind, record in self._trends.records().items()},
                "muted": self._muted,
            }
            try:
                _write(self._file, content)
                self._fault = None
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno else str(error)
                self._fault = JepaError(
                    f"What alerts came to cannot be written to {self._file}: {reason}.",
                    "Free some space there; until then it is lost at a restart.",
                )


def _write(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, json.dumps(content), PRIVATE)


def _read(
    file: Path,
) -> tuple[dict[str, AlertRecord], dict[str, TrendRecord], dict[str, int | None]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}")
        alerts = {
            kind: AlertRecord(Tally(**each["counts"]), Ledger(**each["ledger"]))
            for kind, each in content["alerts"].items()
        }
        trends = {
            kind: TrendRecord(**{**each, "ledger": Ledger(**each["ledger"])})
            for kind, each in content["trends"].items()
        }
        return alerts, trends, dict(content["muted"])
    except FileNotFoundError:
        return {}, {}, {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise JepaError(
            f"What earlier alerts came to cannot be read from {file}: {error}.",
            "Nothing need be done: thresholds start anew and the file is written again.",
        ) from error
