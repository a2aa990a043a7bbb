# SPDX-License-Identifier: Apache-2.0
"""The world model as a part that is loaded in the background and may fail without stopping the rest."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

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


class Predictor:
    """Ticks a model once it is loaded and has seen the frames that came before.

    Loading takes seconds on a slow machine, so a thread of its own does it and replays the frames known by
    then; the sampling thread catches up on the few that came meanwhile.
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
        loaded = self._loaded
        if loaded is None:
            return None
        try:
            if self._replayed < sequence - 1:
                late = [f for n, f in known(loaded.model.context_limit) if self._replayed < n < sequence]
                if late:
                    loaded.model.replay(late)
            with self._in_use:
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
        self.times.add(tick.elapsed_ms)
        return tick

    @contextmanager
    def borrowed(self) -> Iterator[Loaded]:
        """The model, for another thread to ask; frames wait meanwhile. JepaError (503) without one."""
        loaded = self._loaded
        if loaded is None or self._fault is not None:
            raise self.why_not()
        with self._in_use:
            yield loaded

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
        if self._loaded.model.unfamiliar:
            return Part(
                name="model",
                state="degraded",
                reason=f"This machine is unlike those that {self._loaded.pack} was trained on; "
                "forecasts lean on its own past, and their intervals are wide.",
                remedy="Nothing need be done; `jepa evaluate` shows how good they are on a recording of it.",
            )
        return Part(name="model", state="ok", reason=self._loaded.pack)


def _unusable(error: Exception) -> JepaError:
    return JepaError(
        f"The model failed: {type(error).__name__}: {error}.",
        "Verify the pack with `jepa packs verify`, then restart jepad.",
    )
