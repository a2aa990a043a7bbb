# SPDX-License-Identifier: Apache-2.0
"""What a task spec comes to here: an energy, and the settings with which it may be lowered.

Only what the pack was seen to do in trials is offered; whatever else would serve is named as unknown.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from jepa.actions.catalogue import Value, action_type
from jepa.errors import JepaError
from jepa.packs.effects import KnownEffects
from jepa.planning.captured import Captured
from jepa.planning.courses import (
    SHARES,
    WEIGHTS,
    Option,
    Setting,
    control,
    freeze_options,
    present_option,
    quota_options,
    weight_options,
)
from jepa.planning.energy import AtMost, Energy, Near, Term
from jepa.planning.surroundings import Group, Surroundings
from jepa.tasks.conditions import check_condition, in_words
from jepa.tasks.intents import ASKED, PLANNED
from jepa.tasks.spec import TaskSpec
from jepa.tasks.task import Outcomes
from jepa.telemetry.roles import PLAYED, Role
from jepa.world.controls import HostSize

WAITING: Final = {"cpu": 1.0, "memory": 2.0, "io": 5.0}
"""Percent of the time for which a role may wait for each resource before it is in need of anything.

A role that uses a tenth of a CPU and waits for it a hundredth of the time is slowed down by a tenth.
"""
DWELL_S: Final = 30.0
"""A setting that was changed is left alone so long: before that its effect cannot be seen."""
_ACTIONS: Final = {
    "cpu": ("cpu.weight", "cpu.max", "unit.freeze"),
    "memory": ("memory.high",),
    "io": ("io.weight",),
}
"""With which a role's hold on each resource could be loosened."""
_HIGHER_WEIGHTS: Final = (200, 500)
_PERSONS: Final = "user.slice"
"""Belongs to whoever sits there: the guard lets nobody set it."""
_STEERED_BY: Final = ("system.role.", "system.cpu.", "system.pressure.")
"""Of the channels whose effects are known, those by which a captured state is steered for."""
_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted, and what may be done about it."""

    energy: Energy
    """Its values in the channels' own units."""
    settings: tuple[Setting, ...]
    unharmed: tuple[str, ...] = ()
    """Channels that may get no higher than they would be anyway."""
    reasons: tuple[str, ...] = ()
    """A sentence for each thing that is unknown or out of reach."""
    nobody: bool = False
    """Whether nothing need be done: nobody runs from whom anything could be taken, or it is set already."""
    captured: Captured | None = None
    """The state that is to be reached, where that is the goal."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of the pack and of the machine that a goal is compiled for."""

    pack: str
    effects: KnownEffects
    host: HostSize
    surroundings: Surroundings
    since_change_s: Callable[[str, str], float | None]
    """Seconds since an action was last applied to a unit; None where it was not since boot."""
    left: Collection[tuple[str, str]] = ()
    """Settings with their units, that a task leaves to a person who set them."""
    measured: Sequence[Outcomes] = ()
    """What was seen here of each plan that is in force: what would be lost again without it."""
    schema: str = ""
    """Digest of the pack's channels."""
    captured: Mapping[str, Captured] = field(default_factory=dict)
    """The states that were captured, by name."""


def steered(channel: str, known: Iterable[Collection[str]]) -> bool:
    """Whether a captured state is steered for by ``channel``: all settings have a ``known`` effect on it."""
    return channel.startswith(_STEERED_BY) and all(channel in each for each in known)


def compile_goal(spec: TaskSpec, known: Knowledge) -> Goal:
    """The goal of ``spec``; JepaError: 409 where none can be planned for, 404 for what is not found."""
    if spec.intent == "goal_capture":
        raise JepaError(
            "To capture a state is no plan.", "Use `jepa goal capture NAME`; it changes nothing.", status=409
        )
    if spec.intent not in PLANNED or spec.intent in ASKED:
        raise JepaError(
            f"Nothing is planned for the intent {spec.intent}.",
            f"Plans are made for {', '.join(PLANNED)}.",
            status=409,
        )
    if spec.intent == "goal_reach":
        return _Compiler(spec, known).reach()
    if spec.goal is not None:
        raise JepaError(
            f"To {spec.intent} and to reach {spec.goal} are two goals.", "Ask for one of them.", status=409
        )
    return _Compiler(spec, known).goal()


class _Compiler:
    def __init__(self, spec: TaskSpec, known: Knowledge) -> None:
        self._spec = spec
        self._known = known
        self._groups = known.surroundings.groups()
        self._reasons: list[str] = []
        places = [known.surroundings.role_of(name) for name in spec.protect]
        self._protected_roles = {role for role, _ in places}
        self._protected_names = {name for _, name in places}
        self._unharmed: tuple[str, ...] = ()
        self._nobody = False

    def goal(self) -> Goal:
        spec = self._spec
        role = self._target_role()
        match spec.intent:
            case "prioritize":
                terms, settings = self._prioritize(role)
            case "limit" if spec.amount is not None:
                terms, settings = self._limit_to(role)
            case "limit":
                self._need_whole(role)
                other = _other(role)
                terms, settings = self._favour(other, role, self._resources())
            case _:
                self._need_whole(role)
                terms = ()
                settings = []
                self._unknown("memory.high", role)
                self._unknown("memory.reclaim", role)
        settings = [setting for setting in settings if self._keeps_protected(setting)]
        if spec.condition is not None:
            content = spec.model_dump(mode="json", exclude_none=True)
            try:
                check_condition(content)
                said = f"A task for it acts only while {in_words(content)}."
            except JepaError as error:
                said = error.problem
            self._reasons.append(f"This plan is for now, whether its condition holds or not. {said}")
        reasons = tuple(dict.fromkeys(self._reasons))
        return Goal(Energy(terms), tuple(settings), self._unharmed, reasons, self._nobody and not settings)

    def reach(self) -> Goal:
        """A state that was captured is to be reached, by all settings whose effects are known."""
        captured = self._captured()
        settings: list[Setting] = []
        for role in PLAYED:
            for action in _ACTIONS["cpu"]:
                known = self._known.effects.settings.get(control(action, role) or "")
                if known is None or not known.channels:
                    continue
                options = partial(self._options, action, role)
                settings += self._setting(action, role, next(iter(known.channels)), options)
        settings = [each for each in settings if self._keeps_protected(each)]
        every = self._known.effects.settings
        shared = [every[each.control].channels for each in settings] or [
            tuple(name for each in every.values() for name in each.channels)
        ]
        terms = tuple(
            Near(name, mean) for name, (mean, _) in captured.channels.items() if steered(name, shared)
        )
        reasons = tuple(dict.fromkeys(self._reasons))
        return Goal(Energy(terms), tuple(settings), self._unharmed, reasons, captured=captured)

    def _captured(self) -> Captured:
        spec, known = self._spec, self._known
        if spec.goal is None:
            raise JepaError("It is not said which state to reach.", "Name it as `goal`.", status=422)
        if spec.targets or spec.resource or spec.amount:
            raise JepaError(
                "A captured state is one of the whole machine.",
                "Leave out targets, resource and amount.",
                status=422,
            )
        found = known.captured.get(spec.goal)
        if found is None:
            there = (
                f"There are {', '.join(sorted(known.captured))}" if known.captured else "None was captured"
            )
            raise JepaError(
                f"There is no goal {spec.goal!r}.",
                f"{there}; `jepa goal capture NAME` makes one.",
                status=404,
            )
        if why := found.why_not(known.pack, known.schema):
            raise JepaError(
                f"The goal {found.name} cannot be used: {why}.",
                "Capture it anew when the machine is in that state.",
                status=409,
            )
        return found

    def _options(self, action: str, role: Role, present: Value, units: int) -> list[Option]:
        match action:
            case "cpu.weight":
                return weight_options(action, WEIGHTS, present)
            case "cpu.max":
                host = self._known.host
                values = [max(1, round(100 * host.cpus * share / units)) for share in SHARES]
                return quota_options(role, values, present, units, host)
            case _:
                return freeze_options(role, present)

    def _target_role(self) -> Role:
        """The one role that all targets play."""
        spec = self._spec
        if not spec.targets:
            if spec.intent == "prioritize":
                return "foreground"
            return "background"
        places = {name: self._known.surroundings.role_of(name) for name in spec.targets}
        for target, (_, name) in places.items():
            if name in self._protected_names and spec.intent != "prioritize":
                raise JepaError(
                    f"{target} is to be changed and protected at once.", "Name it once.", status=409
                )
        roles = {role for role, _ in places.values()}
        if len(roles) > 1:
            said = ", ".join(f"{target} is {role}" for target, (role, _) in places.items())
            raise JepaError(
                f"The targets play different roles: {said}.",
                "Name those of one role; docs/how-to/assign-roles.md says how a unit gets another.",
                status=409,
            )
        role = roles.pop()
        if role not in PLAYED:
            raise JepaError(
                f"{', '.join(name for _, name in places.values())} has the role system, and what settings "
                "do to that was never tried.",
                "Give it the role foreground or background: docs/how-to/assign-roles.md.",
                status=409,
            )
        return role

    def _need_whole(self, role: Role) -> None:
        """JepaError (409) unless the targets are all there is of ``role``: the model knows no less."""
        names = {self._known.surroundings.role_of(name)[1] for name in self._spec.targets} or {role}
        beside = [group.unit for group in self._groups if group.role == role and group.unit not in names]
        if role not in names and beside:
            raise JepaError(
                f"What becomes of {', '.join(sorted(names))} alone is not known: the model knows roles "
                f"as a whole, and {', '.join(beside)} {'are' if len(beside) > 1 else 'is'} {role} as well.",
                f"Name {role} as the target.",
                status=409,
            )

    def _resources(self) -> Sequence[str]:
        wanted = self._spec.resource
        if wanted is None:
            return tuple(WAITING)
        if wanted not in WAITING:
            raise JepaError(
                f"Nothing is planned for {wanted} yet.",
                f"Plans are made for {', '.join(WAITING)}.",
                status=409,
            )
        return (wanted,)

    def _prioritize(self, role: Role) -> tuple[tuple[Term, ...], list[Setting]]:
        terms, settings = self._favour(role, _other(role), self._resources())
        channel = _waiting(role, "cpu")
        own = [group for group in self._groups if group.role == role]
        theirs = any(group.unit == _PERSONS or not group.settable for group in own)
        if own and not theirs and any(term.channel == channel for term in terms):
            settings += self._setting(
                "cpu.weight",
                role,
                channel,
                lambda present, _: weight_options("cpu.weight", _HIGHER_WEIGHTS, present),
            )
        return terms, settings

    def _favour(
        self, role: Role, other: Role, resources: Sequence[str]
    ) -> tuple[tuple[Term, ...], list[Setting]]:
        """``role`` is to wait less, by what ``other`` holds."""
        terms: list[Term] = []
        settings: list[Setting] = []
        for resource in resources:
            channel = _waiting(role, resource)
            found = []
            for action in _ACTIONS[resource]:

                def options(present: Value, units: int, action: str = action) -> list[Option]:
                    return self._options(action, other, present, units)

                found += self._setting(action, other, channel, options)
            if found:
                terms.append(AtMost(channel, WAITING[resource]))
                settings += found
        return tuple(terms), settings

    def _limit_to(self, role: Role) -> tuple[tuple[Term, ...], list[Setting]]:
        """``role`` is to use no more than the amount."""
        self._need_whole(role)
        amount, host = self._spec.amount, self._known.host
        assert amount is not None
        if amount.unit not in ("%", "cores") or self._spec.resource not in (None, "cpu"):
            self._unknown(
                "memory.high"
                if amount.unit in ("MiB", "GiB") or self._spec.resource == "memory"
                else "io.rbps",
                role,
            )
            return (), []
        percent = amount.value * (100 if amount.unit == "cores" else 1)
        channel = f"system.role.{role}.cpu"

        def options(present: Value, units: int) -> list[Option]:
            quota = max(1, round(percent / units))
            return [
                each for each in quota_options(role, [quota], present, units, host) if each.value != "max"
            ]

        settings = self._setting("cpu.max", role, channel, options)
        return (AtMost(channel, min(100.0, percent / host.cpus)),), settings

    def _setting(
        self, action: str, role: Role, channel: str, options: Callable[[Value, int], list[Option]]
    ) -> list[Setting]:
        """``action`` on all units of ``role``, for what it does to ``channel``; none where it may not be."""
        name = control(action, role)
        known = self._known.effects.settings.get(name or "")
        if name is None or known is None or channel not in known.channels:
            self._unknown(action, role, channel)
            return []
        groups = [group for group in self._groups if group.role == role]
        if not groups:
            self._nobody = True
            self._reasons.append(f"Nothing {role} runs, so there is nothing to set.")
            return []
        if not self._may_set(action, groups):
            return []
        values = {group.unit: self._known.surroundings.value(group, action) for group in groups}
        present = next(iter(values.values()))
        if set(values.values()) != {present}:
            self._reasons.append(f"{action} is set in a way that was never tried, so it is left alone.")
            return []
        units = len(groups)
        offered = options(present, units)
        if not offered:
            self._nobody = True
            self._reasons.append(f"{action} of {', '.join(values)} is {present} already.")
            return []
        keep = present_option(action, present, units, self._known.host)
        fitting = [each for each in offered if self._tried(name, each)]
        if not fitting or not self._tried(name, keep):
            self._reasons.append(f"Values of {action} on {role} that would serve were never tried.")
            return []
        return [Setting(name, role, tuple(values), present, (keep, *fitting))]

    def _tried(self, name: str, option: Option) -> bool:
        """Whether trials had such a setting."""
        known = self._known.effects.settings[name]
        return option.strength == 0 or known.low - _SLACK <= option.strength <= known.high + _SLACK

    def _may_set(self, action: str, groups: Sequence[Group]) -> bool:
        role = groups[0].role
        if role in self._protected_names:
            self._reasons.append(f"{role} is protected, so it is not changed.")
            return False
        for group in groups:
            if group.unit in self._protected_names:
                self._reasons.append(f"{group.unit} is protected, so nothing {role} is changed.")
                return False
            if group.unit == _PERSONS:
                self._reasons.append(f"{group.unit} belongs to whoever works there, so it is not changed.")
                return False
            if not group.settable:
                self._reasons.append(
                    f"{group.unit} of a person's own manager is out of reach, so nothing {role} is changed."
                )
                return False
            if (action_type(action).setting, group.unit) in self._known.left:
                self._reasons.append(f"{action} of {group.unit} was set by a person and is left to them.")
                return False
            since_s = self._known.since_change_s(action, group.unit)
            if since_s is not None and since_s < DWELL_S:
                self._reasons.append(
                    f"{action} of {group.unit} was changed {since_s:.0f} s ago and is left alone for now."
                )
                return False
        return True

    def _keeps_protected(self, setting: Setting) -> bool:
        """Whether what is known of ``setting`` says what it does to roles that hold something protected."""
        known = self._known.effects.settings[setting.control]
        for role in self._protected_roles - {setting.role}:
            channel = _waiting(role, "cpu")
            if channel not in known.channels:
                self._reasons.append(f"What {setting.control} does to what is protected is unknown.")
                return False
            self._unharmed = tuple(dict.fromkeys((*self._unharmed, channel)))
        return True

    def _unknown(self, action: str, role: Role, channel: str = "") -> None:
        what = f" to {channel}" if channel else ""
        self._reasons.append(
            f"What {action} on {role} does{what} is unknown: no trial of {self._known.pack} shows it."
        )


def on_unit_scale(energy: Energy, to_unit: Callable[[str, float], float]) -> Energy:
    """``energy`` with its values on the unit scale, by ``to_unit(channel, value)``."""

    def scaled(term: Term) -> Term:
        if isinstance(term, AtMost):
            return replace(term, most=to_unit(term.channel, term.most))
        return replace(term, at=to_unit(term.channel, term.at)) if isinstance(term, Near) else term

    return replace(energy, terms=tuple(map(scaled, energy.terms)))


def _other(role: Role) -> Role:
    return "background" if role == "foreground" else "foreground"


def _waiting(role: Role, resource: str) -> str:
    return f"system.role.{role}.pressure.{resource}"
