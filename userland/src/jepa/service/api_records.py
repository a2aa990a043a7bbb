# SPDX-License-Identifier: Apache-2.0
"""Messages of the HTTP API that clients take as JSON has them: changes, actions, plans, tasks, signals.

Only the server and its OpenAPI document need the classes; to make them takes a client a twentieth of its
start.
"""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOut:
    """One change of one setting, from intention to outcome."""

    id: str
    ts: int
    """Wall-clock time it was made, nanoseconds since the epoch."""
    uid: int
    """The user who asked for it."""
    unit: str
    """The unit of the process that asked."""
    task: str
    plan: str
    """The hash of the plan it is a step of."""
    action: str
    target: str
    from_: str | int | float | bool | None
    """The value before; null where nothing was set."""
    to: str | int | float | bool | None
    state: Literal["applied", "committed", "reverted", "undone", "failed"]
    why: str
    detail: str
    """What came of it, in one sentence."""
    tier: Literal["tune", "disrupt", "irreversible"]
    reversible: bool
    persistent: bool
    """Whether it outlives a restart of the machine."""
    left_s: float | None
    """Seconds until it is taken back; null where it is not in force, or has no end."""
    predicted: dict[str, tuple[float, float, float]]
    """By channel the 5 %, 50 % and 95 % quantile that the model expected."""
    observed: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionOut:
    """One action of the catalogue, and whether it works on this machine."""

    name: str
    summary: str
    description: str
    example: str
    target: str
    """What it is applied to: unit, timer, process, device or machine."""
    type: str
    takes: str
    """The values it takes, in words."""
    unit: str
    minimum: float | None
    maximum: float | None
    step: float | None
    choices: list[str]
    tier: Literal["tune", "disrupt", "irreversible"]
    reversible: bool
    inverse: str
    """What takes it back."""
    persistence: Literal["runtime", "persistent"]
    rate_per_hour: int
    """Changes of one target an hour."""
    dwell_s: float
    """The least time between two changes of one target."""
    excludes: list[str]
    available: bool | None
    """Whether it works here; null where the actuator has not looked since the machine started."""
    missing: str | None
    """Why it does not work here, in one sentence."""
    holder: str
    """Another program that holds this setting, such as TuneD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One action of a plan."""

    n: int
    """From 1, in the order in which steps are applied."""
    action: str
    target: str
    from_: str | int | float | bool | None
    """The value that the plan was made for."""
    to: str | int | float | bool | None
    inverse: str
    """The action that takes it back, with the value it had."""
    tier: Literal["tune", "disrupt", "irreversible"]
    reversible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWindow:
    """One channel over one coming window: its 5 %, 50 % and 95 % quantile, in the channel's unit."""

    with_: tuple[float, float, float]
    """With the plan's steps."""
    without: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEnergy:
    """How far from the goal; low is wanted."""

    with_: float
    """With the plan's steps and what they cost, as expected."""
    without: float
    gain: float
    gain_lower: float
    """What is gained at least in nine of ten moments; above 0 for a plan with steps."""
    released: float | None
    """What it is at most in nine of ten moments, were all that is set taken back; null where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanImagined:
    """What the world model imagines."""

    horizon_s: int
    """The window by which the plan was chosen."""
    channels: dict[str, PlanWindow]
    """Over that window."""
    windows: dict[str, dict[str, PlanWindow]]
    """By channel and horizon in seconds."""
    unit: dict[str, str]
    energy: PlanEnergy


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettable:
    """What plans for one task spec may set on some units."""

    action: str
    targets: list[str]
    values: list[str | int | float | bool | None]
    """All that are ever tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVerdict:
    """What may become of a plan."""

    decision: Literal["allow", "ask", "deny"]
    """ask for one with steps; allow where nothing need be done, deny where nothing can."""
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOut:
    """What would be changed for a task, and what that is imagined to do."""

    id: str
    """Twelve hex digits."""
    hash: str
    """SHA-256 over the canonical JSON of everything but itself and the id."""
    boot_id: str
    made: int
    """Wall-clock time, nanoseconds since the epoch."""
    expires: int
    expires_s: float
    """The same in seconds of CLOCK_BOOTTIME, which counts."""
    pack: str
    spec: dict[str, object]
    steps: list[PlanStep]
    imagined: PlanImagined
    settable: list[PlanSettable]
    """What plans for this spec may set here, now and later: what a grant for it has to name."""
    verdict: PlanVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitOut:
    """The energy of the goal as it was observed, with the task's changes and without; low is wanted."""

    with_: float | None
    without: float | None
    """Of hold-out windows, in which the changes are taken back."""
    windows: int
    """Hold-out windows."""
    interval: tuple[float, float] | None
    """The 90 % interval of what is saved; null before there were six windows of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChange:
    """A change of a task that is in force."""

    id: str
    action: str
    target: str
    from_: str | int | float | bool | None
    to: str | int | float | bool | None
    left_s: float | None
    """Seconds until it is taken back, unless it is renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOut:
    """A task that stands, or stood."""

    id: str
    spec: dict[str, Any]
    grant: str
    uid: int
    """Who gave it."""
    state: Literal["active", "ended", "refused"]
    since: int
    """Wall-clock time, nanoseconds since the epoch; so are until and ended."""
    until: int | None
    ended: int | None
    why: str
    """Why it has ended."""
    plans: int
    """Made so far."""
    changes: int
    """Made so far."""
    changes_last_minute: int
    settled: bool
    """Whether its first plan was made and carried out, or could not be."""
    waits: str
    """The condition that it waits for with nothing in force; empty where it holds, or there is none."""
    hold_out: bool
    """Whether its changes are taken back for a while, to see what they bring."""
    in_force: list[TaskChange]
    benefit: BenefitOut
    left: list[list[str]]
    """Settings with their targets that somebody else has set meanwhile, and that it leaves alone."""
    notes: list[str]
    """What happened to it, the newest last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetail:
    """A task and its changes."""

    task: TaskOut
    history: list[dict[str, Any]]
    """The newest first, each as ChangeOut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectSizeOut:
    """How much of an imagined effect is real, on average, and how far that varies."""

    size: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedOut:
    """What this machine's own plans say of one effect."""

    setting: str
    direction: Literal["up", "down"]
    """Of a stronger setting than before, or a weaker one."""
    channel: str
    horizon_s: int
    outcomes: int
    scored: int
    """Of the outcomes those that were predicted both ways before they were learned from."""
    ahead: float
    """By which share the corrected predictions scored better (CRPS); below 0 where they were worse."""
    used: bool
    """Whether plans take what was learned."""
    before: EffectSizeOut
    """As the pack says it."""
    after: EffectSizeOut
    """As it was learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningOut:
    """What was learned of the effects of settings on this machine, with the pack in use."""

    pack: str
    outcomes: int
    used: int
    """Effects that plans take as they were learned."""
    effects: list[LearnedOut]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalOut:
    """A number of a person's own."""

    name: str
    source: str
    state: Literal["ok", "stale", "constant", "absurd", "unreachable"]
    """Only a signal that is ok is planned with or judged by."""
    value: float | None
    """The last one that was read, whatever the state."""
    reason: str
    """Why the state is not ok, or empty."""
    forecast: dict[str, dict[str, list[float]]]
    """By horizon in seconds, the 5 %, 50 % and 95 % quantile of the coming window's mean and p90."""
