# SPDX-License-Identifier: Apache-2.0
"""What the service answers: the state of its loop as messages, for the API and for `jepa --local`."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jepa import __version__
from jepa.errors import JepaError
from jepa.healing.mode import ModeFile
from jepa.service import checks, serialisation, tuners
from jepa.service.actuator_view import ActuatorView
from jepa.service.advising import Advising
from jepa.service.alerting import Alerting
from jepa.service.api import (
    AlertKind,
    Budget,
    ChannelInfo,
    Doctor,
    EventOut,
    ForecastOut,
    FrameOut,
    PackOut,
    Status,
    TickOut,
)
from jepa.service.api_records import LearningOut, SignalOut
from jepa.service.events import KEPT, EventStore
from jepa.service.goals import Goals
from jepa.service.history import History
from jepa.service.learning import Learning
from jepa.service.listener import StreamSubscription
from jepa.service.loop import FrameLoop
from jepa.service.machine_settings import ReadSettings, SeenCircumstances
from jepa.service.plans import Plans
from jepa.service.predictor import Loaded, Predictor
from jepa.service.ring import Entry
from jepa.service.running_figures import PackFigures
from jepa.service.share import Share
from jepa.service.standing_tasks import StandingTasks
from jepa.service.task_ends import TaskPlanning
from jepa.service.usage import Usage
from jepa.signals import published
from jepa.signals.published import listing, read_published
from jepa.signals.store import SignalStore
from jepa.tasks.kept_goals import KeptGoals
from jepa.tasks.store import TaskStore
from jepa.tasks.task import goal_of
from jepa.telemetry.clocks import Instant, boot_s, read_clocks
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame_source import FrameSource

if TYPE_CHECKING:
    from jepa.language.understanding import Understanding

LISTEN_S = 60.0
"""Longest wait for the next item of a stream within this process, before the end is looked for again."""


class Engine:
    """A loop of frames and the questions about it; its methods may be called from any thread."""

    def __init__(
        self,
        source: FrameSource,
        history: History,
        load: Callable[[], Loaded] | None,
        *,
        mode: Literal["daemon", "local"] = "daemon",
        period_s: float = 1.0,
        events: EventStore | None = None,
        alerts_file: Path | None = None,
        clocks: Callable[[], Instant] = read_clocks,
        actuator: ActuatorView | None = None,
        tasks: TaskStore | None = None,
        goals_file: Path | None = None,
        learning_file: Path | None = None,
        load_named: Callable[[str], Loaded] | None = None,
        share: Share | None = None,
    ) -> None:
        """``load`` gives the model to begin with, ``load_named`` that of another pack on this machine.

        ``share``: the weight of the group that this process runs in; None when it is somebody else's.
        """
        self._load_named = load_named
        self.actuator = actuator or ActuatorView()
        self.schema = source.schema
        self.mode: Literal["daemon", "local"] = mode
        self.period_s = period_s
        self.usage = Usage()
        self.history = history
        self.predictor = Predictor(load)
        self.alerting = Alerting(self.schema, alerts_file)
        self._events = events or EventStore(None)
        self._share = share or Share(lambda _: None)
        self._loop = FrameLoop(
            source, history, self.predictor, self.alerting, self._events, period_s, clocks, self._share
        )
        self.ring = self._loop.ring
        self.broadcast = self._loop.broadcast
        self._signals = SignalStore()
        self.goals = Goals(goals_file, self.schema, self.predictor, self.ring)
        self._settings = ReadSettings()
        seen = SeenCircumstances(self.ring, self.schema, self._settings)
        self._learning = Learning(learning_file, self.schema, self.ring, self.actuator.ids_in_force)
        self._plans = Plans(
            self.predictor,
            self.ring,
            self.actuator,
            period_s,
            captured=self.goals.captured,
            in_haste=self._share.in_haste,
            machine=self._settings,
            corrected=self._learning.corrected,
        )
        planning = TaskPlanning(self._plans, self.ring, self.schema, self._learning)
        self.tasks = StandingTasks(
            tasks or TaskStore(None),
            planning,
            self._plans,
            self.actuator,
            give_way=lambda acts: self._share.give_way(wholly=acts),
            circumstances=seen,
            tell=self._tell,
            each_second=self._learning.look,
        )
        self._advising = Advising(
            ModeFile(), KeptGoals(), self._goals_that_stand, planning, seen, self._tell, boot_s
        )

    def start(self) -> None:
        """Take up the frames on disk, then sample."""
        self._loop.start()
        self.tasks.start()
        if self.mode == "daemon":
            self._advising.start()

    def stop(self) -> None:
        """Take back what tasks did, end the loop and every stream, and close the logs."""
        self._advising.stop()
        self.tasks.stop()
        self._loop.stop()
        self._share.close()

    def add_event(self, event: Event) -> None:
        """Log an event and give it to every reader, unless it is logged already."""
        self._loop.add_event(event)

    def _goals_that_stand(self) -> list[str]:
        active = [task["id"] for task in self.tasks.all() if task["state"] == "active"]
        return [name for each in active if (name := goal_of(each)) is not None]

    def _tell(self, kind: str, unit: str | None, detail: str, severity: str) -> None:
        self.add_event(Event(time.time_ns(), kind, unit, detail, severity, "tasks"))

    @property
    def loop_at(self) -> float:
        """When the loop last came round, on the monotonic clock; what the watchdog looks at."""
        return self._loop.at

    @property
    def missed(self) -> int:
        """Periods with no frame since the start."""
        return self._loop.missed

    @property
    def figures(self) -> PackFigures | None:
        """How the pack in use does here; None until it has forecast."""
        return self._loop.figures.now

    def channels(self) -> list[ChannelInfo]:
        """The channel schema."""
        return serialisation.channel_infos(self.schema)

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[FrameOut]:
        """The newest ``limit`` frames of the ring after ``since_ns``, oldest first."""
        after = [entry.frame for entry in self.ring.newest() if entry.frame.ts_ns > since_ns]
        return [serialisation.frame_out(self.schema, frame) for frame in after[max(0, len(after) - limit) :]]

    def forecast(self, channels: Sequence[str] = (), horizon_s: int | None = None) -> ForecastOut:
        """The newest forecast; JepaError: 404 or 422 for a name or horizon it lacks, 503 without one."""
        for name in channels:
            self.schema.index(name)
        newest = self.ring.newest(1)
        if not newest or newest[0].tick is None:
            raise self.predictor.why_not()
        entry = newest[0]
        assert entry.tick is not None
        return serialisation.forecast_out(self.schema, entry.frame, entry.tick.forecast, channels, horizon_s)

    def events(self, *, since_ns: int = 0, limit: int = 100, after: int | None = None) -> list[EventOut]:
        """The newest ``limit`` events since ``since_ns``; with ``after``, the first that follow that number.

        JepaError (410) when there is no such number yet.
        """
        if after is None:
            found = self._events.newest(since_ns, limit)
        else:
            found = [each for each in self._events.after(after, KEPT) if each.event.ts_ns > since_ns][:limit]
        return [serialisation.event_out(logged) for logged in found]

    def alert_kinds(self) -> list[AlertKind]:
        """Every kind of alert, what it came to so far, and whether it is muted."""
        return self.alerting.kinds(time.time_ns())

    @cached_property
    def _understanding(self) -> "Understanding":
        # Read when first asked for: the sentences take memory.
        from jepa.language.understanding import Understanding

        return Understanding()

    def parse(self, text: str) -> dict[str, Any]:
        """The task spec of a sentence."""
        return self._understanding.parse(text)

    def plan(self, spec: bytes) -> dict[str, Any]:
        """A plan for the task ``spec``, as JSON has it; changes nothing. JepaError as ``Plans.make``."""
        return self._plans.make(spec)

    def kept_plan(self, plan_id: str) -> dict[str, Any]:
        """A plan that was made and has not expired. JepaError (404) when there is none of that id."""
        return self._plans.get(plan_id)

    def use_pack(self, name: str) -> PackOut:
        """Forecast with the machine pack ``name`` from now on; frames and forecasts go on meanwhile.

        JepaError says why it is not fit; then the pack in use stays.
        """
        load = self._load_named
        if load is None:
            raise JepaError("The pack of this process is fixed.", "Name it with JEPA_PACK.", status=409)
        pack, before = self.predictor.switch(
            lambda: load(name), self.ring.contiguous, [channel.name for channel in self.schema.channels]
        )
        return PackOut(pack=pack, before=before)

    def learned(self) -> LearningOut:
        """What was learned of the effects of settings with the pack in use. JepaError (503) without one."""
        with self.predictor.borrowed() as loaded:
            pack = getattr(loaded.model, "pack", None)
            return self._learning.shown(loaded.pack, None if pack is None else pack.effects)

    def forget_learned(self) -> LearningOut:
        """Forget all of it; what is left. JepaError (507) when that cannot be kept."""
        self._learning.reset()
        return self.learned()

    def signals(self) -> list[SignalOut]:
        """Each signal that a person has named, as its reader sees it now."""
        found = listing(self._signals(), read_published(published.FILE, boot_s()))
        return [
            SignalOut(
                name=signal.name,
                source=signal.source,
                state=reading.state,
                value=reading.value,
                reason=reading.reason,
                forecast={
                    str(horizon): {name: list(each) for name, each in window.items()}
                    for horizon, window in reading.forecast.items()
                },
            )
            for signal, reading in found
        ]

    def tick_out(self, entry: Entry, channels: Sequence[str] = ()) -> TickOut:
        """``entry`` as a message, of ``channels`` alone where some are named."""
        return serialisation.tick_out(self.schema, entry, channels)

    def listen(self, channels: Sequence[str] = (), after: int | None = None) -> StreamSubscription:
        """Ticks and events from now on, with ``after`` also the events that follow that number.

        JepaError: 404 for an unknown channel, 410 for a number that is not known, 503 for too many streams.
        """
        for name in channels:
            self.schema.index(name)
        reader = self.broadcast.subscribe()
        try:
            earlier = [] if after is None else self.events(after=after, limit=KEPT)
        except JepaError:
            self.broadcast.unsubscribe(reader)
            raise
        return StreamSubscription(reader, earlier)

    def stream(self, channels: Sequence[str] = (), after: int | None = None) -> Iterator[TickOut | EventOut]:
        """What ``listen`` gives, as messages, until the engine stops."""
        listener = self.listen(channels, after)
        try:
            while not listener.ended:
                for each in listener.take(LISTEN_S):
                    yield each if isinstance(each, EventOut) else self.tick_out(each, channels)
        finally:
            self.broadcast.unsubscribe(listener.reader)

    def status(self) -> Status:
        """State of each part, and the budget used."""
        newest = self.ring.newest(1)
        surprise = serialisation.surprise_out(newest[0].tick if newest else None)
        context, limit = self.predictor.context
        budget = self._budget()
        parts = [
            *self._loop.parts(),
            self.actuator.part(),
            self.tasks.part(),
            checks.budget(budget, self.period_s),
        ]
        return Status(
            version=__version__,
            host=socket.gethostname(),
            mode=self.mode,
            state=checks.overall(parts),
            uptime_s=round(self.usage.uptime_s, 1),
            pack=self.predictor.pack,
            frames=self.ring.taken,
            missed=self.missed,
            context_frames=context,
            context_limit=limit,
            last_frame_ns=newest[0].frame.ts_ns if newest else None,
            surprise=surprise.probability,
            surprise_reason=surprise.reason,
            parts=parts,
            sources=checks.source_states(self._loop.source.sources()),
            budget=budget,
        )

    def doctor(self) -> Doctor:
        """Every check, with a remedy where one is not ok."""
        status = self.status()
        sources = checks.source_parts(status.sources)
        return Doctor(
            state=status.state, checks=[*status.parts, checks.language(), *sources, *tuners.found()]
        )

    def _budget(self) -> Budget:
        times = self.predictor.times
        return Budget(
            cpu_percent=round(self.usage.cpu_percent, 2),
            rss_mib=round(self.usage.rss_mib, 1),
            history_mib=round(self.history.size_mib, 3),
            history_limit_mib=self.history.limit_bytes / 2**20,
            tick_ms_p50=times.quantile(0.5),
            tick_ms_p99=times.quantile(0.99),
        )
