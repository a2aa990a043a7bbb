# SPDX-License-Identifier: Apache-2.0
"""`jepa run`: a command in a role, in a scope of its own, with limits that end with it.

This process moves itself into the scope and then becomes the command, so that its exit status, its signals
and its terminal are the command's own.
"""

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from jepa.actions.catalogue import ActionType, TargetKind, Value
from jepa.actions.family import Host, Resource
from jepa.actions.registry import family_of
from jepa.actions.service_manager import NoServiceManager, ServiceManager, Variant
from jepa.actions.values import parse
from jepa.errors import JepaError
from jepa.shell.request import Request
from jepa.shell.usage import UsageError
from jepa.shell.verbs.act import known

SLICES: Final = {
    # Where the packaged roles.toml has groups of each role, for the system's manager and for a person's.
    ("foreground", True): "user.slice",
    ("foreground", False): "app.slice",
    ("background", True): "background.slice",
    ("background", False): "background.slice",
}
NICE: Final = {"foreground": -5, "background": 10}
"""Without systemd: nice values of the roles."""
BOOTED: Final = Path("/run/systemd/system")
"""There where systemd runs, see sd_booted(3)."""
NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit status where the command cannot be started, as shells have it."""


def run(request: Request) -> int:
    """Become the command; only an error comes back."""
    args = request.args
    command: list[str] = args.command
    if not command:
        raise UsageError(
            "A command is wanted.", f"For instance `jepa run --{args.role} -- make -j8`.", status=400
        )
    limits = wanted_limits(args.cpu, args.memory, args.io_weight, args.limit)
    if args.for_s is not None and not limits:
        raise UsageError(
            "--for lifts limits, and there are none.", "Add --cpu 40%, for instance.", status=400
        )
    program = shutil.which(command[0])
    if program is None:
        there = os.path.exists(command[0])  # noqa: PTH110  (a Path would lose a trailing slash)
        sys.stderr.write(f"{command[0]}: {'cannot be executed' if there else 'command not found'}\n")
        return NOT_EXECUTABLE if there else NOT_FOUND
    manager = service_manager(os.getuid() == 0)
    if manager.available:
        enter_scope(manager, args.role, command, limits, args.for_s)
    else:
        take_priority(args.role, limits)
    return become(program, command)


def wanted_limits(
    cpu: str | None, memory: str | None, io_weight: str | None, others: Sequence[str]
) -> list[tuple[ActionType, Value]]:
    """The limits that were asked for, each once; UsageError for what is no limit of a unit."""
    named = [("cpu.max", cpu), ("memory.max", memory), ("io.weight", io_weight)]
    words = [(name, value) for name, value in named if value is not None]
    for each in others:
        name, equals, value = each.partition("=")
        if not equals:
            raise UsageError(
                f"{each[:80]!r} is no limit.", "Write ACTION=VALUE, as pids.max=100.", status=400
            )
        words.append((name, value))
    found: dict[str, tuple[ActionType, Value]] = {}
    for name, value in words:
        action = known(name)
        if action.target is not TargetKind.UNIT or action.family != "unit_resources":
            raise UsageError(
                f"{name} is no limit of a command.",
                "`jepa actions` lists cpu.max, memory.max and the others.",
                status=400,
            )
        if name in found:
            raise UsageError(f"{name} is given twice.", "Give it once.", status=400)
        try:
            found[name] = (action, parse(action, value, memory_bytes()))
        except JepaError as error:
            raise UsageError(error.problem, error.remedy, status=422) from error
    return list(found.values())


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def service_manager(system: bool) -> ServiceManager:
    """systemd of the system, or of the person who runs this."""
    if not BOOTED.is_dir():
        return NoServiceManager()
    from jepa.actions.systemd_bus import SystemdBus

    return SystemdBus(user=not system)


def enter_scope(
    manager: ServiceManager,
    role: str,
    command: Sequence[str],
    limits: Sequence[tuple[ActionType, Value]],
    for_s: float | None,
) -> None:
    """Move this process into a new scope of ``role``; with ``for_s`` its limits are lifted after that."""
    from jepa.actions.families.unit_resources import properties

    limited: dict[str, Variant] = {}
    for action, value in limits:
        limited |= properties(action.setting, checked(action, value))
    scope = f"jepa-run-{os.urandom(4).hex()}.scope"
    manager.start_transient(
        scope,
        {
            "PIDs": ("au", [os.getpid()]),
            "Slice": ("s", SLICES[role, os.getuid() == 0]),
            "Description": ("s", " ".join(command)[:200]),
            "CollectMode": ("s", "inactive-or-failed"),
            **limited,
        },
    )
    if for_s is not None:
        lift_later(manager, scope, limited, for_s)


def checked(action: ActionType, value: Value) -> Value:
    """``value`` as systemd takes it: disks and CPUs that there are; JepaError (422) for others."""
    resource = Resource(TargetKind.UNIT, "", action.setting)
    return family_of(action).check(Host(), action, resource, value)


def lift_later(manager: ServiceManager, scope: str, limited: Mapping[str, Variant], for_s: float) -> None:
    """Have systemd lift the limits of ``scope`` after ``for_s``, whatever becomes of this process."""
    systemctl = shutil.which("systemctl") or "/usr/bin/systemctl"
    mode = [] if os.getuid() == 0 else ["--user"]
    # An empty assignment puts a property back to its default.
    cleared = [f"{_ASSIGNED.get(name, name)}=" for name in limited]
    argv = [systemctl, *mode, "set-property", "--runtime", scope, *cleared]
    name = f"{scope.removesuffix('.scope')}-lift"
    manager.start_transient(
        f"{name}.timer",
        {
            "TimersMonotonic": ("a(st)", [("OnActiveSec", int(for_s * 1e6))]),
            "AccuracyUSec": ("t", 1_000_000),
            "RemainAfterElapse": ("b", False),
            "CollectMode": ("s", "inactive-or-failed"),
        },
        [
            (
                f"{name}.service",
                {"Type": ("s", "oneshot"), "ExecStart": ("a(sasb)", [(systemctl, argv, False)])},
            )
        ],
    )


_ASSIGNED: Final = {"CPUQuotaPerSecUSec": "CPUQuota"}
"""What systemctl calls a property of the bus, where that is another name."""


def take_priority(role: str, limits: Sequence[tuple[ActionType, Value]]) -> None:
    """Without systemd: the scheduler's and the disks' priority of this process, and say what is missing."""
    from jepa.actions import scheduling

    done = []
    try:
        scheduling.set_nice(0, NICE[role])
        done.append(f"nice {NICE[role]}")
    except OSError as error:
        done.append(f"an unchanged nice value ({error.strerror})")
    if role == "background":
        scheduling.set_io_priority(0, "idle")
        done.append("idle I/O priority")
    said = f"jepa: no systemd to make a scope for the command; it gets {' and '.join(done)}."
    if limits:
        said += f" Not limited: {', '.join(action.name for action, _ in limits)}."
    with suppress(OSError):
        sys.stderr.write(f"{said}\n")
        sys.stderr.flush()


def become(program: str, command: Sequence[str]) -> int:
    """Replace this process by ``command``; the exit status if that fails."""
    # Python ignores these, and what is ignored stays so in the command.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    sys.stdout.flush()
    try:
        os.execv(program, list(command))
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_EXECUTABLE
