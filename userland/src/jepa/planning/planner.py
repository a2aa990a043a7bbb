# SPDX-License-Identifier: Apache-2.0
"""Makes a plan: a goal, a search over courses by what the world model imagines, and what the best promises.

A course costs what its energy is at worst, and what it takes to get there: settings changed, how far, and
whom that interrupts. So of two that reach the goal the smaller change wins, and doing nothing, which costs
nothing and whose effect is sure, is beaten by no course whose gain is within its own uncertainty. What
conserves work is judged by what is expected of it: who is wrong about that has taken nothing from anybody.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from jepa.actions.catalogue import Value, action_type
from jepa.errors import JepaError
from jepa.packs.effects import NORMAL_80, NORMAL_90, Channels, KnownEffects
from jepa.planning.captured import Captured
from jepa.planning.courses import CourseSpace, Option
from jepa.planning.energy import Bound, Energy, Outcome
from jepa.planning.goals import Goal, Knowledge, compile_goal, on_unit_scale
from jepa.planning.learning import LEAST_IMAGINED, ForeseenEffect
from jepa.planning.learning import known as known_effect
from jepa.planning.plan import VALID_S, CourseVerdict, Gain, Interval, Plan, Settable, Step, Window
from jepa.planning.protocols import Dynamics, IntArray, Solver
from jepa.planning.solvers import solver_for
from jepa.tasks.spec import TaskSpec
from jepa.tasks.task import Outcomes
from jepa.telemetry.clocks import boot_s
from jepa.telemetry.frame import BoolArray
from jepa.telemetry.schema import Schema
from jepa.world.forecast import FloatArray, Forecast, Imagined
from jepa.world.scale import Scale

HORIZON_S: Final = 15
"""The window by which courses are judged: trials kept a setting for about as long."""
HORIZONS_S: Final = (5, 15, 30)
"""The windows that a plan shows: those that effects are known of."""
SWITCH_COST: Final = 0.01
"""Energy of one setting changed."""
DOSE_COST: Final = 0.05
"""Energy of a setting moved by the whole of its range."""
DISRUPT_COST: Final = 0.1
"""Energy of a change that interrupts somebody's work."""
_SHOWN: Final = (
    "system.role.foreground.pressure.cpu",
    "system.role.foreground.cpu",
    "system.role.background.cpu",
    "system.cpu.utilization",
)
"""Channels that are shown beside those of the goal, where the effect on them is known."""
_ANYTHING = 10.0
"""Deviation on the unit scale of an effect that is unknown: its interval is the whole range."""
_NEAR = 0.02
"""On the unit scale, what of a channel counts as the same."""
_NAMED = 3
"""Channels that are named when a state is not reached."""
_HARM = 0.02
"""On the unit scale, what counts as no harm to what is protected."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What the world model says of now."""

    dynamics: Dynamics
    forecast: Forecast
    schema: Schema
    controls: tuple[str, ...]
    steps: int
    """Seconds for which action sequences say what is set."""


class Planner:
    """Makes plans for one machine. Not for use by two threads at once."""

    def __init__(
        self,
        boot_id: str,
        solver: Callable[[Sequence[int]], Solver] = solver_for,
        wall_ns: Callable[[], int] = time.time_ns,
        since_boot_s: Callable[[], float] = boot_s,
    ) -> None:
        self._boot_id = boot_id
        self._solver = solver
        self._wall_ns = wall_ns
        self._since_boot_s = since_boot_s
        self._before: dict[str, dict[str, object]] = {}
        """By task spec, the value of each setting in the plan made last."""

    def plan(self, spec: TaskSpec, moment: Moment, known: Knowledge) -> Plan:
        """The plan for ``spec``; without steps where no course is surely better than doing nothing.

        JepaError as ``compile_goal``, and 409 where a channel of the goal is not observed here.
        """
        goal = compile_goal(spec, known)
        view = _View(moment, known.effects)
        energy = view.prepared(goal)
        present = np.zeros(len(moment.controls), np.float32)
        for setting in goal.settings:
            present[moment.controls.index(setting.control)] = setting.options[0].strength
        space = CourseSpace(goal.settings, moment.controls, present, moment.steps)
        # To set anything for a state that was captured has to come nearer to it, whatever it costs.
        # Such a goal is of a dozen channels, which are not all at their worse ends at once.
        captured = goal.captured is not None
        together = known.effects.together if captured else 1.0
        courses = _Courses(space, view, energy, surely=captured, together=together)
        best = np.zeros(len(goal.settings), np.intp)
        if goal.settings:
            key = spec.model_dump_json()
            solver = self._solver(space.options)
            best = solver.solve(courses, space.options, self._warm(space, key))
            self._before[key] = {
                setting.control: setting.options[at].value
                for setting, at in zip(space.settings, best, strict=True)
            }
        gain = courses.gain(best)
        if courses.get_cost(best[None])[0] >= 0:
            best, gain = np.zeros_like(best), replace(gain, taken=gain.without, gain=0.0, lower=0.0)
        gain = replace(gain, released=courses.released(known.measured))
        steps = _steps(space, best)
        made_ns = self._wall_ns()
        windows = courses.windows(best, goal)
        return Plan(
            boot_id=self._boot_id,
            made_ns=made_ns,
            expires_ns=made_ns + int(VALID_S * 1e9),
            expires_s=round(self._since_boot_s() + VALID_S, 3),
            pack=known.pack,
            spec=spec.model_dump(mode="json", exclude_none=True),
            steps=steps,
            horizon_s=HORIZON_S,
            windows=windows,
            energy=gain,
            verdict=_verdict(goal, steps, courses, gain, view),
            units={name: view.unit(name) for name in windows},
            settable=_settable(space),
            goal=goal.energy,
            foreseen=courses.foreseen(best, tuple(windows)),
        )

    def _warm(self, space: CourseSpace, key: str) -> IntArray:
        """The course of the plan made last for the same spec, as far as it can still be taken."""
        before = self._before.get(key, {})
        row = [
            next(
                (
                    at
                    for at, option in enumerate(setting.options)
                    if option.value == before.get(setting.control)
                ),
                0,
            )
            for setting in space.settings
        ]
        return np.array([row], np.intp)


class _View:
    """The present forecast and the effects that are known, on the unit scale."""

    def __init__(self, moment: Moment, effects: KnownEffects) -> None:
        self.moment = moment
        self.effects = effects
        self._scale = Scale(moment.schema)
        self._names = moment.schema.names
        forecast = moment.forecast
        self.quantiles = [forecast.quantiles.index(each) for each in (0.05, 0.5, 0.95)]
        unit = self._scale.to_unit(np.moveaxis(forecast.mean, 0, -1))  # (H, Q, C)
        self.without = np.moveaxis(unit[:, self.quantiles], -1, 0)  # (C, H, 3)

    def horizon(self, seconds: int) -> int:
        """Its place among the forecast's."""
        return self.moment.forecast.horizons_s.index(seconds)

    def column(self, channel: str) -> int:
        """Its place in the pack's schema."""
        return self._names.index(channel)

    def unit(self, channel: str) -> str:
        """What its values are in."""
        return self.moment.schema.channels[self.column(channel)].unit

    def known(self, channel: str) -> bool:
        """Whether it is forecast here."""
        return channel in self._names and bool(np.isfinite(self.without[self.column(channel)]).all())

    def to_unit(self, channel: str, value: float) -> float:
        """``value`` of ``channel`` on the unit scale."""
        row = np.zeros(len(self._names), np.float32)
        row[self.column(channel)] = value
        return float(self._scale.to_unit(row)[self.column(channel)])

    def from_unit(self, channel: str, values: FloatArray) -> FloatArray:
        """``values`` of ``channel`` in its own unit."""
        rows = np.zeros((*values.shape, len(self._names)), np.float32)
        rows[..., self.column(channel)] = values
        return self._scale.from_unit(rows)[..., self.column(channel)]

    def moved(self, channel: str, outcomes: Outcomes) -> float:
        """On the unit scale, by how much more of ``channel`` was observed than was forecast without."""
        seen = outcomes.get(channel)
        return 0.0 if seen is None else self.to_unit(channel, seen[0]) - self.to_unit(channel, seen[1])

    def prepared(self, goal: Goal) -> Energy:
        """The goal's energy on the unit scale, with bounds for what may not be harmed."""
        for channel in (*goal.energy.channels, *goal.unharmed):
            if not self.known(channel):
                raise JepaError(
                    f"{channel} is not observed on this machine, so nothing can be planned by it.",
                    "`jepa doctor` says what is missing.",
                    status=409,
                )
        energy = on_unit_scale(goal.energy, self.to_unit)
        at = self.horizon(HORIZON_S)
        bounds = tuple(
            Bound(channel, most=float(self.without[self.column(channel), at, 2]) + _HARM)
            for channel in goal.unharmed
        )
        return replace(energy, bounds=(*energy.bounds, *bounds))

    def furthest(self, captured: Captured) -> str:
        """The channels that are forecast to differ most from what they were, in words."""
        names = [name for name in captured.channels if self.known(name)]
        at = self.horizon(HORIZON_S)
        now = {name: float(self.without[self.column(name), at, 1]) for name in names}
        away = {name: abs(now[name] - self.to_unit(name, captured.channels[name][0])) for name in names}
        worst = sorted(names, key=lambda name: -away[name])[:_NAMED]
        said = []
        for name in worst:
            ahead = float(self.from_unit(name, np.array([now[name]], np.float32))[0])
            said.append(f"{name} ({ahead:.4g} {self.unit(name)}, then {captured.channels[name][0]:.4g})")
        return ", ".join(said)

    def usual(self, captured: Captured, energy: Energy) -> float:
        """The energy within which the machine was while ``captured``: a deviation of each channel."""
        total = 0.0
        for term in energy.terms:
            mean, deviation = captured.channels[term.channel]
            least = self.moment.schema.channels[self.column(term.channel)].low
            ends = [self.to_unit(term.channel, max(least, mean + each)) for each in (-deviation, deviation)]
            total += max((ends[1] - ends[0]) / 2, _NEAR)
        return total

    def imagined(self, imagined: Imagined) -> FloatArray:
        """(K, C, H) the medians of the windows' means."""
        return np.moveaxis(self._scale.to_unit(np.moveaxis(imagined.mean, 1, -1)), -1, 1)


class _Courses:
    """A ``Costable``: what courses cost, as the model imagines them and as far as that can be trusted."""

    def __init__(
        self, space: CourseSpace, view: _View, energy: Energy, *, surely: bool, together: float
    ) -> None:
        """``surely``: what conserves work is judged as all else; ``together``: see ``Energy.worst``."""
        self._surely = surely
        self._together = together
        self._space = space
        self._view = view
        self._energy = energy
        self._keep = np.zeros((1, len(space.settings)), np.intp)
        self._gives_back = _gives_back(space)
        self._asked: dict[tuple[int, ...], tuple[FloatArray, FloatArray]] = {}
        self.hoped: tuple[float, IntArray] = (0.0, self._keep[0])
        """The largest gain that was expected of any course, and that course: sure or not."""

    def get_cost(self, candidates: IntArray) -> FloatArray:
        """(K,) the energy, with what it takes, less that of doing nothing; see ``Costable``.

        At worst, but for courses that only impose what conserves work: theirs is the expected one.
        """
        outcome, without = (
            self.outcome(candidates, self._energy.channels),
            self._nothing(self._energy.channels),
        )
        before = self._energy.expected(without)[0]
        effort = self._effort(candidates)
        expected, worst = self._energy.expected(outcome), self._worst(candidates, outcome, HORIZON_S)
        careful = self._space.limiting(candidates) | self._backwards(candidates) | self._surely
        cost = np.where(careful, worst, expected) + effort - before
        changes = (candidates > 0).any(axis=1)
        cost[changes & ~self._energy.allowed(outcome, NORMAL_90)] = np.inf
        gains = before - expected - effort
        gains[~np.isfinite(cost)] = -np.inf
        top = int(gains.argmax())
        if gains[top] > self.hoped[0]:
            self.hoped = float(gains[top]), candidates[top]
        return np.where(changes, cost, 0.0).astype(np.float32)

    def gain(self, course: IntArray) -> Gain:
        """What ``course`` (V,) comes to."""
        rows = course[None]
        outcome = self.outcome(rows, self._energy.channels)
        without = float(self._energy.expected(self._nothing(self._energy.channels))[0])
        taken = float((self._energy.expected(outcome) + self._effort(rows))[0])
        worst = float((self._worst(rows, outcome, HORIZON_S) + self._effort(rows))[0])
        lower = without - worst if course.any() else 0.0
        return Gain(*(round(each, 5) for each in (taken, without, without - taken, lower)))

    def distance(self, captured: Captured) -> float:
        """Mean squared distance of the latent, were nothing done, from that of ``captured``."""
        away = self._nothing(()).latents[0, -1] - np.array(captured.latent, np.float32)
        return float(np.square(away).mean())

    def released(self, measured: Sequence[Outcomes]) -> float | None:
        """The energy at worst were every setting as it is where nobody sets it; see ``Gain``.

        What was ``measured`` when they were set is lost then: no better than that is believed.
        """
        usual = [
            next((at for at, option in enumerate(each.options) if at and option.strength == 0), 0)
            for each in self._space.settings
        ]
        if not any(usual):
            return None
        # Harm shows at once; whether it lasts, few trials of a setting given back have shown.
        rows, channels = np.array([usual], np.intp), self._energy.channels
        outcome = self.outcome(rows, channels, HORIZONS_S[0])
        worst = float(self._worst(rows, outcome, HORIZONS_S[0])[0])
        lost = np.array(
            [sum(self._view.moved(name, each) for each in measured) for name in channels], np.float32
        )
        kept = self.outcome(self._keep, channels, HORIZONS_S[0])
        seen = replace(kept, middle=np.clip(kept.middle - lost, 0, 1))
        return round(max(worst, float(self._energy.expected(seen)[0])), 5)

    def _worst(self, candidates: IntArray, outcome: Outcome, horizon_s: int) -> FloatArray:
        """(K,) the energy at worst of ``candidates``, whose ``outcome`` over a window is given.

        Of a setting that is given back the graph imagines little in a state that it has made calm. It is
        judged also by what imposing it does, the other way round, and by whichever of the two is worse.
        """
        worst = self._energy.worst(outcome, NORMAL_80, self._together)
        if not self._backwards(candidates).any():
            return worst
        mirrored = self.outcome(candidates, outcome.channels, horizon_s, mirrored=True)
        return np.maximum(worst, self._energy.worst(mirrored, NORMAL_80, self._together))

    def _backwards(self, candidates: IntArray) -> BoolArray:
        """(K,) which of them give anything back."""
        return np.asarray(self._gives_back[np.arange(candidates.shape[1]), candidates].any(axis=1))

    def outcome(
        self,
        candidates: IntArray,
        channels: tuple[str, ...],
        horizon_s: int = HORIZON_S,
        *,
        mirrored: bool = False,
    ) -> Outcome:
        """What ``candidates`` (K, V) come to in ``channels`` over one window.

        ``mirrored``: what gives a setting back does the reverse of what imposing it does.
        """
        view, at = self._view, self._view.horizon(horizon_s)
        columns = [view.column(each) for each in channels]
        means, latents = self._imagined(candidates)
        kept, _ = self._imagined(self._keep)
        effect = (means - kept)[:, columns, at]  # (K, C), exactly 0 for what changes nothing
        size, spread = self._trust(candidates, channels, horizon_s, mirrored=mirrored)
        without = view.without[columns, at]  # (C, 3)
        most = self._most(candidates, channels)
        return Outcome(
            channels=channels,
            middle=np.clip(without[:, 1] + size * effect, 0, most),
            deviation=np.where(np.isfinite(spread), spread, 0) * np.abs(effect)
            + np.where(np.isfinite(spread), 0, _ANYTHING),
            most=most,
            spread=(without[:, 1] - without[:, 0], without[:, 2] - without[:, 1]),
            latents=latents,
            changed=np.asarray((candidates > 0).any(axis=1)),
        )

    def windows(self, course: IntArray, goal: Goal) -> dict[str, dict[int, Window]]:
        """What is shown: the goal's channels and others whose effect is known, at each horizon."""
        rows = course[None]
        names = tuple(dict.fromkeys((*goal.energy.channels, *goal.unharmed, *_SHOWN)))
        names = tuple(each for each in names if self._view.known(each))
        _, spread = self._trust(rows, names, HORIZON_S)
        names = tuple(each for each, known in zip(names, np.isfinite(spread[0]), strict=True) if known)
        found: dict[str, dict[int, Window]] = {name: {} for name in names}
        for horizon in HORIZONS_S:
            outcome = self.outcome(rows, names, horizon)
            low, high = outcome.interval(NORMAL_90)
            taken = np.stack([low[0], outcome.middle[0], high[0]], axis=-1)
            for at, name in enumerate(names):
                without = self._view.without[self._view.column(name), self._view.horizon(horizon)]
                found[name][horizon] = Window(self._shown(name, taken[at]), self._shown(name, without))
        return found

    def foreseen(self, course: IntArray, names: tuple[str, ...]) -> tuple[ForeseenEffect, ...]:
        """What ``course`` is imagined to do to ``names``, where it changes one setting: what came of several
        at once could not be told apart."""
        moved = np.flatnonzero(course)
        if len(moved) != 1:
            return ()
        setting = self._space.settings[int(moved[0])]
        now, then = setting.options[0], setting.options[int(course[moved[0]])]
        (means,), _ = self._imagined(course[None])
        (kept,), _ = self._imagined(self._keep)
        found = []
        for horizon in HORIZONS_S:
            at = self._view.horizon(horizon)
            for name in names:
                column = self._view.column(name)
                low, middle, high = (float(each) for each in self._view.without[column, at])
                found.append(
                    ForeseenEffect(
                        setting=setting.control,
                        up=then.strength > now.strength,
                        channel=name,
                        horizon_s=horizon,
                        imagined=float(means[column, at] - kept[column, at]),
                        without=middle,
                        noise=(high - low) / (2 * NORMAL_90),
                    )
                )
        tables = self._view.effects
        return tuple(
            each
            for each in found
            if abs(each.imagined) >= LEAST_IMAGINED and known_effect(tables, each.key) is not None
        )

    def _shown(self, channel: str, unit: FloatArray) -> Interval:
        low, middle, high = (float(f"{each:.5g}") for each in self._view.from_unit(channel, unit))
        return low, middle, high

    def _imagined(self, candidates: IntArray) -> tuple[FloatArray, FloatArray]:
        """(K, C, H) means on the unit scale and (K, S, D) latents; each course is imagined once."""
        rows = [tuple(row) for row in candidates.tolist()]
        nothing = (0,) * len(self._space.settings)
        fresh = [row for row in dict.fromkeys((nothing, *rows)) if row not in self._asked]
        if fresh:
            sequences = self._space.sequences(np.array(fresh, np.intp).reshape(len(fresh), -1))
            answer = self._view.moment.dynamics.rollout(sequences)
            self._asked |= zip(
                fresh, zip(self._view.imagined(answer), answer.latents, strict=True), strict=True
            )
        found = [self._asked[row] for row in rows]
        return np.stack([means for means, _ in found]), np.stack([latents for _, latents in found])

    def _nothing(self, channels: tuple[str, ...]) -> Outcome:
        return self.outcome(self._keep, channels)

    def _effort(self, candidates: IntArray) -> FloatArray:
        switched, dose, disrupting = self._space.effort(candidates)
        return np.asarray(SWITCH_COST * switched + DOSE_COST * dose + DISRUPT_COST * disrupting)

    def _trust(
        self, candidates: IntArray, channels: tuple[str, ...], horizon_s: int, *, mirrored: bool = False
    ) -> tuple[FloatArray, FloatArray]:
        """(K, C) each: how much of the imagined effect over a window is real, and how far that varies.

        Several settings at once were never tried: the least of their sizes holds, and their spreads add up.
        The spread is infinite where one of them is unknown.
        """
        sizes, spreads = self._tables(channels, horizon_s, mirrored)
        moved, setting = candidates > 0, np.arange(len(self._space.settings))  # (K, V), (V,)
        size = np.where(moved[:, :, None], sizes[setting, candidates], np.inf).min(axis=1, initial=np.inf)
        spread = np.where(moved[:, :, None], spreads[setting, candidates], 0).sum(axis=1)
        return np.where(np.isfinite(size), size, 0).astype(np.float32), spread.astype(np.float32)

    def _tables(
        self, channels: tuple[str, ...], horizon_s: int, mirrored: bool
    ) -> tuple[FloatArray, FloatArray]:
        """(V, O, C) each: size and spread, by setting, option and channel."""
        shape = len(self._space.settings), max(self._space.options, default=1), len(channels)
        sizes, spreads = np.zeros(shape, np.float32), np.full(shape, np.inf, np.float32)
        for row, setting in enumerate(self._space.settings):
            for number, option in enumerate(setting.options[1:], 1):
                known = self._known(setting.control, setting.options[0], option, mirrored)
                for column, channel in enumerate(channels):
                    found = (each.get(channel, {}).get(horizon_s) for each in known)
                    effect = next((each for each in found if each is not None), None)
                    if effect is not None:
                        sizes[row, number, column] = effect.size
                        spreads[row, number, column] = effect.spread
        return sizes, spreads

    def _known(self, control: str, now: Option, then: Option, mirrored: bool) -> tuple[Channels, ...]:
        """Where the effects of a change are looked up: the first that knows a channel holds."""
        known = self._view.effects.settings[control]
        there, back = (known.up, known.down) if then.strength > now.strength else (known.down, known.up)
        if abs(then.strength) >= abs(now.strength):
            return (there,)
        return (back, there) if mirrored else (there, back)

    def _most(self, candidates: IntArray, channels: tuple[str, ...]) -> FloatArray:
        """(K, C) what the kernel lets each be at most: a quota is kept, whatever is imagined."""
        most = np.ones((len(candidates), len(channels)), np.float32)
        for at, setting in enumerate(self._space.settings):
            for number, option in enumerate(setting.options):
                for channel, value in option.most if number else ():
                    if channel in channels:
                        column = channels.index(channel)
                        rows = candidates[:, at] == number
                        most[rows, column] = np.minimum(
                            most[rows, column], self._view.to_unit(channel, value)
                        )
        return most


def _gives_back(space: CourseSpace) -> BoolArray:
    """(V, O) which options bring a setting nearer to where it is when nobody sets it."""
    found = np.zeros((len(space.settings), max(space.options, default=1)), np.bool_)
    for row, setting in enumerate(space.settings):
        strengths = np.abs([option.strength for option in setting.options])
        found[row, : len(strengths)] = strengths < strengths[0]
    return found


def _steps(space: CourseSpace, course: IntArray) -> tuple[Step, ...]:
    steps: list[Step] = []
    for setting, at in zip(space.settings, course, strict=True):
        option = setting.options[int(at)]
        action = action_type(option.action)
        for target in setting.targets if at else ():
            inverse = {"unit.freeze": "unit.thaw", "unit.thaw": "unit.freeze"}.get(
                option.action, option.action
            )
            steps.append(
                Step(
                    n=len(steps) + 1,
                    action=option.action,
                    target=target,
                    old=setting.present,
                    new=option.value,
                    inverse=inverse,
                    tier=action.tier,
                    reversible=action.reversible,
                )
            )
    return tuple(steps)


def _settable(space: CourseSpace) -> tuple[Settable, ...]:
    found: dict[tuple[str, tuple[str, ...]], list[Value]] = {}
    for setting in space.settings:
        for option in setting.options:
            found.setdefault((option.action, setting.targets), []).append(option.value)
    return tuple(Settable(action, targets, tuple(values)) for (action, targets), values in found.items())


def _verdict(
    goal: Goal, steps: tuple[Step, ...], courses: _Courses, gain: Gain, view: _View
) -> CourseVerdict:
    if goal.captured is not None:
        return _reaching(goal, goal.captured, steps, gain, view, courses)
    if steps:
        return CourseVerdict(
            "ask",
            ("jepad only proposes: a person has to agree, and the guard has to allow it.", *goal.reasons),
        )
    if goal.nobody:
        return CourseVerdict("allow", goal.reasons)
    if not goal.settings:
        return CourseVerdict("deny", goal.reasons or ("There is nothing that could be set for it.",))
    said = ("Nothing that may be set is surely better than doing nothing.", *_hoped(courses))
    return CourseVerdict("allow", (*said, *goal.reasons))


def _hoped(courses: _Courses) -> tuple[str, ...]:
    """What the best course would gain if all went as expected, in words, where any would."""
    hoped, course = courses.hoped
    if not course.any() or hoped <= 0:
        return ()
    return (f"The best course would gain {hoped:.3f} as expected, within its own uncertainty.",)


def _reaching(
    goal: Goal, wanted: Captured, steps: tuple[Step, ...], gain: Gain, view: _View, courses: _Courses
) -> CourseVerdict:
    """Whether the state is there, can be come near to, or cannot be reached."""
    usual = view.usual(wanted, goal.energy)
    distance = courses.distance(wanted)
    if distance <= wanted.spread and gain.without <= usual:
        return CourseVerdict("allow", (f"The machine is in the state {wanted.name} already.",))
    differs = f"The machine differs from {wanted.name} most in {view.furthest(wanted)}."
    if not steps:
        why = "nothing that may be set, and whose effect is known, surely moves the machine there"
        apart = f"Its latent is {distance:.2f} away, where {wanted.spread:.2f} was usual."
        return CourseVerdict(
            "deny",
            (f"{wanted.name} cannot be reached: {why}.", *_hoped(courses), differs, apart, *goal.reasons),
        )
    said = ["jepad only proposes: a person has to agree, and the guard has to allow it."]
    if gain.taken > usual:
        said.append(
            f"That comes nearer to {wanted.name}, and not all the way: the energy would be "
            f"{gain.taken:.3f}, where {usual:.3f} was usual."
        )
        said.append(differs)
    return CourseVerdict("ask", (*said, *goal.reasons))
