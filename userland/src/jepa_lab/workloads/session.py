# SPDX-License-Identifier: Apache-2.0
"""Sessions: seeded schedules of programs, a Markov chain from one to the next."""

import math
import random
from dataclasses import dataclass
from typing import Literal

from jepa.telemetry.roles import PLAYED, Role
from jepa_lab.workloads import compute, desktop, network, storage
from jepa_lab.workloads.context import Program
from jepa_lab.workloads.faults import FAULTS
from jepa_lab.workloads.scarce import SCARCE
from jepa_lab.workloads.steady import STEADY

PROGRAMS: dict[str, Program] = {
    "idle": compute.idle,
    "batch": compute.batch,
    "burst": compute.burst,
    "compile": compute.compile_storm,
    "contention": compute.contention,
    "forks": compute.forks,
    "leak": compute.leak,
    "memory": compute.memory,
    "science": compute.science,
    "switches": compute.switches,
    "ticker": compute.ticker,
    "browser": desktop.browser,
    "cron": desktop.cron,
    "developer": desktop.developer,
    "media": desktop.media,
    "backlog": network.backlog,
    "crawler": network.crawler,
    "keyvalue": network.keyvalue,
    "server": network.server,
    "stream": network.stream,
    "backup": storage.backup,
    "churn": storage.churn,
    "etl": storage.etl,
    "log": storage.log,
    "mail": storage.mail,
    "scan": storage.scan,
    "search": storage.search,
    "sync": storage.sync,
    "transactions": storage.transactions,
    "unpack": storage.unpack,
    "wal": storage.wal,
}

ALL_PROGRAMS: dict[str, Program] = {**PROGRAMS, **STEADY, **SCARCE, **FAULTS}
"""All that a run may be of."""

TRIAL_S = 120.0
"""How long two programs stay together while actions are tried on them."""

_UNHARMED_S = 60.0
_DWELL_S = {"day": (10, 25, 70.0), "busy": (10, 25, 70.0), "scarce": (50, 30, 120.0)}
"""How long a program works: at least, on average so much longer, at most."""

Split = Literal["train", "validation", "heldout", "faults", "tuning"]
Kind = Literal["day", "busy", "trial", "scarce"]
"""In a trial both roles are steadily at work, and one thing at a time is set; in a scarce one something runs
out again and again."""

Deck = Literal["all", "cpu", "many", "memory", "share"]
"""Which actions are tried: those on programs that all want the CPU, or memory, are too rare among all."""


@dataclass(frozen=True, slots=True)
class Session:
    """One recording to make: which programs alternate, for how long, and which split it belongs to."""

    name: str
    split: Split
    kind: Kind
    seed: int
    programs: tuple[str, ...]
    idle_share: float
    """Probability that the next run is quiet, 0..1."""
    seconds: int = 240
    twin: bool = False
    """Whether it is run twice, so that what anyone could know of it can be measured."""
    acts: bool = False
    """Whether programs play roles and actions are taken meanwhile; only with cgroup v2."""
    beside: float = 0.3
    """Probability that a second program, of another role, works beside the first."""
    deck: Deck = "all"
    """What is tried in a session of trials."""
    operations_per_s: int = 0
    """What the disk of the VM it is recorded in may do; 0 for as much as it can."""
    faults: int = 0
    """How many of FAULTS strike meanwhile, one after the other, after the first minute."""


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """One program at work from ``start_s`` for ``seconds``, counted from the session's start."""

    start_s: float
    seconds: float
    program: str
    seed: int
    level: float
    role: Role = "background"


def schedule(session: Session) -> list[ProgramRun]:
    """The runs of a session, at most two at once, of different roles; the same for the same seed."""
    if session.kind == "trial":
        return _pairs(session)
    rng, roles = random.Random(session.seed), random.Random(f"{session.seed} roles")
    runs: list[ProgramRun] = []
    start, previous = 0.0, "idle"
    while start < session.seconds:
        least, more, most = _DWELL_S[session.kind]
        dwell = min(least + rng.expovariate(1 / more), most, session.seconds - start)
        others = [name for name in session.programs if name != previous] or list(session.programs)
        program = "idle" if rng.random() < session.idle_share else rng.choice(others)
        role, other = roles.sample(PLAYED, 2)
        runs.append(ProgramRun(start, dwell, program, rng.getrandbits(32), rng.random(), role))
        if program != "idle" and len(session.programs) > 1 and rng.random() < session.beside:
            beside = rng.choice([name for name in session.programs if name != program])
            offset = rng.uniform(0, dwell / 2)
            runs.append(
                ProgramRun(start + offset, dwell - offset, beside, rng.getrandbits(32), rng.random(), other)
            )
        start, previous = start + dwell, program
    return runs + _faults(session)


def _pairs(session: Session) -> list[ProgramRun]:
    """One program in each role, others after TRIAL_S."""
    rng = random.Random(session.seed)
    runs = []
    for number in range(math.ceil(session.seconds / TRIAL_S)):
        start = number * TRIAL_S
        seconds = min(TRIAL_S, session.seconds - start)
        for role, program in zip(PLAYED, rng.sample(session.programs, len(PLAYED)), strict=True):
            runs.append(ProgramRun(start, seconds, program, rng.getrandbits(32), rng.random(), role))
    return runs


def _faults(session: Session) -> list[ProgramRun]:
    """Each in an equal part of what follows the first minute, well away from the next one."""
    if not session.faults:
        return []
    rng = random.Random(f"{session.seed} faults")
    part = (session.seconds - _UNHARMED_S) / session.faults
    names = rng.sample(sorted(FAULTS), session.faults)
    runs = []
    for number, name in enumerate(names):
        seconds = rng.uniform(0.2, 0.35) * part
        start = _UNHARMED_S + number * part + rng.uniform(0, 0.9 * part - seconds)
        runs.append(ProgramRun(start, seconds, name, rng.getrandbits(32), rng.random()))
    return runs
