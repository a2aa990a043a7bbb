# SPDX-License-Identifier: Apache-2.0
"""Plans, made when asked for: what the loop saw last, who runs here, and the planner put together."""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from jepa.errors import JepaError
from jepa.service.actuator_view import BOOT_ID, ActuatorView
from jepa.service.predictor import Predictor
from jepa.service.ring import Ring
from jepa.tasks.intents import ASKED
from jepa.tasks.task import Outcomes
from jepa.telemetry.clocks import boot_s
from jepa.world.alerts import STRANGE
from jepa.world.forecast import FloatArray, Forecast, Imagined

if TYPE_CHECKING:
    from jepa.packs.effects import KnownEffects
    from jepa.packs.pack import Pack
    from jepa.planning.asked import MachineSettings
    from jepa.planning.captured import Captured
    from jepa.planning.energy import Energy
    from jepa.planning.learning import ForeseenEffect
    from jepa.planning.plan import Plan
    from jepa.planning.planner import Planner

LEAST_CONTEXT: Final = 32
"""Frames that the model has seen before anything is planned, as in the trials that judge its effects."""
KEPT: Final = 64
"""Plans that are kept, of those that have not expired."""
WAIT_S: Final = 3.0
"""How long somebody waits while a plan is made for somebody else."""
_FRESH_PERIODS = 3.0


@runtime_checkable
class Imagining(Protocol):
    """What planning needs of a model, which not every one has."""

    pack: "Pack"

    def imagine(self, sequences: FloatArray) -> Imagined:
        """What would follow under action ``sequences``."""


class Plans:
    """Makes one plan at a time; may be used from any thread."""

    def __init__(
        self,
        predictor: Predictor,
        ring: Ring,
        actuator: ActuatorView,
        period_s: float,
        root: Path = Path("/"),
        wall_ns: Callable[[], int] = time.time_ns,
        since_boot_s: Callable[[], float] = boot_s,
        captured: Callable[[], Mapping[str, "Captured"]] = dict,
        in_haste: Callable[[], AbstractContextManager[None]] = nullcontext,
        machine: "MachineSettings | None" = None,
        corrected: "Callable[[str, KnownEffects], KnownEffects]" = lambda pack, effects: effects,
    ) -> None:
        """``in_haste``: what a plan is made within while somebody waits for it.

        ``machine``: what plans that need no model are made of. ``corrected`` gives the effects of a pack as
        they were learned here.
        """
        self._predictor = predictor
        self._ring = ring
        self._actuator = actuator
        self._fresh_s = _FRESH_PERIODS * max(1.0, period_s)
        self._root = root
        self._wall_ns = wall_ns
        self._since_boot_s = since_boot_s
        self._captured = captured
        self._in_haste = in_haste
        self._machine = machine
        self._corrected = corrected
        self._planner: Planner | None = None
        self._making = threading.Lock()
        self._made: dict[str, tuple[dict[str, Any], Plan]] = {}
        """Those that have not expired, by id, the oldest first, with what is wanted."""

    def make(self, text: bytes) -> dict[str, Any]:
        """A plan for the task spec in ``text``, as JSON has it, which is kept until it expires.

        JepaError: 422 for a spec that is malformed, 409 for one that cannot be planned for, 404 for a target
        that is not here, 503 without a fresh and trustworthy model.
        """
        plan = self.plan(text)
        made = plan.as_dict()
        self._keep(made, plan)
        return made

    def plan(
        self,
        text: bytes,
        left: Collection[tuple[str, str]] = (),
        measured: Sequence[Outcomes] = (),
        *,
        waited_for: bool = True,
    ) -> "Plan":
        """The same, not kept, for a task that leaves alone the settings in ``left``.

        ``measured`` is what was seen of its plans in force, ``waited_for`` whether anybody waits.
        """
        # Imported when first asked for: pydantic takes longer to import than all else here.
        from jepa.planning.planner import Planner
        from jepa.tasks.spec import parse_spec

        spec = parse_spec(text)
        if spec.intent in ASKED:
            from jepa.planning.asked import AskedPlanner

            if self._machine is None:
                raise JepaError("Nothing of this machine can be set here.", "Ask jepad.", status=409)
            asked = AskedPlanner(self._boot_id(), self._machine, self._wall_ns, self._since_boot_s)
            return asked.plan(spec, left)
        if not self._making.acquire(timeout=WAIT_S):
            raise JepaError("Another plan is being made.", "Ask again in a second.", status=503)
        try:
            if self._planner is None:
                self._planner = Planner(self._boot_id(), since_boot_s=self._since_boot_s)
            # What is harmed while nothing is in force waits; a plan that may take something back has time.
            with (
                self._in_haste() if waited_for and not measured else nullcontext(),
                self._predictor.borrowed() as loaded,
            ):
                model = loaded.model
                if not isinstance(model, Imagining):
                    raise JepaError(
                        f"The model {loaded.pack} forecasts, but cannot imagine what actions do.",
                        "Install a machine pack.",
                        status=503,
                    )
                return self._make(self._planner, spec, model, self._forecast(), left, measured)
        finally:
            self._making.release()

    def _boot_id(self) -> str:
        return (self._root / BOOT_ID).read_text().strip().replace("-", "")

    def get(self, plan_id: str) -> dict[str, Any]:
        """The plan of that id, as it was made. JepaError (404) when there is none, or it has expired."""
        return self._get(plan_id)[0]

    def goal(self, plan_id: str) -> "Energy | None":
        """What is wanted with the plan of that id, as energy. JepaError (404) as of ``get``."""
        return self._get(plan_id)[1].goal

    def foreseen(self, plan_id: str) -> "tuple[ForeseenEffect, ...]":
        """What was imagined of its one change. JepaError (404) as of ``get``."""
        return self._get(plan_id)[1].foreseen

    def _get(self, plan_id: str) -> "tuple[dict[str, Any], Plan]":
        found = self._made.get(plan_id)
        if found is None or found[0]["expires_s"] < self._since_boot_s():
            raise JepaError(
                f"There is no plan {plan_id[:40]!r}: a plan is kept for a minute, until it expires.",
                "Make the plan anew.",
                status=404,
            )
        return found

    def _keep(self, plan: dict[str, Any], made: "Plan") -> None:
        now_s = self._since_boot_s()
        kept = {name: each for name, each in self._made.items() if each[0]["expires_s"] >= now_s}
        kept[plan["id"]] = plan, made
        self._made = dict(list(kept.items())[-KEPT:])  # replaced as a whole: it is read without a lock

    def _forecast(self) -> Forecast:
        """The newest one; JepaError (503) where it is old, rests on too little, or the machine surprises."""
        newest = self._ring.newest(1)
        if not newest or newest[0].tick is None:
            raise self._predictor.why_not()
        tick = newest[0].tick
        age_s = (self._wall_ns() - newest[0].frame.ts_ns) / 1e9
        if age_s > self._fresh_s:
            raise JepaError(
                f"The newest frame is {age_s:.0f} s old, so nothing is planned.",
                "See `jepa doctor`.",
                status=503,
            )
        if tick.context_frames < LEAST_CONTEXT:
            raise JepaError(
                f"The model has seen {tick.context_frames} frames; a plan needs {LEAST_CONTEXT}.",
                f"Ask again in {LEAST_CONTEXT - tick.context_frames} s.",
                status=503,
            )
        surprise = tick.surprise
        if surprise is not None and surprise.scaled and surprise.probability >= STRANGE:
            raise JepaError(
                f"The machine surprises the model, more than {min(surprise.probability, 0.999):.1%} "
                "of its frames did, so nothing is planned.",
                "Ask again when it does what is usual; `jepa watch` shows what is strange.",
                status=503,
            )
        return tick.forecast

    def _make(
        self,
        planner: "Planner",
        spec: Any,
        model: Imagining,
        forecast: Forecast,
        left: Collection[tuple[str, str]],
        measured: Sequence[Outcomes],
    ) -> "Plan":
        from jepa.planning.goals import Knowledge
        from jepa.planning.planner import Moment
        from jepa.planning.rollouts import Rollouts
        from jepa.planning.surroundings import Surroundings
        from jepa.telemetry.recording import describe_host
        from jepa.world.controls import host_of

        pack = model.pack
        if pack.effects is None:
            raise JepaError(
                f"The pack {pack.title} does not say how far its imagined effects can be trusted.",
                "Install one that does; `jepa-lab effects` measures it.",
                status=503,
            )
        shape = pack.manifest.shape
        moment = Moment(
            Rollouts(model, shape.candidates), forecast, pack.schema, shape.controls, shape.imagined
        )
        known = Knowledge(
            pack.title,
            self._corrected(pack.title, pack.effects),
            host_of(describe_host(pack.schema)),
            Surroundings(self._root),
            self._actuator.since_change_s,
            left,
            measured,
            pack.schema.digest,
            self._captured(),
        )
        return planner.plan(spec, moment, known)
