# SPDX-License-Identifier: Apache-2.0
"""What the full screen is shown in tests: plans, tasks, processes, events, answers to lines; all fixed."""

from collections.abc import Mapping, Sequence
from typing import Any

from jepa.errors import JepaError
from jepa.service.api import EventOut
from jepa.shell.listener import Listener
from jepa.shell.processes import Use

START_NS = 1_780_000_000_000_000_000
NOW_S = 1000.0
"""What the clock of plans stands at."""


def window(low: float, middle: float, high: float) -> list[float]:
    return [low, middle, high]


def plan(
    plan_id: str = "3f9c2a71b04e", tier: str = "tune", decision: str = "ask", steps: int = 2
) -> dict[str, Any]:
    """A plan of two steps for a sentence that limits a backup."""
    every: list[dict[str, Any]] = [
        {
            "n": 1,
            "action": "cpu.max",
            "target": "backup.service",
            "from": None,
            "to": 20,
            "inverse": "cpu.max backup.service max",
            "tier": "tune",
            "reversible": True,
        },
        {
            "n": 2,
            "action": "unit.restart",
            "target": "web.service",
            "from": None,
            "to": None,
            "inverse": "",
            "tier": tier,
            "reversible": tier != "irreversible",
        },
    ]
    windows = {
        "system.cpu.utilization": {
            str(h): {"with": window(20, 28 + h / 60, 36), "without": window(60, 70 + h / 6, 95)}
            for h in (1, 5, 15, 30, 60)
        },
        "system.disk.io.write": {
            str(h): {"with": window(0, 80, 900), "without": window(0, 4000, 9000)}
            for h in (1, 5, 15, 30, 60)
        },
    }
    return {
        "id": plan_id,
        "hash": "0" * 64,
        "boot_id": "b",
        "made": START_NS,
        "expires": START_NS + 60 * 10**9,
        "expires_s": NOW_S + 60,
        "pack": "machine 0.1.0",
        "spec": {"intent": "limit", "targets": ["backup.service"], "until": "PT1H"},
        "steps": every[:steps],
        "imagined": {
            "horizon_s": 30,
            "channels": {},
            "windows": windows,
            "unit": {"system.cpu.utilization": "%", "system.disk.io.write": "KiB/s"},
            "energy": {"with": 0.21, "without": 0.62, "gain": 0.41, "gain_lower": 0.33, "released": None},
        },
        "settable": [],
        "verdict": {
            "decision": decision,
            "reasons": ["Nothing that is protected is touched."]
            if decision != "deny"
            else ["It is the last disk."],
        },
    }


def change(
    change_id: str = "c7", task: str = "", state: str = "committed", came: float | None = 27.0
) -> dict[str, Any]:
    return {
        "id": change_id,
        "ts": START_NS + 90 * 10**9,
        "uid": 1000,
        "unit": "",
        "task": task,
        "plan": "3f9c2a71b04e",
        "action": "cpu.max",
        "target": "backup.service",
        "from": None,
        "to": 20,
        "state": state,
        "why": "the build was slow",
        "detail": "",
        "tier": "tune",
        "reversible": True,
        "persistent": False,
        "left_s": 1700.0 if state == "committed" else None,
        "predicted": {"system.cpu.utilization": [20.0, 28.0, 36.0]},
        "observed": {} if came is None else {"system.cpu.utilization": came},
    }


def task(until: int | None) -> dict[str, Any]:
    return {
        "id": "t1f0c9a3b",
        "spec": {
            "intent": "limit",
            "resource": "cpu",
            "targets": ["backup"],
            "amount": {"value": 20, "unit": "%"},
        },
        "grant": "g1",
        "uid": 1000,
        "state": "active",
        "since": START_NS,
        "until": until,
        "ended": None,
        "why": "",
        "plans": 3,
        "changes": 1,
        "changes_last_minute": 0,
        "settled": True,
        "waits": "",
        "hold_out": False,
        "in_force": [],
        "benefit": {"with": 0.2, "without": 0.6, "windows": 8, "interval": [0.31, 0.47]},
        "left": [],
        "notes": [],
    }


USES = [
    Use("cc1plus", "build.service", 4120, 1, 96.4, 412.0, 0.0, 1830.0),
    Use("python backup.py", "backup.service", 3310, 1, 31.2, 88.0, 9200.0, 11300.0),
    Use("postgres", "postgresql.service", 801, 1, 4.1, 640.0, 120.0, 40.0),
    Use("postgres", "postgresql.service", 802, 1, 0.4, 96.0, 0.0, 12.0),
    Use("firefox", "session-2.scope", 2201, 1, 2.2, 1210.0, None, None),
    Use("kworker/0:1", "kernel", 12, 1, 0.3, 0.0, 0.0, 0.0),
    Use("sshd \x1b[2J\u202eevil", "ssh.service", 655, 1, 0.0, 7.5, 0.0, 0.0),
]


class Processes:
    """Looks that always find the same."""

    def look(self) -> list[Use]:
        return list(USES)


def event(sequence: int, kind: str, severity: str, unit: str, detail: str, at_s: int) -> EventOut:
    return EventOut(
        sequence=sequence,
        ts_ns=START_NS + at_s * 10**9,
        kind=kind,
        severity=severity,
        source="units",
        unit=unit,
        detail=detail,
    )


EVENTS = [
    event(1, "unit_started", "info", "build.service", "", 20),
    event(2, "unit_failed", "error", "web.service", "result exit-code", 60),
    event(3, "oom_kill", "critical", "app.service", "cc1plus (4001)", 150),
]

SENTENCE = "limit backup to 20 % cpu for 1 h"
SPANS = {"intent": [[0, 5]], "targets": [[6, 12]], "amount": [[16, 20]], "until": [[25, 32]]}
SPEC = {"intent": "limit", "tier": "templates", "confidence": 1.0}


class Scripted:
    """Answers lines as a service with those things would."""

    def __init__(self, plans: Mapping[str, dict[str, Any]] | None = None) -> None:
        self.plans = plans or {}
        self.asked: list[str] = []

    def __call__(self, client: Any, line: str, width: int, listener: Listener | None = None) -> str:
        self.asked.append(line)
        assert listener is not None
        if line in self.plans or line == SENTENCE:
            listener.understood("limit cpu of backup to 20 %, for 1 h", SPEC, SPANS)
            listener.planned(self.plans.get(line, plan()), client.frames(limit=30))
            return ""
        if line.startswith("explain"):
            listener.writes("evidence")
            return (
                "machine at 20:30:00, from 200 s of frames\n\n"
                "1. \x1b[33mbackup.service keeps the disk busy\x1b[0m.\n"
                "   backup.service: 81 % of what is written (python backup.py, 3310)\n"
                "   system.disk.io.write is 8.8 MiB/s; usual is 0 to 200 KiB/s\n"
                "     jepa watch system.disk.io.write"
            )
        if line.startswith("apply"):
            listener.wrote("Each step is watched for some seconds, the last for 30 s.\n")
            done = "  c7  cpu.max backup.service 20  \x1b[32mcommitted\x1b[0m"
            return f"Each step is watched for some seconds, the last for 30 s.\n{done}"
        if line == "packs list":
            return "  machine 0.7.2  machine  in use  verified"
        if line == "broken":
            raise JepaError("That cannot be done.", "Try something else.")
        return f"{line}: \x1b[32mok\x1b[0m"


def text_rows(screen: Any) -> Sequence[str]:
    """The characters on the screen, row by row."""
    return [strip.text.rstrip() for strip in screen._compositor.render_strips()]
