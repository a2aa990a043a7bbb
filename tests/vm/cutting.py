# SPDX-License-Identifier: Apache-2.0
"""Disks as a power cut may leave them, from a log of what a machine wrote, and a tally of what then started.

What came before the last flush that the disk had answered is there; of what was written after that all,
nothing or a part, in any order. Firmware writes its variables at once; they are as when the log began.
"""

import os
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tests.bench import power_cuts
from tests.vm.deciding import deciding
from tests.vm.releases import Channel
from tests.vm.updating import copy, copy_firmware
from tools.partitions import partitions
from tools.vm.emulator import Firmware
from tools.vm.image import BUILD
from tools.vm.machine import Machine
from tools.vm.qemu import Disk
from tools.vm.write_log import WriteLog

CUTS = 10
"""Of an update, and as many of a first boot."""
ANYWHERE_EVERY = 5
"""One cut of so many is at any write; the others are at one that decides something."""
WHOLE_EVERY = 5
"""After one cut of so many the machine starts as a whole; after the others as far as CUT, in less time."""
FIGURES = BUILD / "bench/power-cuts.json"
CUT = "cut.target"
AS_FAR_AS_CUT = {
    "kernel_arguments": [f"systemd.unit={CUT}"],
    "credentials": {f"systemd.extra-unit.{CUT}": "[Unit]\nRequires=basic.target\nAfter=basic.target\n"},
}
"""How far a machine starts: /usr, the root and all that services build on, and none of them."""
NOT_UNMOUNTED = r"FAT-fs .*Volume was not properly unmounted"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Left:
    """What a cut left: a disk, firmware, and whether all was told to be done before it."""

    disk: Disk
    firmware: Firmware
    done: bool
    unflushed: int
    """Writes that no flush had covered."""
    at: str
    """To what the write is at which it came, as `deciding` calls it; empty when that did not matter."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a machine wrote to its disk: that as it was `before`, a log, and firmware as it was then.

    What is cut, called `name`, began when the log had the size `begin`; at `done` all of it was told to be
    done, and at `end` somebody pulls the plug at last.
    """

    name: str
    before: Path
    log: Path
    firmware: Firmware
    begin: int
    done: int
    end: int

    def cut(self, number: int, to: Path) -> Left:
        """What the cut with `number` leaves, always the same; its disk is at `to`. 0 is at the very end."""
        rng = random.Random(f"{self.name} {number}")
        disk = copy(self.before, to)
        firmware = copy_firmware(self.firmware, to.with_suffix(".fd"))
        with closing(WriteLog(self.log)) as log, to.open("r+b") as file:
            at, kind = self.moment(log, number, rng)
            durable = log.durable(at)
            for write in chain(log.writes(0, durable), log.survivors(at, rng)):
                os.pwrite(file.fileno(), write.data, write.at)
            unflushed = sum(1 for _ in log.writes(durable, at))
            return Left(disk, firmware, log.size_before(at) >= self.done, unflushed, kind)

    def moment(self, log: WriteLog, number: int, rng: random.Random) -> tuple[int, str]:
        """When the cut with `number` comes, in entries of the log, and at what; 0 is at the very end.

        All but one of ANYWHERE_EVERY are at a write to what decides which system starts, to each kind of
        that in turn: there are hundreds of writes of content for each that says that it is there. Half of
        all are just before a flush is answered, when most is in flight.
        """
        first, last = log.first_after(self.begin), log.first_after(self.end)
        if number == 0:
            return last, ""
        moments = {"": list(range(first, last))}
        if number % ANYWHERE_EVERY:
            moments = self._deciding(log, first, last) or moments
        kind = sorted(moments)[number % len(moments)]
        at = rng.choice(moments[kind]) + 1
        return min(last, log.before_flush(at)) if rng.random() < 0.5 else at, kind

    def _deciding(self, log: WriteLog, first: int, last: int) -> dict[str, list[int]]:
        """Of the entries from `first` to before `last` those that write to what decides, by its kind."""
        places = deciding(self.before).items()
        found: dict[str, list[int]] = {}
        for at in range(first, last):
            for write in log.writes(at, at + 1):
                for kind in (kind for kind, there in places if any(each.has(write.at) for each in there)):
                    found.setdefault(kind, []).append(at)
        return found


class Tally:
    """Counts what started after the cuts of one part, and keeps it with the figures of power cuts."""

    def __init__(self, part: str) -> None:
        self._part, self._found = part, Counter(dict.fromkeys(power_cuts.FAULTS_OF_BOOTS, 0))

    def add(self, **found: int) -> None:
        """Count these."""
        self._found.update(found)
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        power_cuts.save(FIGURES, self._part, self._found)

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """Count what is asserted within as a fault of that `name` when it fails."""
        try:
            yield
        except AssertionError:
            self.add(**{name: 1})
            raise


def start(machine: Machine, left: Left, tally: Tally) -> None:
    """Switch on what a cut left, and wait for its shell."""
    tally.add(cuts=1, done=left.done, unflushed_writes=left.unflushed)
    if left.at:
        tally.add(**{f"at_{left.at}": 1})
    machine.start()
    with tally.fault("dead"):
        machine.wait_for_shell()


def is_whole(disk: Path, channel: Channel, version: str) -> bool:
    """Whether the slot of `version` on `disk` holds byte for byte what `channel` has of it."""
    there = {each.uuid: each for each in partitions(disk)}
    files = list(channel.place.glob(f"jepa-os_{version}_*.raw"))
    assert len(files) == len(("usr", "usr-verity"))
    for path in files:
        identity = uuid.UUID(path.name.split("_")[-1].partition(".")[0])
        if identity not in there:
            return False
        with disk.open("rb") as slot, path.open("rb") as released:
            slot.seek(there[identity].start)
            while wanted := released.read(CHUNK):
                if slot.read(len(wanted)) != wanted:
                    return False
    return True
