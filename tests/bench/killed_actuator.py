# SPDX-License-Identifier: Apache-2.0
"""Kills of the real actuator, of its clients (`jepa act`, `jepa undo`) and of jepad while changes are made.

All of them are processes as the image starts them, on a socket of their own and without systemd, as root.
Kernel parameters that matter little are changed by little, and are as they were afterwards.
"""

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
from jepa.actions.journal import load
from jepa.actions.request import make
from jepa.errors import JepaError
from tests.bench.actions import ME, value
from tests.bench.actuator import launched

SETTINGS: Final = (
    "vm.swappiness",
    "vm.vfs_cache_pressure",
    "vm.dirty_expire_centisecs",
    "vm.dirty_writeback_centisecs",
    "net.core.somaxconn",
    "net.core.netdev_budget",
    "net.core.netdev_max_backlog",
    "kernel.sched_cfs_bandwidth_slice_us",
)
"""Of which the kernel has all and the machine none that a few per cent more or less of would hurt."""
SERIES: Final = 20
"""Kills with one journal, which may have so many changes an hour."""
START_S: Final = 60.0
SETTLE_S: Final = 60.0
ANSWERS_S: Final = 5.0
JEPAD_S: Final = 4.0
"""How long jepad has, at most: it begins to serve within that."""


class Machine:
    """Where an actuator runs: its directory, its processes, and what the settings were before."""

    def __init__(self, folder: Path, rng: random.Random, found: Counter[str]) -> None:
        self.state = folder / "state"
        self.socket = folder / "actuator.sock"
        self.environ = {
            **os.environ,
            "STATE_DIRECTORY": str(self.state),
            "JEPA_ACTUATOR_SOCKET": str(self.socket),
            "JEPA_SOCKET": str(folder / "api.sock"),
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/no-bus",
        }
        self.names = [name for name in SETTINGS if Path("/proc/sys", name.replace(".", "/")).exists()]
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
        """A setting, and a value close to what it was."""
        name = self.rng.choice(self.names)
        return name, str(self.before[name] + self.rng.randint(1, 9))

    def look(self) -> None:
        """Start anew as after the death of the daemon, and compare the machine with what was told."""
        left = load(self.state)
        self.found["unsound"] += bool(left.damage)
        in_force = [each for each in left.changes.values() if each.in_force]
        self.found["in_a_change"] += any(each.state is not State.COMMITTED for each in in_force)
        self.found["in_an_undo"] += any(each.ending is not None for each in in_force)
        with closing(engine(self.state)) as made:
            self.found["unsound"] += len(made.executor.recover().problems)
            values = {name: value(name) for name in self.names}
            self.compare(made.executor.journal.changes, values)

    def words(self) -> list[str]:
        """What a person types: a change, for a time or for good, watched or not, or one taken back."""
        if self.told and self.rng.random() < 0.4:
            return ["undo", "--json", self.rng.choice(list(self.told))]
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

    def end(self) -> None:
        """Take all of it back; every setting has to be as it was before."""
        with closing(engine(self.state)) as made:
            made.executor.recover()
            for each in reversed(made.executor.journal.in_force):
                made.executor.undo(ME, each.id)
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
                    time.sleep(0.02)
                    continue
                with self.lock:
                    self.own += () if undone else [changes[0].id]
                    found["answers"] += len(changes)
                    self.machine.told.update({each.id: str(each.state) for each in changes})


def kill_actuators(count: int, found: Counter[str]) -> None:
    """Kill the daemon ``count`` times at work, each time at another moment, some of them in its start."""
    rng = random.Random(1)
    for kills in series(count):
        with new_machine(rng, found) as machine:
            for _ in range(kills):
                starting = rng.random() < 0.1
                with machine.actuator(until_ready=not starting):
                    if starting:
                        time.sleep(rng.uniform(0, 1.0))
                    else:
                        crowd = Crowd(machine)
                        threads = [threading.Thread(target=crowd.ask) for _ in range(3)]
                        for each in threads:
                            each.start()
                        crowd.wait_for(rng.randint(0, 4))
                        time.sleep(rng.uniform(0, 0.05))
                if not starting:
                    crowd.ends = True
                    for each in threads:
                        each.join()
                found["actuators"] += 1
                machine.look()
        print(f"{found['actuators']} actuators killed: {dict(found)}", flush=True)


def kill_clients(count: int, found: Counter[str]) -> None:
    """Kill ``count`` of `jepa act` and `jepa undo` at any moment from their start to their end."""
    rng, took_s = random.Random(2), 0.0
    for kills in series(count):
        with new_machine(rng, found) as machine, machine.actuator():
            enough = found["clients"] + kills
            while found["clients"] < enough:
                begun = time.monotonic()
                process = machine.start("jepa.shell.cli", *machine.words())
                if took_s:
                    time.sleep(rng.uniform(0, took_s))
                    answered = kill(process)
                else:  # the first goes to its end, to know how long that takes
                    answered = process.communicate()[0]
                if process.returncode == -signal.SIGKILL:
                    found["clients"] += 1
                else:
                    took_s = time.monotonic() - begun
                machine.hear(answered)
                machine.compare_settled()
        print(f"{found['clients']} clients killed: {dict(found)}", flush=True)


def kill_jepads(count: int, found: Counter[str]) -> None:
    """Kill ``count`` of jepad, which makes no change by itself, while others are made."""
    rng = random.Random(3)
    for kills in series(count):
        with new_machine(rng, found) as machine, machine.actuator():
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
                found["jepads"] += 1
                machine.compare_settled()
        print(f"{found['jepads']} jepads killed: {dict(found)}", flush=True)


def series(count: int) -> list[int]:
    """``count`` in parts of ``SERIES``."""
    return [min(SERIES, count - done) for done in range(0, count, SERIES)]


@contextmanager
def new_machine(rng: random.Random, found: Counter[str]) -> Iterator[Machine]:
    """One with an empty journal; in the end everything is taken back."""
    with tempfile.TemporaryDirectory(prefix="jepa-kill-") as place:
        machine = Machine(Path(place), rng, found)
        yield machine
        machine.end()


def measure(count: int) -> Counter[str]:
    """Kill ``count`` processes in all: of ten, four actuators, five clients and one jepad."""
    found: Counter[str] = Counter(lost=0, wrong=0, half=0, unsound=0)
    kill_actuators(count * 4 // 10, found)
    kill_clients(count - count * 4 // 10 - count // 10, found)
    kill_jepads(count // 10, found)
    return found
