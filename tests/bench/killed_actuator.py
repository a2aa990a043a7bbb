# SPDX-License-Identifier: Apache-2.0
"""Kills of the real actuator, of its clients (`jepa act`, `jepa undo`) and of jepad while changes are made.

All of them are processes as the image starts them, on a socket of their own and without systemd, as root.
Kernel parameters that matter little are changed by little, and are as they were afterwards.
"""

import itertools
import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jepa.actions.actuator.assembly import engine
from jepa.actions.actuator.remote import RemoteActuator
from jepa.actions.change import Change, State
from jepa.actions.client import HISTORY_MOST
from jepa.actions.clock import HostClock
from jepa.actions.journal import files, load
from jepa.actions.request import make
from jepa.errors import JepaError
from tests.bench.actions import ME, value
from tests.bench.actuator import launched

SETTINGS: Final = {
    "actuator": (
        "net.core.somaxconn",
        "vm.swappiness",
        "vm.vfs_cache_pressure",
        "vm.dirty_expire_centisecs",
        "vm.dirty_writeback_centisecs",
    ),
    "client": (
        "vm.compaction_proactiveness",
        "net.core.netdev_budget",
        "net.core.netdev_max_backlog",
        "kernel.sched_cfs_bandwidth_slice_us",
        "net.core.rmem_max",
    ),
    "jepad": (
        "net.core.netdev_budget_usecs",
        "vm.watermark_boost_factor",
        "vm.watermark_scale_factor",
        "vm.max_map_count",
        "net.core.wmem_max",
    ),
}
"""For each kind of kill its own, of which a few per cent more or less hurt no machine. The first is changed
for a day in each series: as long as it is, the process of the timers need not start anew."""
SERIES: Final = 20
"""Kills with one journal, which may have so many changes an hour."""
START_S: Final = 60.0
SETTLE_S: Final = 60.0
ANSWERS_S: Final = 3.0
JEPAD_S: Final = 4.0
"""How long jepad has, at most: it begins to serve within that."""


class Machine:
    """Where an actuator runs: its directory, its processes, and what the settings were before."""

    def __init__(self, folder: Path, kind: str, rng: random.Random, found: Counter[str]) -> None:
        self.state = folder / "state"
        self.socket = folder / "actuator.sock"
        self.environ = {
            **os.environ,
            "STATE_DIRECTORY": str(self.state),
            "JEPA_ACTUATOR_SOCKET": str(self.socket),
            "JEPA_SOCKET": str(folder / "api.sock"),
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/no-bus",
        }
        self.names = SETTINGS[kind]
        self._next = itertools.cycle(self.names[1:])
        self.before = {name: value(name) for name in self.names}
        self.rng = rng
        self.found = found
        self.told: dict[str, str] = {}
        """The newest state of each change that a caller was told of, by its id."""

    def start(self, module: str, *words: str) -> "subprocess.Popen[str]":
        """Start a program as the image's launchers do."""
        return subprocess.Popen(
            [*launched(module), *words],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def actuator(self, *, until_ready: bool = True) -> Iterator["subprocess.Popen[str]"]:
        """The daemon, killed at the end where it was not before."""
        self.socket.unlink(missing_ok=True)
        process = self.start("jepa.actions.actuator.daemon")
        try:
            end = time.monotonic() + START_S
            while until_ready and not self.socket.exists():
                assert process.poll() is None and time.monotonic() < end, "the actuator does not start"
                time.sleep(0.01)
            yield process
        finally:
            kill(process)

    def wanted(self) -> tuple[str, str]:
        """A setting, the one that was changed longest ago, and a value close to what it was."""
        name = next(self._next)
        return name, str(self.before[name] + self.rng.randint(1, 9))

    def look(self) -> None:
        """Start anew as after the death of the daemon, and compare the machine with what was told."""
        self.count_unfinished()
        with closing(engine(self.state)) as made:
            self.found["unsound"] += len(made.executor.recover().problems)
            values = {name: value(name) for name in self.names}
            self.compare(made.executor.journal.changes, values)

    def words(self) -> list[str]:
        """What a person types: a change, for a time or for good, watched or not, or one taken back."""
        if (kept := self.kept()) and self.rng.random() < 0.5:
            return ["undo", "--json", self.rng.choice(kept)]
        name, wanted = self.wanted()
        more = self.rng.choice([[], [], ["--for", "2s"], ["--watch", "1s"]])
        return ["act", name, wanted, "--json", *more]

    def hear(self, answered: str) -> None:
        """What a command said before it was killed."""
        with suppress(ValueError):
            said = json.loads(answered)
            for each in said if isinstance(said, list) else [said]:
                if "state" in each:
                    self.told[each["id"]] = each["state"]
                    self.found["answers"] += 1
                else:
                    self.found["refused"] += 1

    def compare_settled(self) -> None:
        """Compare once the actuator, which lives, has ended what it was asked for."""
        end, before = time.monotonic() + SETTLE_S, None
        with closing(RemoteActuator(self.socket)) as client:
            while True:
                values = {name: value(name) for name in self.names}
                changes = list(client.history(HISTORY_MOST))[::-1]
                settled = changes == before and not any(_unfinished(each) for each in changes)
                if settled or time.monotonic() > end:
                    self.compare(changes, values)
                    return
                before = changes
                time.sleep(0.05)

    def count_unfinished(self) -> None:
        """How often a kill came in the middle of a change, as the journal has it now."""
        left = load(self.state)
        self.found["unsound"] += bool(left.damage)
        in_force = [each for each in left.changes.values() if each.in_force]
        self.found["in_a_change"] += any(each.state is not State.COMMITTED for each in in_force)
        self.found["in_an_undo"] += any(each.ending is not None for each in in_force)

    def kept(self) -> list[str]:
        """The changes that may be taken back, but for the one that lasts."""
        return [each.id for each in load(self.state).changes.values() if each.in_force][1:]

    def written_bytes(self) -> int:
        """How much the journal has."""
        return sum(path.stat().st_size for path in files(self.state))

    def compare(self, changes: Sequence[Change], values: Mapping[str, int]) -> None:
        """What is set has to be what the journal says, and that what callers were told."""
        in_force = [each for each in changes if each.in_force]
        self.found["half"] += sum(_unfinished(each) for each in changes)
        for name in self.names:
            of_it = [each.new for each in in_force if each.setting == name]
            self.found["wrong"] += values[name] != (of_it[-1] if of_it else self.before[name])
        known = {each.id: each for each in changes}
        for change_id, state in self.told.items():
            change = known.get(change_id)
            ended = state == "committed" and change is not None and not change.in_force
            self.found["lost"] += change is None or (change.state != state and not ended)

    def begin(self) -> None:
        """Make the change that lasts."""
        lasting = self.names[0]
        request = make(HostClock(), action=lasting, value=str(value(lasting) + 1), for_s=86400)
        with closing(engine(self.state)) as made:
            made.executor.act(request, ME)

    def end(self) -> None:
        """Take all of it back; every setting has to be as it was before."""
        with closing(engine(self.state)) as made:
            made.executor.recover()
            for each in reversed(made.executor.journal.in_force):
                made.executor.undo(ME, each.id)
            self.found["changes"] += len(made.executor.journal.changes)
        self.found["wrong"] += sum(value(name) != old for name, old in self.before.items())


def _unfinished(change: Change) -> bool:
    """Whether it is neither committed nor taken back."""
    return change.in_force and (change.state is not State.COMMITTED or change.ending is not None)


def kill(process: "subprocess.Popen[str]") -> str:
    """SIGKILL; what it had written."""
    process.kill()
    return process.communicate()[0]


@dataclass
class Crowd:
    """Threads that make changes and take them back until the actuator is gone."""

    machine: Machine
    own: list[str] = field(default_factory=list)
    """Changes that nobody has asked to take back."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    ends: bool = False

    def wait_for(self, answers: int) -> None:
        """Return after so many more, or when none comes."""
        enough, end = self.machine.found["answers"] + answers, time.monotonic() + ANSWERS_S
        while self.machine.found["answers"] < enough and time.monotonic() < end:
            time.sleep(0.001)

    def ask(self) -> None:
        """One of them."""
        rng, found = self.machine.rng, self.machine.found
        with closing(RemoteActuator(self.machine.socket)) as client:
            while not self.ends:
                with self.lock:
                    undone = (
                        self.own.pop(rng.randrange(len(self.own))) if self.own and rng.random() < 0.5 else ""
                    )
                    name, wanted = self.machine.wanted()
                    for_s = rng.choice([None, None, 1.0])
                try:
                    if undone:
                        changes = list(client.undo(undone))
                    else:
                        request = make(HostClock(), action=name, value=wanted, for_s=for_s)
                        changes = [client.act(request, consent=False)]
                except JepaError as error:
                    if error.status == 503:
                        return
                    found["refused"] += 1
                    time.sleep(0.05)
                    continue
                with self.lock:
                    self.own += () if undone else [changes[0].id]
                    found["answers"] += len(changes)
                    self.machine.told.update({each.id: str(each.state) for each in changes})


def kill_actuators(count: int, found: Counter[str]) -> Iterator[None]:
    """Kill the daemon ``count`` times at work, each time at another moment, some of them in its start."""
    rng = random.Random(f"actuator {found['killed']}")
    for kills in series(count - found["killed"]):
        with new_machine("actuator", rng, found) as machine:
            for _ in range(kills):
                starting = rng.random() < 0.1
                with machine.actuator(until_ready=not starting):
                    if starting:
                        time.sleep(rng.uniform(0, 1.0))
                    else:
                        crowd = Crowd(machine, machine.kept())
                        threads = [threading.Thread(target=crowd.ask) for _ in range(3)]
                        for each in threads:
                            each.start()
                        crowd.wait_for(rng.randint(0, 3))
                        time.sleep(rng.uniform(0, 0.05))
                if not starting:
                    crowd.ends = True
                    for each in threads:
                        each.join()
                found["killed"] += 1
                machine.look()
        print(f"{found['killed']} actuators killed: {dict(found)}", flush=True)
        yield


def kill_clients(count: int, found: Counter[str]) -> Iterator[None]:
    """Kill ``count`` of `jepa act` and `jepa undo`: most as the actuator begins to do it, others before."""
    rng, took_s = random.Random(f"client {found['killed']}"), 0.0
    for kills in series(count - found["killed"]):
        with new_machine("client", rng, found) as machine, machine.actuator():
            enough = found["killed"] + kills
            while found["killed"] < enough:
                begun, written = time.monotonic(), machine.written_bytes()
                process = machine.start("jepa.shell.cli", *machine.words())
                early = took_s and rng.random() < 0.3
                time.sleep(rng.uniform(0, took_s) if early else 0)
                while not early and process.poll() is None and machine.written_bytes() == written:
                    time.sleep(0.0005)
                time.sleep(0 if early else rng.uniform(0, 0.03))
                answered = kill(process)
                took_s = took_s if early else time.monotonic() - begun
                found["killed"] += process.returncode == -signal.SIGKILL
                machine.count_unfinished()
                machine.hear(answered)
                machine.compare_settled()
        print(f"{found['killed']} clients killed: {dict(found)}", flush=True)
        yield


def kill_jepads(count: int, found: Counter[str]) -> Iterator[None]:
    """Kill ``count`` of jepad, which makes no change by itself, while others are made."""
    rng = random.Random(f"jepad {found['killed']}")
    for kills in series(count - found["killed"]):
        with new_machine("jepad", rng, found) as machine, machine.actuator():
            for _ in range(kills):
                state = machine.socket.with_name("jepad")
                process = machine.start("jepa.service.daemon", "--state-dir", str(state))
                crowd = Crowd(machine)
                thread = threading.Thread(target=crowd.ask)
                thread.start()
                time.sleep(rng.uniform(0, JEPAD_S))
                kill(process)
                crowd.ends = True
                thread.join()
                found["killed"] += 1
                machine.compare_settled()
        print(f"{found['killed']} jepads killed: {dict(found)}", flush=True)
        yield


def series(count: int) -> list[int]:
    """``count`` in parts of ``SERIES``."""
    return [min(SERIES, count - done) for done in range(0, count, SERIES)]


@contextmanager
def new_machine(kind: str, rng: random.Random, found: Counter[str]) -> Iterator[Machine]:
    """One with an empty journal; in the end everything is taken back."""
    with tempfile.TemporaryDirectory(prefix="jepa-kill-", dir="/dev/shm") as place:
        machine = Machine(Path(place), kind, rng, found)
        machine.begin()
        yield machine
        machine.end()
