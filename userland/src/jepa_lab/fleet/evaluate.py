# SPDX-License-Identifier: Apache-2.0
"""Judges a pack on a fleet's recordings, on all machines of a Ray cluster: one task a recording.

A task runs what `jepa evaluate` runs on one machine, and answers sums without their minutes. They are
added up by groups of machines, in the order of the recordings: figures do not depend on who was done first,
or on how often a worker died, and what is in memory does not grow with the hours, nor with the machines of
a cohort once they are more than the groups.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from jepa.errors import JepaError
from jepa.evaluation.evaluate import judge
from jepa.evaluation.replay import replay
from jepa.evaluation.report import Evaluation, Figures
from jepa.evaluation.session import Session, judge_session, together
from jepa.fleet.manifest import StoredRecording
from jepa.packs.pack import Pack
from jepa.telemetry.recording import Recording
from jepa.world.forecast import FloatArray
from jepa_lab.fleet.cluster import Away, Given, each_part, use_part
from jepa_lab.fleet.splits import cohorts
from jepa_lab.fleet.survey import Host, Problem

GROUPS: Final = 32
"""Machines of a cohort are added up in so many groups, which the bootstrap draws, however many there are.

They are divided by their names, which are hashes: random groups, of which an interval can be had as of the
machines (Wolter, Introduction to Variance Estimation, ch. 2).
"""
PRESENT: Final = "present"
"""The name under which the pack that is to be replaced is judged beside the new one."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The machines of one shape."""

    machines: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of the recordings of a fleet."""

    evaluation: Evaluation
    """Its lower ends are those of other machines of the kind: machines are drawn, not recordings."""
    cohorts: dict[str, Cohort]
    hosts: int
    problems: tuple[Problem, ...]
    """What was left out, and why."""

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        cohorts = {
            name: {"machines": each.machines, **asdict(each.figures)} for name, each in self.cohorts.items()
        }
        return {**self.evaluation.to_json(), "cohorts": cohorts}

    def to_text(self) -> str:
        """The figures of all, and the foremost of each cohort."""
        lines = [
            self.evaluation.to_text(),
            "",
            f"{'cohort':34}{'machines':>9}{'accuracy':>9}{'lower':>8}{'window':>8}",
        ]
        for name, each in self.cohorts.items():
            found = each.figures
            beside = found.baselines["window"]["banded_accuracy"]
            figures = (found.banded_accuracy, found.banded_accuracy_lower, beside)
            said = ("-" if value is None else f"{value:.3f}" for value in figures)
            lines.append("{:34}{:9}{:>9}{:>8}{:>8}".format(name, each.machines, *said))
        return "\n".join(lines)


class Replay:
    """A pack as a forecaster to compare another with."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack

    def points(self, recording: Recording, horizons: Sequence[int]) -> FloatArray:
        """The medians of the pack, which must have these horizons."""
        assert tuple(horizons) == tuple(self._pack.manifest.shape.horizons_s)
        return replay(recording, self._pack).points["model"]


def judge_part(
    address: str, host: str, part: StoredRecording, pack: Pack, present: Pack | None, adapt: bool
) -> Session | Problem | Away:
    """What one part comes to."""
    peers = {} if present is None else {PRESENT: Replay(present)}
    return use_part(
        address,
        host,
        part,
        pack.schema,
        lambda recording: together([judge_session(recording, pack, peers=peers, adapt=adapt)]),
    )


def evaluate_fleet(
    address: str, hosts: Sequence[Host], pack: Pack, present: Pack | None = None, *, adapt: bool = True
) -> Judged:
    """Judge ``pack`` on all parts of ``hosts`` in the store at ``address``, on the connected cluster.

    ``present`` is judged beside it. Unless ``adapt``, forecasts are the packs' own.

    Raises JepaError when the store stays away, when a task's workers all die, or nothing can be judged.
    """
    answers = each_part(judge_part, address, parts_of(hosts), pack, present, adapt)
    return sum_up(hosts, answers, pack, () if present is None else (PRESENT,))


def parts_of(hosts: Sequence[Host]) -> list[Given]:
    """All parts, in the order in which they are judged."""
    return [(host.host, part) for host in hosts for part in host.parts]


def sum_up(
    hosts: Sequence[Host], answers: Iterable[Session | Problem], pack: Pack, peers: Sequence[str] = ()
) -> Judged:
    """What ``answers``, one for each part of ``hosts`` in their order, come to."""
    places = {
        host.host: (name, number % GROUPS)
        for name, group in cohorts(hosts).items()
        for number, host in enumerate(group)
    }
    found: dict[tuple[str, int, str], Session] = {}
    about: dict[tuple[str, str], dict[str, Any]] = {}
    problems: list[Problem] = []
    for (host, part), answer in zip(parts_of(hosts), answers, strict=True):
        if isinstance(answer, Problem):
            problems.append(answer)
            continue
        kind = answer.whole.kind
        told = about.setdefault(
            (host, kind), {"machine": host, "shape": str(part.shape), "parts": 0, "frames": 0}
        )
        told["parts"] += 1
        told["frames"] += part.frames
        key = (*places[host], kind)
        before = found.get(key)
        whole = answer if before is None else together([before, answer])
        found[key] = replace(whole, schema=pack.schema)  # each came with a copy of its own
    if not found:
        raise JepaError("There is no recording to judge.", "See `jepa-lab fleet ls`.")
    by_cohort: dict[str, Cohort] = {}
    for name in cohorts(hosts):
        some = [each for (cohort, _, _), each in found.items() if cohort == name]
        if any(each.scored for each in some):
            machines = {host for host, _ in about if places[host][0] == name}
            by_cohort[name] = Cohort(len(machines), judge(some, pack, peers).figures)
    evaluation = replace(judge(list(found.values()), pack, peers), recordings=list(about.values()))
    return Judged(evaluation, by_cohort, len({host for host, _ in about}), tuple(problems))
