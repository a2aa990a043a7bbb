# SPDX-License-Identifier: Apache-2.0
"""Changes settings in a VM and takes them back, through the actuator, until the power is cut.

Several clients do, while a file is written again and again beside them. What they are about to do and what
they are told goes to the host, line by line, over a port of the machine; the host answers each with one
byte, once it has noted how far the disk has come by then.

Usage: python3 cut_guest.py PORT SEED UNIT..., in the guest.
"""

import json
import os
import random
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, "/usr/lib/jepa")

from jepa.actions.actuator.remote import SOCKET, RemoteActuator
from jepa.actions.clock import HostClock
from jepa.actions.request import make
from jepa.errors import JepaError

CLIENTS = 2
POLICIES = ("on-failure", "on-abnormal", "always", "no", "unit's own")
REFUSED_S = 0.2
LOAD_S = 0.3


class Host:
    """Who is told, one line at a time."""

    def __init__(self, port: Path) -> None:
        self._port = port.open("r+b", buffering=0)
        self._lock = threading.Lock()

    def tell(self, **line: Any) -> None:
        """Return when the host has noted it."""
        with self._lock:
            self._port.write(json.dumps(line).encode() + b"\n")
            self._port.read(1)


def ask(host: Host, rng: random.Random, units: tuple[str, ...]) -> None:
    """Ask for changes of anything, and take back the own ones in any order."""
    own: list[str] = []
    with closing(RemoteActuator(SOCKET)) as client:
        while True:
            try:
                if own and rng.random() < 0.45:
                    chosen = own.pop(rng.randrange(len(own)))
                    host.tell(undo=chosen)
                    host.tell(changes=[each.as_dict() for each in client.undo(chosen)])
                    continue
                action, target, value = wanted(rng, units)
                for_s = rng.choice([None] * 5 + [86400.0])
                watch_s = rng.choice([0.0] * 9 + [1.0])
                request = make(
                    HostClock(), action=action, target=target, value=value, for_s=for_s, watch_s=watch_s
                )
                host.tell(act=action)
                change = client.act(request, consent=True)
                own.append(change.id)
                host.tell(changes=[change.as_dict()])
            except JepaError as error:
                host.tell(refused=str(error))
                time.sleep(REFUSED_S)


def wanted(rng: random.Random, units: tuple[str, ...]) -> tuple[str, str, str | None]:
    """An action, its target and its value; most outlive a reboot."""
    unit, kind = rng.choice(units), rng.random()
    if kind < 0.4:
        return "unit.restart_policy", unit, rng.choice(POLICIES)
    if kind < 0.8:
        return rng.choice(["unit.enable", "unit.disable"]), unit, None
    if kind < 0.9:
        return "cpu.max", "background.slice", f"{rng.randint(10, 90)}%"
    return "vm.swappiness", "", str(rng.randint(1, 100))


def load(file: Path) -> None:
    """What else a machine writes: a file replaced again and again, now and then synced."""
    for number in range(1 << 62):
        with file.with_suffix(".new").open("wb") as new:
            new.write(os.urandom(1 << 16))
            if number % 4 == 0:
                os.fsync(new.fileno())
        file.with_suffix(".new").replace(file)
        time.sleep(LOAD_S)


def main(port: Path, seed: str, *units: str) -> None:
    """Never returns."""
    host = Host(port)
    for number in range(CLIENTS):
        threading.Thread(target=ask, args=(host, random.Random(f"{seed} {number}"), units)).start()
    load(Path("/var/tmp/load"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
