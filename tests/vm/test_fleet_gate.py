# SPDX-License-Identifier: Apache-2.0
"""Four machines follow a channel in waves: the gate takes back what is worse, and what is good reaches all.

Packs are signed images that the machines fetch over HTTP and mount, Prometheus scrapes port 9790 of each,
and `jepa-lab fleet gate` decides from that. The machines are woken from one boot, each with an ID of its
own, from which its wave follows, and all are on at once. Their clocks count instructions and jump while
there is nothing to do: a frame takes no longer than its instructions, some five are taken in a second of a
free core, and the host's other work shows in no figure. Periods of seconds take the place of hours. What is
worse has noise in the weights that forecast: it passes its check, is in order, and its intervals hold too
little.

That a good version goes on is the owner's word here: the gate asks for some forty periods of accuracies, in
each wave after ten minutes of a machine's frames. That it decides so as well is for
tests/unit/jepa_lab/fleet/test_four_machines.py.
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
from tests.vm.waves import (
    PORT,
    Owner,
    identity,
    pack_of,
    wait_for_pack,
    wait_until_judged,
    wait_until_known,
)
from tools import keys
from tools.vm import priority
from tools.vm.image import BUILD, Image
from tools.vm.machine import Machine, Say
from tools.vm.qemu import Disk
from tools.vm.ready import BAY, start_ready
from tools.vm.sources import push

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.allow(*STRANGE)]

WORSE, GOOD = "99.1.0", "99.2.0"
NOISE = 3.0
"""By how many of their own deviations the weights of the worse pack are off."""
WAVES = ("canary", "tenth", "all", "all")
SCRAPED_S = 2
PERIOD_S = 6
BEFORE = 20
"""So often is each machine looked at before a version is released."""
LONGEST_S = 900.0
SET_UP = "set-up"
AHEAD_S = 3600
"""By which the guests' clocks begin: no busy hour of the host lets one fall behind what is signed."""
IDLE = "jepa-healing jepa-telemetry systemd-timesyncd jepa-health.timer jepa-bpf-cost.timer"
"""What takes as much as the frames do, and no figure is of; jepad reads itself without the collector."""
FOLLOWING = """\
(
set -e
mkdir -p /etc/systemd /etc/jepa
echo {key} | base64 -d >{trusted}
printf 'source = "{address}"\\nwave = "auto"\\n' >/etc/jepa/packs.toml
systemctl stop {idle}
systemctl enable --now jepa-figures.socket
)
"""


@dataclass(frozen=True, slots=True)
class Member:
    """A machine of the fleet."""

    machine: Machine
    figures: str
    """Where its figures are."""

    def follow(self) -> None:
        """Look into the channel, as the timer has it do each hour."""
        self.machine.succeed("systemctl start jepa-packs-update.service", 120)


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
    new_machine: Callable[..., Machine],
    image: Image,
    directory: Path,
    packs: Packs,
    key: Path,
    pytestconfig: pytest.Config,
) -> Iterator[list[Member]]:
    """Four machines that have the image's pack, fitted to them, and follow the channel of ``packs``."""
    setup = {"kernel": image.kernel, "initrd": image.initrd, "devices": BAY, "cpus": 1, "virtual_time": True}
    disk = image.overlay(directory / "waves.qcow2")
    members: list[Member] = []
    with ExitStack() as stack:
        address = stack.enter_context(served(packs.place))
        first = new_machine("waves", disk, **setup)
        start_ready(first, BUILD / "vm-booted-waves")
        if pytestconfig.getoption("--sources"):
            push(first)
        first.set_clock(AHEAD_S)
        trust(first, packs)
        public = base64.b64encode(keys.public_key(key).read_bytes()).decode()
        words = {"key": public, "trusted": TRUSTED, "address": address, "idle": IDLE}
        first.succeed(FOLLOWING.format(**words), 120)
        wait_until_judged(first.forward(PORT), LONGEST_S)
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
        if priority.permitted():
            members[0].machine.prioritise()  # the one that is judged
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
    owner, shipped = Owner(packs.place, key, capsys, say), pack_of(fleet[0].figures)

    def follow(*expected: str) -> None:
        with ThreadPoolExecutor() as together:
            list(together.map(Member.follow, fleet))
        for each, version in zip(fleet, expected, strict=True):
            wait_for_pack(each.figures, version)

    owner.release(packs.place / packs.make(WORSE, noise=NOISE))
    follow(WORSE, shipped, shipped, shipped)
    assert owner.decided(server, PERIOD_S, LONGEST_S) == "back"
    follow(shipped, shipped, shipped, shipped)
    assert WORSE not in fleet[0].machine.succeed("jepa packs list")

    owner.release(packs.place / packs.make(GOOD))
    follow(GOOD, shipped, shipped, shipped)
    owner.next(f"machine_{GOOD}")
    follow(GOOD, GOOD, shipped, shipped)
    owner.next(f"machine_{GOOD}")
    follow(GOOD, GOOD, GOOD, GOOD)

    time.sleep(2 * SCRAPED_S)
    seen = Prometheus(server).instant("max_over_time(jepa_pack_info[1d])")
    versions = {each.labels["version"] for each in seen}
    had = {each: {one.labels["version"] for one in seen if one.machine == each.figures} for each in fleet}
    assert versions == {shipped, WORSE, GOOD}
    assert [WORSE in had[each] for each in fleet] == [True, False, False, False]
    capsys.readouterr()
    assert jepa(["fleet", "top", "--prometheus", server, "--all", "--json"]) == 0
    told: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert {(each["name"], each["pack"]) for each in told} == {
        (each.figures, f"machine {GOOD}") for each in fleet
    }
