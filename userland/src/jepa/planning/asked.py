# SPDX-License-Identifier: Apache-2.0
"""Plans for what says itself what is to be done: to watch something, and the machine's power.

Nothing is imagined of them, and nothing claimed: no trial showed what these settings do. They are set
because a person asked for them, each can be taken back, and the guard judges them as every other.
"""

from collections.abc import Callable, Collection
from typing import Final, Protocol

from jepa.actions.catalogue import Value, action_type
from jepa.errors import JepaError
from jepa.planning.plan import VALID_S, CourseVerdict, Gain, Plan, Settable, Step
from jepa.tasks.conditions import check_condition, condition_of, in_words
from jepa.tasks.granting import RESTARTS_PER_HOUR
from jepa.tasks.spec import TaskSpec

HORIZON_S: Final = 15
MACHINE: Final = "machine"
"""What grants call the machine itself, which settings of it have for a target."""
POWER: Final[dict[str, tuple[tuple[str, tuple[Value, ...]], ...]]] = {
    "save": (
        ("platform.profile", ("low-power", "quiet", "cool")),
        ("cpu.epp", ("power", "balance_power")),
        ("cpu.boost", ("off",)),
        ("vm.dirty_writeback_centisecs", (1500,)),
    ),
    "performance": (
        ("platform.profile", ("performance", "balanced-performance")),
        ("cpu.epp", ("performance", "balance_performance")),
        ("cpu.governor", ("performance",)),
        ("cpu.boost", ("on",)),
    ),
}
"""By operation what is set, each with its values, the best first; the first that the driver offers is taken.

Of saving the last is what powertop calls the writeback timeout: the disk is woken every 15 s instead of 5.
"""


class MachineSettings(Protocol):
    """The machine's own settings, as they can be read."""

    def value(self, action: str) -> Value:
        """What is in force. JepaError says why the machine has no such setting."""

    def offers(self, action: str, value: Value) -> bool:
        """Whether the driver takes ``value``."""

    def unit(self, name: str) -> str:
        """The full name of the unit ``name``. JepaError (404) when there is none."""


class AskedPlanner:
    """Makes plans of what was asked for."""

    def __init__(
        self,
        boot_id: str,
        machine: MachineSettings,
        wall_ns: Callable[[], int],
        since_boot_s: Callable[[], float],
    ) -> None:
        self._boot_id, self._machine = boot_id, machine
        self._wall_ns, self._since_boot_s = wall_ns, since_boot_s

    def plan(self, spec: TaskSpec, left: Collection[tuple[str, str]] = ()) -> Plan:
        """The plan for ``spec``, which leaves alone the settings in ``left``.

        JepaError: 409 for what cannot be watched or set, 404 for a unit that is not here.
        """
        content = spec.model_dump(mode="json", exclude_none=True)
        check_condition(content)
        if spec.intent == "watch":
            targets = tuple(dict.fromkeys(self._machine.unit(each) for each in _watched(spec)))
            if targets and spec.targets:
                content["targets"] = list(targets)
            if "targets" in (content.get("condition") or {}):
                content["condition"]["targets"] = list(targets)
            return self._made(content, (), *self._watch(spec, targets, in_words(content)))
        return self._made(content, *self._power(spec, left, in_words(content)))

    def _watch(
        self, spec: TaskSpec, units: tuple[str, ...], when: str
    ) -> tuple[tuple[Settable, ...], CourseVerdict]:
        if spec.operation is None:
            return (), CourseVerdict("ask", (f"When {when}, an event says so, and when that is over.",))
        condition = condition_of(spec.model_dump(mode="json", exclude_none=True)) or {}
        if not units or condition.get("kind") != "failed":
            raise JepaError(
                "Only what fails can be restarted.",
                "Name the unit, and let `failed` be the condition.",
                status=409,
            )
        protected = {self._machine.unit(each) for each in spec.protect} & set(units)
        if protected:
            raise JepaError(
                f"{', '.join(sorted(protected))} is to be restarted and protected at once.",
                "Name it once.",
                status=409,
            )
        said = (
            f"When {when}, it is restarted, at most {RESTARTS_PER_HOUR} times an hour. What it held in "
            "memory is lost then, and an event says what was done."
        )
        return (Settable("unit.restart", units, ("restarted",)),), CourseVerdict("ask", (said,))

    def _power(
        self, spec: TaskSpec, left: Collection[tuple[str, str]], when: str
    ) -> tuple[tuple[Step, ...], tuple[Settable, ...], CourseVerdict]:
        if spec.operation is None:
            raise JepaError(
                "It is not said whether to save power or to spend it.",
                "Name an operation: save or performance.",
                status=409,
            )
        steps: list[Step] = []
        settable: list[Settable] = []
        reasons: list[str] = []
        lacking: list[str] = []
        for name, values in POWER[spec.operation]:
            action = action_type(name)
            if (action.setting, "") in left:
                reasons.append(f"{name} was set by a person and is left to them.")
                continue
            if name == "cpu.governor" and any(each.action == "cpu.epp" for each in settable):
                continue  # the CPUs choose their frequency themselves
            try:
                present = self._machine.value(name)
            except JepaError as error:
                lacking.append(error.problem)
                continue
            wanted = next((each for each in values if self._machine.offers(name, each)), None)
            if wanted is None:
                lacking.append(f"The driver offers no value of {name} for that.")
                continue
            settable.append(Settable(name, (MACHINE,), (present, wanted)))
            better = values[: values.index(wanted) + 1]
            if present not in better and not _beyond(present, wanted):
                steps.append(
                    Step(len(steps) + 1, name, "", present, wanted, name, action.tier, action.reversible)
                )
        if not settable:
            return (), (), CourseVerdict("deny", tuple(dict.fromkeys((*reasons, *lacking))))
        if when:
            reasons.append(f"This plan is for now. A task for it acts only while {when}.")
        reasons += lacking
        if not steps:
            return (
                (),
                tuple(settable),
                CourseVerdict("allow", ("It is set so already.", *reasons)),
            )
        said = "How much power that saves is unknown: no trial shows it. Each step can be taken back."
        if spec.operation == "performance":
            said = "How much faster that is, is unknown: no trial shows it. Each step can be taken back."
        return tuple(steps), tuple(settable), CourseVerdict("ask", (said, *dict.fromkeys(reasons)))

    def _made(
        self,
        content: dict[str, object],
        steps: tuple[Step, ...],
        settable: tuple[Settable, ...],
        verdict: CourseVerdict,
    ) -> Plan:
        made_ns = self._wall_ns()
        return Plan(
            boot_id=self._boot_id,
            made_ns=made_ns,
            expires_ns=made_ns + int(VALID_S * 1e9),
            expires_s=round(self._since_boot_s() + VALID_S, 3),
            pack="",
            spec=content,
            steps=steps,
            horizon_s=HORIZON_S,
            windows={},
            energy=Gain(0.0, 0.0, 0.0, 0.0),
            verdict=verdict,
            settable=settable,
        )


def _watched(spec: TaskSpec) -> tuple[str, ...]:
    """The units that a watch is about: those whose failure is meant."""
    condition = condition_of(spec.model_dump(mode="json", exclude_none=True)) or {}
    return tuple(condition.get("targets", ())) if condition.get("kind") == "failed" else ()


def _beyond(present: Value, wanted: Value) -> bool:
    """Whether a number goes further than wanted already: somebody saves more than this would."""
    numbers = isinstance(present, int | float) and isinstance(wanted, int | float)
    return numbers and present > wanted  # type: ignore[operator]
