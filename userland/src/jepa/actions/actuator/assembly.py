# SPDX-License-Identifier: Apache-2.0
"""Puts together what changes this machine: the same for the daemon, for ``--local`` and after a crash."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from jepa.actions.actuator.local import ActionEngine, LocalActuator
from jepa.actions.assessor import ChannelReader
from jepa.actions.audit import Audit
from jepa.actions.change import Change
from jepa.actions.clock import HostClock
from jepa.actions.dead_man import DeadMan, DetachedDeadMan, SystemdDeadMan
from jepa.actions.executor import Executor
from jepa.actions.family import Host
from jepa.actions.guard.caller import own_caller
from jepa.actions.guard.grants import GrantStore
from jepa.actions.guard.guard import Guard
from jepa.actions.guard.policy_store import KEPT, PolicyStore
from jepa.actions.journal import Journal, Publish
from jepa.actions.service_manager import NoServiceManager, ServiceManager

DIRECTORY: Final = Path("/var/lib/jepa-actuator")


def state_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """systemd's $STATE_DIRECTORY, the system's for root, or the person's own."""
    if given := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(given)
    if os.geteuid() == 0:
        return DIRECTORY
    home = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or "/") / ".local/state")
    return Path(home) / "jepa" / "actions"


def engine(directory: Path, publish: Publish | None = None, *, wait_s: float = 10.0) -> ActionEngine:
    """What acts on this machine, with its journal in ``directory``; ``publish`` is told of each new state.

    JepaError when the journal cannot be opened.
    """
    clock, host = HostClock(), Host(manager=service_manager())
    with ExitStack() as opened:
        audit = Audit() if os.geteuid() == 0 else None
        if audit is not None:
            opened.callback(audit.close)

        def told(change: Change, head: str) -> None:
            for each in (audit, publish):
                if each is not None:
                    each(change, head)

        journal = Journal(directory, told, wait_s=wait_s)
        opened.callback(journal.close)
        policies = PolicyStore(host.root, directory / KEPT)
        grants = GrantStore(directory / "grants.jsonl", clock.boot_id)
        guard = Guard(host, policies, grants, clock.boot_id)
        timers = _timers(host.manager, directory)
        executor = Executor(host, guard, journal, timers, _channels, clock)
        return ActionEngine(host, guard, policies, executor, timers, clock, opened.pop_all())


def local_actuator(environ: Mapping[str, str] = os.environ) -> LocalActuator:
    """Acts with the rights of whoever runs this process; takes back first what an earlier one left.

    With a damaged journal it shows what is in force, and refuses all changes.
    """
    made = engine(state_directory(environ))
    try:
        if not made.executor.journal.damage:
            made.executor.recover()
    except BaseException:
        made.close()
        raise
    return LocalActuator(made, own_caller(), owns=True)


def service_manager() -> ServiceManager:
    """systemd where it runs."""
    if not Path("/run/systemd/system").is_dir():
        return NoServiceManager()
    from jepa.actions.systemd_bus import SystemdBus

    return SystemdBus()


def _timers(manager: ServiceManager, directory: Path) -> DeadMan:
    if manager.available and os.geteuid() == 0:
        return SystemdDeadMan(manager)
    return DetachedDeadMan(directory)


def _channels() -> ChannelReader:
    from jepa.actions.channel_reader import KernelChannels, WithSignals  # few changes are watched

    return WithSignals(KernelChannels())
