# SPDX-License-Identifier: Apache-2.0
"""The world model as a part that is loaded in the background and may fail without stopping the rest."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from jepa.errors import JepaError
from jepa.service.api import Part
from jepa.service.usage import TickTimes
from jepa.telemetry.frame import Frame
from jepa.world.forecast import Tick


class Model(Protocol):
    """What the service needs of a WorldModel."""

    @property
    def context_frames(self) -> int:
        """Frames the context holds."""

    @property
    def context_limit(self) -> int:
        """Frames the context can hold."""

    @property
    def unfamiliar(self) -> bool:
        """Whether this machine is unlike those the pack was trained on."""

    def tick(self, frame: Frame) -> Tick:
        """Take ``frame`` into the context and forecast from it."""

    def replay(self, frames: Sequence[Frame]) -> None:
        """Take ``frames`` into the context without forecasting."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model and the name and version of its pack."""

    pack: str
    model: Model
    instead: JepaError | None = None
    """Why it is not the model that was chosen for this machine; None where it is."""


class Predictor:
    """Ticks a model once it is loaded and has seen the frames that came before.

    Loading takes seconds on a slow machine, so a thread of its own does it and replays the frames known by
    then; the sampling thread catches up on the few that came meanwhile. Another model takes its place the
    same way (``switch``): no frame is lost, and none is without a forecast.
    """

    def __init__(self, load: Callable[[], Loaded] | None) -> None:
        self.times = TickTimes()
        self._load = load
        self._loading: threading.Thread | None = None
        self._loaded: Loaded | None = None
        self._replayed = -1
        """Sequence number of the newest frame in the context; written before ``_loaded`` is."""
        self._fault: JepaError | None = None
        self._failures = 0
        self._in_use = threading.Lock()
        """Held while the model is ticked, asked, or replaced."""
        self._switching = threading.Lock()
        self.said_by: str | None = None
        """The pack that gave the newest tick, which ``pack`` may no longer be; for the thread that ticks."""
        self._ticked = True
        """Whether the model in use has forecast since it took another's place."""
        self.settled = threading.Event()
        """Set once the model is in use or known to be unusable."""

    def start(self, known: Callable[[int], Sequence[tuple[int, Frame]]]) -> None:
        """Load in a thread; ``known(n)`` gives the newest n frames with sequence numbers, oldest first."""
        if self._load is None:
            self.settled.set()
            return
        self._loading = threading.Thread(
            target=self._prepare, args=(self._load, known), name="load", daemon=True
        )
        self._loading.start()

    def close(self) -> None:
        """Wait for the end of a load under way: ONNX Runtime aborts a process that ends in the middle."""
        if self._loading is not None:
            self._loading.join()

    def _prepare(
        self, load: Callable[[], Loaded], known: Callable[[int], Sequence[tuple[int, Frame]]]
    ) -> None:
        try:
            loaded = load()
            earlier = known(loaded.model.context_limit)
            if earlier:
                loaded.model.replay([frame for _, frame in earlier])
                self._replayed = earlier[-1][0]
            self._loaded = loaded
        except JepaError as fault:
            self._fault = fault
            self.settled.set()
        except Exception as error:  # any fault of a model is this part's alone
            self._fault = _unusable(error)
            self.settled.set()

    def tick(
        self, sequence: int, frame: Frame, known: Callable[[int], Sequence[tuple[int, Frame]]]
    ) -> Tick | None:
        """The model's answer to ``frame``; None while there is no usable model."""
        if self._loaded is None:
            return None
        with self._in_use:
            return self._tick(self._loaded, sequence, frame, known)

    def _tick(
        self,
        loaded: Loaded,
        sequence: int,
        frame: Frame,
        known: Callable[[int], Sequence[tuple[int, Frame]]],
    ) -> Tick | None:
        try:
            if self._replayed < sequence - 1:
                late = [f for n, f in known(loaded.model.context_limit) if self._replayed < n < sequence]
                if late:
                    loaded.model.replay(late)
            tick = loaded.model.tick(frame)
        except JepaError as fault:
            self._fault = fault
            self._failures += 1
            return None
        except Exception as error:  # any fault of a model is this part's alone
            self._fault = _unusable(error)
            self._failures += 1
            return None
        finally:
            self._replayed = sequence
            self.settled.set()
        self._fault = None
        self._ticked, self.said_by = True, loaded.pack
        self.times.add(tick.elapsed_ms)
        return tick

    def switch(
        self,
        load: Callable[[], Loaded],
        known: Callable[[int], Sequence[tuple[int, Frame]]],
        names: Sequence[str],
    ) -> tuple[str, str | None]:
        """Put another model in place of the one in use, and return the packs of both, the new one first.

        It is loaded beside it and shown the same past, and has to forecast from the newest frame, of the
        channels ``names``. JepaError says why it did not: then the one in use stays, as if nothing had been
        asked. For any thread but the one that ticks; takes as long as loading does.
        """
        if not self._switching.acquire(blocking=False):
            raise JepaError("Another pack is being put in use.", "Ask again in a minute.", status=409)
        try:
            self.close()
            loaded = load()
            newest = _check(loaded, known(loaded.model.context_limit), names)
            with self._in_use:
                before = self.pack
                self._loaded, self._replayed = loaded, newest
                self._fault, self._failures, self._ticked = None, 0, False
            self.settled.set()
            return loaded.pack, before
        except JepaError as fault:
            raise JepaError(
                f"{fault.problem} {_stays(self.pack)}", fault.remedy, status=fault.status
            ) from fault
        except Exception as error:  # whatever is wrong with it, the one in use goes on
            raise JepaError(
                f"The pack failed its check: {_in_one_line(error)}. {_stays(self.pack)}",
                "Ask whoever made the pack.",
                status=409,
            ) from error
        finally:
            self._switching.release()

    @contextmanager
    def borrowed(self) -> Iterator[Loaded]:
        """The model, for another thread to ask; frames wait meanwhile. JepaError (503) without one."""
        with self._in_use:
            if self._loaded is None or self._fault is not None or not self._ticked:
                raise self.why_not()
            yield self._loaded

    @property
    def pack(self) -> str | None:
        """Name and version of the pack in use."""
        return self._loaded.pack if self._loaded else None

    @property
    def context(self) -> tuple[int, int]:
        """Frames the context holds, and can hold."""
        if self._loaded is None:
            return 0, 0
        return self._loaded.model.context_frames, self._loaded.model.context_limit

    def why_not(self) -> JepaError:
        """The error (503) that says why there is no forecast."""
        part = self.part()
        if part.state == "ok":
            return JepaError("There is no forecast yet.", "Ask again in a second.", status=503)
        return JepaError(part.reason, part.remedy, status=503)

    def part(self) -> Part:
        """The state of the model."""
        if self._fault is not None:
            times = f" ({self._failures} times)" if self._failures > 1 else ""
            return Part(
                name="model", state="degraded", reason=self._fault.problem + times, remedy=self._fault.remedy
            )
        if self._load is None:
            return Part(
                name="model", state="off", reason="No pack is in use.", remedy="Name one with JEPA_PACK."
            )
        if self._loaded is None:
            return Part(
                name="model",
                state="degraded",
                reason="The model is being loaded.",
                remedy="Ask again in a few seconds.",
            )
        if self._loaded.instead is not None:
            return Part(
                name="model",
                state="degraded",
                reason=f"{self._loaded.instead.problem} {self._loaded.pack} is used instead.",
                remedy=self._loaded.instead.remedy,
            )
        if self._loaded.model.unfamiliar:
            return Part(
                name="model",
                state="degraded",
                reason=f"This machine is unlike those that {self._loaded.pack} was trained on; "
                "forecasts lean on its own past, and their intervals are wide.",
                remedy="Nothing need be done; `jepa evaluate` shows how good they are on a recording of it.",
            )
        return Part(name="model", state="ok", reason=self._loaded.pack)


def _check(loaded: Loaded, earlier: Sequence[tuple[int, Frame]], names: Sequence[str]) -> int:
    """Show ``earlier`` frames to a model and return the number of the newest, which it forecasts from.

    JepaError where it gives no number for a channel that this frame has.
    """
    if not earlier:
        raise JepaError("No frame is there to check the pack with.", "Ask again in a second.", status=503)
    *past, (number, newest) = earlier
    for _, frame in past:
        begin = time.perf_counter()
        loaded.model.replay([frame])
        time.sleep(time.perf_counter() - begin)  # half of the time is for the model in use
    forecast = loaded.model.tick(newest).forecast
    observed = {name for name, valid in zip(names, newest.valid, strict=True) if valid}
    for name, *bands in zip(forecast.channels, forecast.mean, forecast.p90, strict=True):
        if name in observed and not np.isfinite(bands).all():
            raise JepaError(
                f"The pack {loaded.pack} failed its check: it forecasts no number for {name}.",
                "Ask whoever made the pack.",
                status=409,
            )
    return number


def _stays(pack: str | None) -> str:
    return "No pack is in use." if pack is None else f"{pack} stays in use."


def _in_one_line(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:200]}".removesuffix(".")


def _unusable(error: Exception) -> JepaError:
    return JepaError(
        f"The model failed: {type(error).__name__}: {error}.",
        "Verify the pack with `jepa packs verify`, then restart jepad.",
    )
