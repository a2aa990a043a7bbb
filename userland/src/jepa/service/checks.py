# SPDX-License-Identifier: Apache-2.0
"""The judgements behind status and doctor: what is ok, what is degraded, why, and what to do."""

from collections import deque
from collections.abc import Sequence

from jepa.errors import JepaError
from jepa.service.api import Budget, Part, PartState, SourceStatus
from jepa.telemetry.clocks import ClockWatch, Instant, in_words
from jepa.telemetry.schema import Schema
from jepa.telemetry.source_state import SourceState

RSS_LIMIT_MIB = 150.0
"""The memory the world model is allowed, by design."""
MISSED_LIMIT = 0.05
"""Share of the last minute's periods that may pass without a frame before it is falling behind."""
REMEMBER_S = 600.0
"""How long a clock that was set, and a suspend, are shown."""


def overall(parts: Sequence[Part]) -> PartState:
    """Failed when telemetry is, else degraded when any part is not ok; a part that is off does not count."""
    states = {part.name: part.state for part in parts}
    if states.get("telemetry") == "failed":
        return "failed"
    return "degraded" if {"degraded", "failed"} & set(states.values()) else "ok"


def telemetry(frames: int, fault: JepaError | None, schema: Schema, sources: Sequence[SourceState]) -> Part:
    """Whether frames come."""
    if fault is not None:
        return Part(name="telemetry", state="failed", reason=fault.problem, remedy=fault.remedy)
    if frames == 0:
        return Part(
            name="telemetry",
            state="degraded",
            reason="No frame has been taken yet.",
            remedy="Ask again in a second.",
        )
    observed = sum(source.channels for source in sources)
    if observed == 0:
        return Part(
            name="telemetry",
            state="failed",
            reason="No source gives any channel.",
            remedy="Check that /proc and /sys are mounted and readable.",
        )
    return Part(
        name="telemetry", state="ok", reason=f"{observed} of {len(schema.channels)} channels observed."
    )


def language() -> Part:
    """Whether sentences that no template fits are understood, too; the pack is not read for it."""
    # Imported when first asked for: pydantic takes longer to import than all else here.
    from jepa.packs.language import LanguageManifest
    from jepa.packs.pack import first_of_kind, read_manifest

    folder = first_of_kind("language")
    if folder is None:
        return Part(
            name="language",
            state="off",
            reason="Sentences are read by templates alone: no language pack is here.",
        )
    manifest = read_manifest(folder)
    assert isinstance(manifest, LanguageManifest), "asked for by kind"
    graph = manifest.graphs["encoder"]
    missing = [
        name for name in (graph.file, graph.data, manifest.vocabulary.file) if not (folder / name).is_file()
    ]
    if missing:
        return Part(
            name="language",
            state="off",
            reason=f"Sentences are read by templates alone: the language pack lacks {missing[0]}.",
            remedy="Install the pack again; in the source tree, jepa-lab build-language.",
        )
    return Part(
        name="language",
        state="ok",
        reason=f"Templates, then the encoder of {manifest.name} {manifest.version}.",
    )


def source_states(sources: Sequence[SourceState]) -> list[SourceStatus]:
    """A source without a channel is off: most machines lack some hardware, which is no fault.

    One that gives no reason lacks nothing: a disk that did nothing this second has no waiting time to show.
    A source that has no channels at all, but events, is judged by itself.
    """
    return [
        SourceStatus(
            name=source.name,
            state=_source_state(source),
            channels=source.channels,
            of=source.of,
            reason=source.reason,
            note=source.note,
        )
        for source in sources
    ]


def _source_state(source: SourceState) -> PartState:
    if source.of == 0:
        return "ok" if source.ok else "degraded"
    if not source.channels:
        return "off"
    return "degraded" if source.reason else "ok"


def source_parts(sources: Sequence[SourceStatus]) -> list[Part]:
    """One check for each source, naming what is absent and why."""
    return [
        Part(
            name=f"source {source.name}",
            state=source.state,
            reason=f"{_counted(source)}{'; '.join(filter(None, (source.reason, source.note)))}".strip(),
            remedy=""
            if source.state == "ok"
            else "Nothing to do if this machine lacks the hardware; else see the reason.",
        )
        for source in sources
    ]


def _counted(source: SourceStatus) -> str:
    return f"{source.channels} of {source.of} channels. " if source.of else ""


def budget(used: Budget, period_s: float) -> Part:
    """Whether the service keeps to its own limits."""
    if used.rss_mib > RSS_LIMIT_MIB:
        return Part(
            name="budget",
            state="degraded",
            reason=f"{used.rss_mib:.0f} MiB of memory in use; {RSS_LIMIT_MIB:.0f} MiB is the limit.",
            remedy="Restart jepad, and report it with the output of `jepa doctor --json`.",
        )
    if used.tick_ms_p99 is not None and used.tick_ms_p99 > 500.0 * period_s:
        return Part(
            name="budget",
            state="degraded",
            reason=f"One tick in a hundred takes {used.tick_ms_p99:.0f} ms, more than half a period.",
            remedy="Free CPU time, or use a smaller pack.",
        )
    return Part(
        name="budget",
        state="ok",
        reason=f"{used.cpu_percent:.1f} % of a core, {used.rss_mib:.0f} MiB.",
    )


class Timing:
    """Watches the grid of periods and the wall clock, one entry a frame."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._missed: deque[int] = deque(maxlen=61)
        self._watch = ClockWatch()
        self._jump: tuple[float, float] | None = None
        self._resumed: tuple[float, float] | None = None

    def add(self, now: Instant, missed: int) -> None:
        """Count one frame: the clocks after it, and how many periods were missed by then."""
        self._missed.append(missed)
        change = self._watch.look(now)
        if change.set_by_s:
            self._jump = (now.monotonic_s, change.set_by_s)
        if change.suspended_s:
            self._resumed = (now.monotonic_s, change.suspended_s)

    def schedule(self) -> Part:
        """Whether frames keep their period."""
        recent = self._missed.copy()
        missed = recent[-1] - recent[0] if recent else 0
        periods = max(0, len(recent) - 1) + missed
        if missed > MISSED_LIMIT * periods:
            return Part(
                name="schedule",
                state="degraded",
                reason=f"Falling behind: {missed} of the last {periods} periods had no frame.",
                remedy="Give jepad more CPU time: raise CPUWeight= of its slice, or end what fills them.",
            )
        return Part(name="schedule", state="ok", reason=f"One frame every {self._period_s:g} s.")

    def clock(self, now_s: float) -> Part:
        """Whether somebody set the clock, and whether the machine was suspended; shown for ten minutes."""
        if self._jump is not None and now_s - self._jump[0] < REMEMBER_S:
            at, by = self._jump
            return Part(
                name="clock",
                state="degraded",
                reason=f"The clock jumped by {by:+.0f} s, {now_s - at:.0f} s ago.",
                remedy="Frames go on; if nobody set the clock, check `timedatectl status`.",
            )
        if self._resumed is not None and now_s - self._resumed[0] < REMEMBER_S:
            at, slept_s = self._resumed
            return Part(
                name="clock",
                state="ok",
                reason=f"The machine was suspended for {in_words(slept_s)}, until {now_s - at:.0f} s ago.",
            )
        return Part(name="clock", state="ok")
