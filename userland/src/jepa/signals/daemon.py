# SPDX-License-Identifier: Apache-2.0
"""jepa-signals: reads the signals once a second, judges them, and publishes what they say.

A process of its own, since it alone opens connections to programs of persons: neither jepad nor the actuator
can be held up, fed or reached by one. It has a thread for each signal, so that none waits for another.
"""

import argparse
import contextlib
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from jepa.ending import end, when_asked
from jepa.errors import JepaError
from jepa.notify import Notifier
from jepa.signals import published, store
from jepa.signals.forecast import SignalForecaster
from jepa.signals.record import Record
from jepa.signals.signal import NoNews, Signal, SignalReading, Unreachable
from jepa.signals.sources import SignalSource, open_source
from jepa.signals.store import SignalStore
from jepa.telemetry.clocks import boot_s

PERIOD_S: Final = 1.0


class Watched:
    """One signal, read in a thread of its own until it is stopped."""

    def __init__(self, signal: Signal) -> None:
        """JepaError when its source is none."""
        self.signal = signal
        source = open_source(signal.source)
        self._record = Record(source.least)
        self._forecaster = SignalForecaster()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, args=(source,), name=signal.name, daemon=True).start()

    def reading(self) -> SignalReading:
        """What it says now; that grows stale by itself when its thread hangs."""
        with self._lock:
            found = self._record.reading(boot_s())
            return replace(found, forecast=self._forecaster.forecast()) if found.state == "ok" else found

    def stop(self) -> None:
        """Read it no more; not waited for, since a disk that hangs holds up whoever reads it."""
        self._stopped.set()

    def _run(self, source: SignalSource) -> None:
        while not self._stopped.is_set():
            self._read(source)
            self._stopped.wait(PERIOD_S)
        source.close()

    def _read(self, source: SignalSource) -> None:
        try:
            value = source.read()
        except NoNews as error:
            state, reason = "stale", str(error)
        except Unreachable as error:
            state, reason = "unreachable", str(error)
        except TimeoutError:
            state, reason = "unreachable", "it does not answer in time"
        except OSError as error:
            state, reason = "unreachable", (error.strerror or str(error)).lower()
        else:
            now_s = boot_s()
            with self._lock:
                self._record.add(now_s, value)
                if self._record.reading(now_s).state == "ok":
                    self._forecaster.add(now_s, value)
            return
        with self._lock:
            self._record.fail("stale" if state == "stale" else "unreachable", reason)


class SignalsReader:
    """All signals of a ``SignalStore``, published in one file."""

    def __init__(self, signals: SignalStore, path: Path) -> None:
        self._signals = signals
        self._path = path
        self._watched: dict[str, Watched] = {}

    def turn(self) -> bool:
        """Take up what was added or removed and publish; whether there is anything to read."""
        wanted = {each.name: each for each in self._signals()}
        for name, watched in list(self._watched.items()):
            if wanted.get(name) != watched.signal:
                watched.stop()
                del self._watched[name]
        for name, each in wanted.items():
            if name not in self._watched:
                self._watched[name] = Watched(each)
        readings = {name: each.reading() for name, each in self._watched.items()}
        sources = {name: each.signal.source for name, each in self._watched.items()}
        published.publish(self._path, sources, readings, boot_s())
        return bool(wanted) or bool(self._signals.fault)

    def close(self) -> None:
        """Read nothing more; what was published is gone."""
        for watched in self._watched.values():
            watched.stop()
        with contextlib.suppress(OSError):
            self._path.unlink()


def main(argv: Sequence[str] | None = None) -> int:
    """Read until SIGTERM or SIGINT, or until there is no signal; 1 with one sentence when it cannot."""
    parser = argparse.ArgumentParser(prog="jepa-signals", description="Read a person's own signals.")
    parser.add_argument("--config", type=Path, default=store.FILE, help="the signals (default: %(default)s)")
    parser.add_argument(
        "--publish", type=Path, default=published.FILE, help="where to say them (default: %(default)s)"
    )
    args = parser.parse_args(argv)
    ending = threading.Event()
    when_asked(ending.set)
    notifier = Notifier()
    signals = SignalStore(args.config)
    reader = SignalsReader(signals, args.publish)
    said = ""
    try:
        while reader.turn():
            notifier.send(READY=1, WATCHDOG=1, STATUS=signals.fault or "Reading.")
            if signals.fault != said:
                said = signals.fault
                print(
                    f"jepa-signals: {said or 'the signals can be read again'}", file=sys.stderr, flush=True
                )
            if ending.wait(PERIOD_S):
                break
    except (JepaError, OSError) as error:
        print(f"jepa-signals: {error}", file=sys.stderr)
        return 1
    finally:
        reader.close()
    return 0


if __name__ == "__main__":
    end(main())
