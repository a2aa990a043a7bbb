# SPDX-License-Identifier: Apache-2.0
"""`jepa fleet`: the machines that surprise, warn or regress; the figures of this one to a collector."""

import sys
import threading
from dataclasses import asdict

from jepa.ending import when_asked
from jepa.fleet.prometheus import Prometheus
from jepa.fleet.top import ScrapedMachine, machines
from jepa.service.client import HttpClient
from jepa.service.paths import socket_path
from jepa.shell.request import Request
from jepa.text import shown

_NONE = "-"


def run(request: Request) -> int:
    """Show the machines; 0 also when there is something to look at."""
    args, out = request.args, request.out
    if args.action == "otlp":
        return _send(request)
    every = machines(Prometheus(args.prometheus), args.job)
    found = [each for each in every if args.all or each.why]
    if out.json:
        out.data([{**asdict(each), "why": each.why} for each in found])
        return 0
    if found:
        head = (
            "machine",
            "pack",
            "surprising",
            "accuracy",
            "above repetition",
            "a week ago",
            "false alarms",
        )
        out.table([(*head, "look at"), *(_row(each) for each in found)])
        out.line()
    looked = sum(1 for each in every if each.why)
    out.line(f"{looked} of {len(every)} machines are to be looked at.")
    return 0


def _send(request: Request) -> int:
    """Send figures until Ctrl-C or SIGTERM."""
    from jepa.fleet.otlp import FigureSender

    ending = threading.Event()
    when_asked(ending.set)
    sender = FigureSender(request.args.to, HttpClient(socket_path()).figures)
    try:
        sender.run(request.args.every, ending, lambda text: print(f"jepa: {shown(text)}", file=sys.stderr))
    finally:
        sender.close()
    return 0


def _row(each: ScrapedMachine) -> tuple[str, ...]:
    return (
        each.name,
        each.pack or _NONE,
        _share(each.surprising),
        _share(each.accuracy),
        _share(each.gain, signed=True),
        _share(each.change, signed=True),
        _NONE if each.false_alarms is None else f"{each.false_alarms:.0f}",
        ", ".join(each.why) or _NONE,
    )


def _share(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return _NONE
    return f"{100 * value:+.1f} %" if signed else f"{100 * value:.1f} %"
