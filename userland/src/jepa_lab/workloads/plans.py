# SPDX-License-Identifier: Apache-2.0
"""Plans: which sessions together make a data set, and how they are split.

Programs are split as sessions are: those of HELD_OUT are never trained on, nor are those of VALIDATED, so
that held-out figures are of programs, seeds and mixtures that nobody has seen, and choices made on
validation do not either.
"""

from dataclasses import dataclass

from jepa_lab.workloads.scarce import SCARCE
from jepa_lab.workloads.session import PROGRAMS, Deck, Session, Split
from jepa_lab.workloads.steady import STEADY

HELD_OUT = ("backlog", "backup", "keyvalue", "media", "transactions", "unpack", "wal")
VALIDATED = ("contention", "mail")
TRAINED = tuple(name for name in PROGRAMS if name not in ("idle", *HELD_OUT, *VALIDATED))

_WIDE = (
    Session("t01-build", "train", "busy", 101, ("compile", "developer", "search"), 0.15, twin=True),
    Session("h01-shop", "heldout", "busy", 901, ("transactions", "keyvalue", "server"), 0.15, twin=True),
    Session("t02-web", "train", "busy", 102, ("server", "crawler", "log", "stream"), 0.15, twin=True),
    Session("v01-office", "validation", "busy", 501, (*VALIDATED, "browser", "sync"), 0.15, twin=True),
    Session("t03-night", "train", "busy", 103, ("batch", "etl", "sync", "cron"), 0.15, twin=True),
    Session("h02-studio", "heldout", "busy", 902, ("media", "wal", "unpack", "backlog"), 0.15, twin=True),
    Session("t04-desk", "train", "day", 104, ("browser", "developer", "cron", "ticker"), 0.4),
    Session("h03-day", "heldout", "day", 903, (*HELD_OUT, "browser", "developer", "cron"), 0.6, twin=True),
    Session("t05-grow", "train", "busy", 105, ("memory", "leak", "scan", "science"), 0.15, twin=True),
    Session("v02-day", "validation", "day", 502, (*VALIDATED, *TRAINED), 0.6),
    Session("t06-storm", "train", "busy", 106, ("forks", "switches", "churn", "burst"), 0.15, twin=True),
    Session("t07-mixed", "train", "busy", 107, TRAINED, 0.15, twin=True),
    Session("t08-day", "train", "day", 108, TRAINED, 0.6),
    Session("t09-mixed", "train", "busy", 109, TRAINED, 0.15, twin=True),
    Session("t10-timers", "train", "busy", 110, ("ticker", "cron", "burst", "log"), 0.15, twin=True),
    Session("t11-mixed", "train", "busy", 111, TRAINED, 0.15, twin=True),
    Session("t12-files", "train", "busy", 112, ("search", "churn", "etl", "sync", "scan"), 0.15, twin=True),
    Session("t13-day", "train", "day", 113, TRAINED, 0.6),
    Session("t14-mixed", "train", "busy", 114, TRAINED, 0.15, twin=True),
    Session("t15-mixed", "train", "busy", 115, TRAINED, 0.15, twin=True),
    Session("t16-site", "train", "busy", 116, ("server", "stream", "browser", "log"), 0.15, twin=True),
    Session("t17-day", "train", "day", 117, TRAINED, 0.6),
    Session("t18-mixed", "train", "busy", 118, TRAINED, 0.15, twin=True),
)


def _acting(name: str, split: Split, seed: int, programs: tuple[str, ...], twin: bool = False) -> Session:
    """Busy, with both roles at work nearly always, so that what one is denied shows in the other."""
    return Session(name, split, "busy", seed, programs, 0.1, twin=twin, acts=True, beside=0.8)


_ACTING = (
    _acting("a01-build", "train", 201, ("compile", "developer", "search")),
    _acting("a02-web", "train", 202, ("server", "crawler", "log", "stream")),
    _acting("ah1-shop", "heldout", 911, ("transactions", "keyvalue", "backup"), twin=True),
    _acting("a03-night", "train", 203, ("batch", "etl", "sync", "cron")),
    _acting("a04-grow", "train", 204, ("memory", "leak", "scan", "science")),
    _acting("av1-office", "validation", 511, (*VALIDATED, "browser", "sync")),
    _acting("a05-storm", "train", 205, ("forks", "switches", "churn", "burst")),
    _acting("a06-mixed", "train", 206, TRAINED),
    _acting("ah2-studio", "heldout", 912, ("media", "wal", "unpack"), twin=True),
    _acting("a07-mixed", "train", 207, TRAINED),
    _acting("a08-mixed", "train", 208, TRAINED),
    _acting("a09-batch", "train", 209, ("batch", "burst", "science", "compile")),
    _acting("a10-disk", "train", 210, ("scan", "sync", "churn", "log")),
    _acting("a11-mixed", "train", 211, TRAINED),
    _acting("a12-mixed", "train", 212, TRAINED),
)
"""For machines with cgroup v2, such as our own VM: actions are taken meanwhile."""

STEADY_HELD_OUT = ("squeeze", "sieve", "heap", "lookup", "records")
STEADY_VALIDATED = ("order", "rewrite")
STEADY_TRAINED = tuple(name for name in STEADY if name not in (*STEADY_HELD_OUT, *STEADY_VALIDATED))
_FIRST_STEADY = ("loop", "digest", "spawn", "ring", "reread", "append")
_FIRST_HELD_OUT = ("squeeze", "heap", "lookup", "records")
_ON_CPU = ("loop", "digest", "parse", "match")
_IN_MEMORY = ("ring", "reread", "loop")


def _trial(
    name: str, split: Split, seed: int, programs: tuple[str, ...] = _FIRST_STEADY, deck: Deck = "all"
) -> Session:
    """Both roles steadily at work and one action at a time: what it does shows, and can be learned."""
    return Session(name, split, "trial", seed, programs, 0.0, twin=split != "train", acts=True, deck=deck)


_TRIALS = (
    _trial("eh1-trial", "heldout", 931, _FIRST_HELD_OUT),
    _trial("ev1-trial", "validation", 531, (*STEADY_VALIDATED, "digest", "reread")),
    _trial("eh2-trial", "heldout", 932, _FIRST_HELD_OUT),
    # of the first seeds that have CPU work in both pairs
    _trial("eh3-trial", "heldout", 946, _FIRST_HELD_OUT),
    *(_trial(f"e{number:02}-trial", "train", 230 + number) for number in range(1, 17)),
    *(_trial(f"e{number}-cpu", "train", 230 + number, _ON_CPU, "cpu") for number in range(17, 23)),
    _trial("eh4-cpu", "heldout", 947, ("squeeze", "sieve"), "cpu"),
    *(_trial(f"e{number}-memory", "train", 230 + number, _IN_MEMORY, "memory") for number in range(23, 27)),
    *(
        _trial(f"e{number}-share", "train", 230 + number, STEADY_TRAINED, "share")
        for number in range(27, 35)
    ),
    _trial("eh5-share", "heldout", 948, STEADY_HELD_OUT, "share"),
    _trial("eh6-share", "heldout", 949, STEADY_HELD_OUT, "share"),
)
"""For the VM too: trials of actions."""

_MANY = (
    _trial("m01-four", "train", 701, STEADY_TRAINED, "many"),
    _acting("m02-four", "train", 702, TRAINED),
    _trial("mh1-four", "heldout", 971, STEADY_HELD_OUT, "many"),
)
"""For a VM of SHAPES["many"], whose programs seldom want the same CPU."""

SCARCE_HELD_OUT = ("swell", "archive", "vacuum", "stumble")
SCARCE_TRAINED = tuple(name for name in SCARCE if name not in SCARCE_HELD_OUT)


def _scarce(
    name: str, split: Split, seed: int, programs: tuple[str, ...], operations_per_s: int = 150
) -> Session:
    """A quarter of an hour on a machine with little, in which something runs out again and again."""
    return Session(
        name, split, "scarce", seed, programs, 0.1, seconds=900, operations_per_s=operations_per_s
    )


_SCARCE = (
    _scarce("s01-memory", "train", 601, ("hoard", "balloon", "browser", "server", "log")),
    _scarce("sh1-scarce", "heldout", 961, ("swell", "stumble", "keyvalue", "transactions")),
    _scarce("s02-space", "train", 602, ("spool", "dump", "etl", "compile", "cron")),
    _scarce("sv1-scarce", "validation", 561, (*VALIDATED, *SCARCE_TRAINED)),
    _scarce("s03-disk", "train", 603, ("flood", "stampede", "scan", "developer", "sync")),
    _scarce("sh2-scarce", "heldout", 962, ("archive", "vacuum", "wal", "backlog"), 60),
    _scarce("s04-units", "train", 604, ("flapping", "sour", "batch", "ticker", "cron")),
    _scarce("s05-mixed", "train", 605, (*SCARCE_TRAINED, "browser", "developer", "batch", "log"), 60),
    _scarce("s07-disk", "train", 607, ("flood", "stampede", "log", "etl", "sync"), 50),
    _scarce("sh3-scarce", "heldout", 963, ("swell", "archive", "keyvalue"), 60),
    _scarce("s08-space", "train", 608, ("spool", "dump", "log", "batch")),
)
"""For a VM of SHAPES["scarce"], which has an end that can be reached."""

_FAULTS = (
    Session("f01-desk", "tuning", "busy", 301, ("browser", "developer", "cron"), 0.2, faults=4),
    Session("f02-mixed", "tuning", "busy", 302, TRAINED, 0.15, faults=4),
    Session("f03-web", "faults", "busy", 303, ("server", "log", "crawler"), 0.15, faults=4),
    Session("f04-files", "faults", "busy", 304, ("search", "churn", "etl", "sync"), 0.15, faults=4),
)
"""Ordinary work during which something goes wrong; what counts as surprise was chosen on ``tuning`` ones."""

PLANS: dict[str, tuple[Session, ...]] = {
    "wide": _WIDE,
    "acting": _ACTING,
    "trials": _TRIALS,
    "many": _MANY,
    "scarce": _SCARCE,
    "faults": _FAULTS,
}


@dataclass(frozen=True, slots=True)
class MachineShape:
    """The VM that a plan is recorded in."""

    memory_mib: int = 2048
    cpus: int = 2


SHAPES = {
    "acting": MachineShape(),
    "trials": MachineShape(cpus=1),
    "many": MachineShape(memory_mib=4096, cpus=4),
    "scarce": MachineShape(memory_mib=768, cpus=1),
}
