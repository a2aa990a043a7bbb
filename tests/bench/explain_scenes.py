# SPDX-License-Identifier: Apache-2.0
"""What `make bench-explain` plants: faults, each with the unit behind it, and busy hours without any.

Pure. Shell commands and the programs of ``explain_guest.py`` are named; who runs them is that file's affair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Verdict = Literal["right", "wrong", "missed"]
SPIN: Final = "while :; do :; done"
WORK: Final = "while :; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; sleep 0.05; done"
"""Does a little, often: it notices when it has to wait for a CPU."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A service that is started for a scene."""

    name: str
    """Without its suffix."""
    command: str
    """For a shell; ``@NAME`` stands for a program of ``explain_guest.py``."""
    properties: tuple[str, ...] = ()
    """As ``systemd-run --property`` takes them."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One cause, or none: what is started, and what is right to say of it."""

    name: str
    units: tuple[Unit, ...]
    culprit: str = ""
    """The unit that is to be named first; empty where none is to blame."""
    kinds: tuple[str, ...] = ()
    """What the fault is called; empty for a control, of which nothing is to be said of anybody."""
    after_s: int = 20
    """How long after the onset the question is asked."""
    then: str = ""
    """A shell command that is run half of that time after the onset."""
    disk_operations: int = 400
    """Operations a second that the disk does."""


SCENES: Final = (
    Scene(
        "noisy neighbour",
        (Unit("work", WORK), Unit("hog", f"for n in 1 2 3; do {SPIN} & done; wait")),
        "hog.service",
        ("cpu_contention", "runaway"),
    ),
    Scene("quota", (Unit("api", SPIN, ("CPUQuota=10%",)),), "api.service", ("cpu_quota",)),
    Scene(
        "noisy writer",
        (Unit("ledger", "@append"), Unit("writer", "@write")),
        "writer.service",
        ("disk_contention",),
    ),
    Scene("slow disk", (Unit("ledger", "@append"),), "", ("slow_disk",), disk_operations=8),
    Scene("leak", (Unit("leaky", "@leak"),), "leaky.service", ("memory_leak", "leak"), after_s=110),
    Scene(
        "swapping", (Unit("hoard", "@hoard"),), "hoard.service", ("swap_thrashing", "oom_kill"), after_s=30
    ),
    Scene(
        "killed at its limit",
        (Unit("job", "@hoard", ("MemoryMax=64M", "MemorySwapMax=0")),),
        "job.service",
        ("oom_kill", "memory_limit", "unit_failed"),
    ),
    Scene(
        "full disk",
        (Unit("dump", "head -c 60M /dev/zero > /mnt/small/dump; sleep 999"),),
        "dump.service",
        ("file_system_full", "disk_filling"),
    ),
    Scene("retry storm", (Unit("client", "@retry"),), "client.service", ("connection_storm",)),
    Scene("lock convoy", (Unit("locked", "@convoy"),), "locked.service", ("lock_convoy",)),
    Scene(
        "log storm",
        (Unit("chatty", "while :; do echo nothing to see here; done"),),
        "chatty.service",
        ("log_storm",),
    ),
    Scene(
        "fork storm",
        (Unit("forker", "while :; do sleep 999 & sleep 0.01; done", ("TasksMax=600",)),),
        "forker.service",
        ("fork_storm",),
        after_s=12,
    ),
    Scene(
        "restart loop",
        (Unit("crash", "sleep 0.2; exit 3", ("Restart=always", "RestartSec=1", "StartLimitIntervalSec=0")),),
        "crash.service",
        ("restart_loop", "unit_failed"),
        after_s=30,
    ),
    Scene(
        "failed dependency",
        (
            Unit("store", "sleep 4; exit 1"),
            Unit("front", "sleep 7; exit 1", ("Requires=store.service",)),
        ),
        "store.service",
        ("dependency_failed", "unit_failed"),
    ),
    Scene(
        "hung server",
        (Unit("server", "@serve"), Unit("visitors", "@visit")),
        "server.service",
        ("not_accepting",),
        then="systemctl kill --signal=STOP server",
    ),
    Scene("idle", ()),
    Scene("batch that gives way", (Unit("batch", SPIN, ("CPUWeight=5",)),)),
    Scene("page cache", (Unit("reader", "cat /usr/lib/x86_64-linux-gnu/*.so* > /dev/null; sleep 999"),)),
    Scene("memory in use", (Unit("cache", "@steady"),), after_s=60),
    Scene("planned restart", (Unit("web", "sleep 999"),), then="systemctl restart web"),
    Scene(
        "burst that is over",
        (Unit("burst", f"timeout 4 sh -c '{SPIN}'; sleep 999"), Unit("work", WORK)),
        after_s=40,
    ),
)


def scene_named(name: str) -> Scene:
    """The scene of that name; KeyError."""
    return {each.name: each for each in SCENES}[name]


def verdict(scene: Scene, found: Mapping[str, Any]) -> Verdict:
    """What an explanation, as `jepa explain --json` prints it, is worth.

    ``right`` is the true unit first, for whatever it does; where no unit is to blame, the fault by its name.
    ``wrong`` is an accusation of somebody else first; in a control, of anybody at all.
    """
    causes: Sequence[Mapping[str, Any]] = found["causes"]
    accused = [each["name"] for cause in causes for each in cause["offenders"]]
    if not scene.kinds:
        return "wrong" if accused else "right"
    if not causes:
        return "missed"
    first = causes[0]
    named = [each["name"] for each in first["offenders"]]
    if scene.culprit and named[:1] == [scene.culprit]:
        return "right"
    if not scene.culprit and not named and first["kind"] in scene.kinds:
        return "right"
    return "wrong" if accused and accused[0] != scene.culprit else "missed"
