# SPDX-License-Identifier: Apache-2.0
"""Four machines follow a channel in waves: the gate takes back what is worse, and what is good reaches all.

Packs are signed images that the machines fetch over HTTP and mount, Prometheus scrapes port 9790 of each,
and `jepa-lab fleet gate` decides from it. The machines are woken from one boot, each with an ID of its own,
from which its wave follows, and all are on at once. Two cores emulate no four machines in time, so their
clocks count instructions: they slow down with what the host has left, and its other work shows in no figure.
Periods of seconds take the place of hours. That a good version goes on is the owner's word here, since the
gate asks for accuracies, which are told after ten minutes of a machine's frames with a pack: that it decides
so as well is for tests/unit/jepa_lab/fleet/test_four_machines.py, where they take seconds.
"""

import base64
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jepa.fleet.prometheus import Prometheus
from jepa.shell.cli import main as jepa
from tests.unit.fleet.prometheus_server import prometheus
from tests.unit.updates.channels import release_key
from tests.vm.packs import STRANGE, Packs, pair, trust
from tests.vm.releases import TRUSTED, served
from tests.vm.waves import PORT, Owner, identity, pack_of, wait_until_known
from tools import keys
from tools.vm.image import BUILD, Image
from tools.vm.machine import Machine, Say
from tools.vm.qemu import Disk
from tools.vm.ready import BAY, start_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.allow(*STRANGE)]

WORSE, GOOD = "99.1.0", "99.2.0"
WAVES = ("canary", "tenth", "all", "all")
SCRAPED_S = 20
"""To answer takes one of four machines on two busy cores ten to twenty seconds."""
PERIOD_S = 20
BEFORE = 6
"""So often is each machine looked at before a version is released."""
LONGEST_S = 1200.0
SET_UP = "set-up"
FOLLOWING = """\
(
set -e
mkdir -p /etc/systemd /etc/jepa
echo {key} | base64 -d >{trusted}
printf 'source = "{address}"\\nwave = "auto"\\n' >/etc/jepa/packs.toml
systemctl enable --now jepa-figures.socket
)
"""


@dataclass(frozen=True, slots=True)
class Member:
    """A machine of the fleet."""

    machine: Machine
    figures: str
    """Where its figures are."""

    @property
    def pack(self) -> str:
        """The version in use."""
        return pack_of(self.figures)

    def follow(self) -> str:
        """Look into the channel, as the timer has it do each hour; the version in use then."""
        self.machine.succeed("systemctl start jepa-packs-update.service", 120)
        return self.pack


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
    """Four machines that have the image's pack and follow the channel of ``packs``."""
    setup = {"kernel": image.kernel, "initrd": image.initrd, "devices": BAY, "cpus": 1, "virtual_time": True}
    disk = image.overlay(directory / "waves.qcow2")
    members: list[Member] = []
    with ExitStack() as stack:
        address = stack.enter_context(served(packs.place))
        first = new_machine("waves", disk, **setup)
        start_ready(first, BUILD / "vm-booted-waves")
        first.set_clock()  # the channel is signed now, and it may have been booted hours ago
        trust(first, packs)
        public = base64.b64encode(keys.public_key(key).read_bytes()).decode()
        first.succeed(FOLLOWING.format(key=public, trusted=TRUSTED, address=address), 120)
        first.wait_until_succeeds("jepa forecast --json")
        first.snapshot(SET_UP)
        first.crash()
        for number, wave in enumerate(WAVES):
            own = Disk(directory / f"waves-{number}.qcow2", format="qcow2")
            shutil.copyfile(disk.path, own.path)
            machine = new_machine(f"{wave}-{number}", own, **setup)
            machine.start(SET_UP)
            machine.wait_for_shell()
            machine.succeed(f"echo {identity(wave, 'packs', number)} >/etc/machine-id")
            members.append(Member(machine, machine.forward(PORT)))
            machine.pause()
        for each in members:
            each.machine.resume()
        yield members


@pytest.fixture
def server(fleet: list[Member]) -> Iterator[str]:
    with prometheus({}, [each.figures for each in fleet], SCRAPED_S) as address:
        wait_until_known(address, [each.figures for each in fleet], BEFORE, LONGEST_S)
        yield address


def test_a_worse_pack_is_taken_back_from_the_canary_and_a_good_one_reaches_all(
    fleet: list[Member], packs: Packs, key: Path, server: str, capsys: pytest.CaptureFixture[str], say: Say
) -> None:
    owner, shipped = Owner(packs.place, key, capsys, say), fleet[0].pack

    def follow() -> list[str]:
        with ThreadPoolExecutor() as together:
            return list(together.map(Member.follow, fleet))

    owner.release(packs.place / packs.make(WORSE, breaks_off=True))
    assert follow() == [WORSE, shipped, shipped, shipped]
    assert owner.decided(server, PERIOD_S, LONGEST_S) == "back"
    assert follow() == [shipped] * 4
    assert WORSE not in fleet[0].machine.succeed("jepa packs list")

    owner.release(packs.place / packs.make(GOOD))
    for reached in (1, 2, 4):
        assert follow() == [GOOD] * reached + [shipped] * (4 - reached)
        if reached < 4:
            owner.next(f"machine_{GOOD}")

    ever = Prometheus(server).instant(f'last_over_time(jepa_pack_info{{version="{WORSE}"}}[1d])')
    assert [each.machine for each in ever] == [fleet[0].figures]
    capsys.readouterr()
    time.sleep(2 * SCRAPED_S)
    assert jepa(["fleet", "top", "--prometheus", server, "--all", "--json"]) == 0
    told: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert {(each["name"], each["pack"]) for each in told} == {
        (each.figures, f"machine {GOOD}") for each in fleet
    }
