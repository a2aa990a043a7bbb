# SPDX-License-Identifier: Apache-2.0
"""Four machines follow a channel in waves: what is taken back came to the canary alone, which goes back.

Packs are signed images that the machines fetch over HTTP and mount; the figures at each one's port 9790 tell
which it uses. The machines are woken from one boot, each with an ID of its own, from which its wave follows.
One is on at a time, since two cores emulate no more; the others stand still. What the gate decides takes
hours of figures: here the owner decides, and tests/unit/jepa_lab/fleet/test_four_machines.py lets the gate.
"""

import base64
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from jepa.updates.waves import position, wave_at
from jepa_lab.cli import main
from tests.unit.updates.channels import release_key
from tests.vm.packs import STRANGE, Packs, pair, trust
from tests.vm.releases import TRUSTED, served
from tools import keys
from tools.vm.image import Image
from tools.vm.machine import Machine
from tools.vm.qemu import Disk
from tools.vm.ready import BAY, start_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.allow(*STRANGE)]

FIRST, WORSE = "99.0.0", "99.1.0"
NOISE = 1.0
"""By how many of their own deviations the weights of the worse pack are off."""
WAVES = ("canary", "tenth", "all", "all")
PORT = 9790
SET_UP = "set-up"
FOLLOWING = """\
(
set -e
mkdir -p /etc/systemd /etc/jepa
echo {key} | base64 -d >{trusted}
printf 'source = "{address}"\\nwave = "auto"\\n' >/etc/jepa/packs.toml
systemctl enable --now jepa-figures.socket
jepa packs install {address}/{pack}
)
"""
PACK = re.compile(r'^jepa_pack_info\{pack="machine",version="(.+)"\} 1$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Member:
    """A machine of the fleet, that stands still between what it is asked."""

    machine: Machine
    figures: str
    """Where its figures are."""
    had: set[str] = field(default_factory=set)
    """Every version that its figures ever told of."""

    @contextmanager
    def on(self) -> Iterator[Machine]:
        """Let it be on."""
        self.machine.resume()
        try:
            yield self.machine
        finally:
            self.machine.pause()

    def follow(self) -> str:
        """Look into the channel, as the timer has it do each hour; the version in use then."""
        with self.on() as machine:
            machine.succeed("systemctl start jepa-packs-update.service", 120)
            machine.wait_until_succeeds("jepa forecast --json")
            with urllib.request.urlopen(f"http://{self.figures}/metrics", timeout=300) as answer:
                (version,) = PACK.findall(answer.read().decode())
        self.had.add(version)
        return str(version)


def identity(wave: str, seed: int) -> str:
    """A machine ID that belongs to ``wave``."""
    drawn = (sha256(f"{seed} {number}".encode()).hexdigest()[:32] for number in count())
    return next(each for each in drawn if wave_at(position(each, "packs")) == wave)


@pytest.fixture
def packs() -> Iterator[Packs]:
    place = Path(tempfile.mkdtemp(prefix="jepa-waves-"))
    yield Packs(place, pair(place, "own"))
    shutil.rmtree(place)


@pytest.fixture
def key() -> Iterator[Path]:
    with release_key() as made:
        yield made


@pytest.fixture
def fleet(
    new_machine: Callable[..., Machine], image: Image, directory: Path, packs: Packs, key: Path
) -> Iterator[list[Member]]:
    """Four machines that use FIRST and follow the channel in the directory of ``packs``."""
    setup = {"kernel": image.kernel, "initrd": image.initrd, "devices": BAY}
    disk = image.overlay(directory / "waves.qcow2")
    members: list[Member] = []
    with ExitStack() as stack:
        address = stack.enter_context(served(packs.place))
        first = new_machine("waves", disk, **setup)
        start_ready(first)
        first.set_clock()  # the channel is signed now, and it may have been booted hours ago
        trust(first, packs)
        public = base64.b64encode(keys.public_key(key).read_bytes()).decode()
        first.succeed(
            FOLLOWING.format(key=public, trusted=TRUSTED, address=address, pack=packs.make(FIRST)), 120
        )
        first.snapshot(SET_UP)
        first.crash()
        for number, wave in enumerate(WAVES):
            own = Disk(directory / f"waves-{number}.qcow2", format="qcow2")
            shutil.copyfile(disk.path, own.path)
            machine = new_machine(f"{wave}-{number}", own, **setup)
            machine.start(SET_UP)
            machine.wait_for_shell()
            machine.succeed(f"echo {identity(wave, number)} >/etc/machine-id")
            members.append(Member(machine, machine.forward(PORT)))
            machine.pause()
        yield members
        for each in members:
            each.machine.resume()  # for what is looked for in every machine after a test


def test_what_is_taken_back_came_to_the_canary_alone(fleet: list[Member], packs: Packs, key: Path) -> None:
    def owner(command: str, what: str) -> None:
        assert main(["fleet", command, str(packs.place), what, "--keys", str(key)]) == 0

    def follow() -> list[str]:
        return [each.follow() for each in fleet]

    owner("release", str(packs.place / packs.make(WORSE, noise=NOISE)))
    assert follow() == [WORSE, FIRST, FIRST, FIRST]
    owner("back", f"machine_{WORSE}")
    assert follow() == [FIRST] * 4
    assert [WORSE in each.had for each in fleet] == [True, False, False, False]
    with fleet[0].on() as canary:
        assert WORSE not in canary.succeed("jepa packs list")
