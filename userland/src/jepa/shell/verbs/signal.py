# SPDX-License-Identifier: Apache-2.0
"""`jepa signal`: add, remove and list the numbers of a person's own."""

import time
from typing import Any, Final

from jepa.shell.request import Request
from jepa.signals import published, store
from jepa.signals.published import listing, read_published
from jepa.signals.signal import Signal, SignalReading, check_name
from jepa.signals.sources import check_source
from jepa.signals.store import SignalStore
from jepa.telemetry.clocks import boot_s

TAKEN_UP_S: Final = 5.0
"""How long to wait until a new signal was read: what is counted is known from the second reading on."""
AHEAD_S: Final = 15
"""The window whose forecast is shown."""
HEAD: Final = ("name", "state", "value", f"next {AHEAD_S} s", "source", "why")


def run(request: Request) -> int:
    """Do what the action says; 1 when a signal that was added cannot be read."""
    signals = SignalStore(store.FILE)
    match request.args.action:
        case "add":
            added = Signal(check_name(request.args.name), check_source(request.args.source))
            signals.add(added)
            reading = _taken_up(added)
            _tell(request, [(added, reading)])
            return 0 if reading.state in ("ok", "stale") else 1
        case "remove":
            signals.remove(request.args.name)
            request.out.data({"removed": request.args.name}) if request.out.json else None
        case _:
            found = signals()
            if signals.fault:
                request.out.line(signals.fault)
            _tell(request, listing(found, read_published(published.FILE, boot_s())))
    return 0


def _taken_up(signal: Signal) -> SignalReading:
    """What the reader says of ``signal`` once it is ok, or after a while."""
    until = time.monotonic() + TAKEN_UP_S
    while True:
        ((_, reading),) = listing([signal], read_published(published.FILE, boot_s()))
        if reading.state == "ok" or time.monotonic() >= until:
            return reading
        time.sleep(0.2)


def _tell(request: Request, rows: list[tuple[Signal, SignalReading]]) -> None:
    out = request.out
    if out.json:
        out.data([_row(signal, reading) for signal, reading in rows])
    elif not rows:
        out.line("There is no signal. `jepa signal add NAME SOURCE` adds one.")
    else:
        lines = [
            (
                signal.name,
                reading.state,
                "-" if reading.value is None else f"{reading.value:.6g}",
                _ahead(reading),
                signal.source,
                reading.reason,
            )
            for signal, reading in rows
        ]
        out.table([HEAD, *lines])


def _ahead(reading: SignalReading) -> str:
    """The mean of the coming window."""
    if AHEAD_S not in reading.forecast:
        return "-"
    low, _, high = reading.forecast[AHEAD_S]["mean"]
    return f"{low:.4g} .. {high:.4g}"


def _row(signal: Signal, reading: SignalReading) -> dict[str, Any]:
    return {
        "name": signal.name,
        "source": signal.source,
        "state": reading.state,
        "value": reading.value,
        "reason": reading.reason,
        "forecast": reading.forecast,
    }
