# SPDX-License-Identifier: Apache-2.0
"""Versions of the system come in waves: a worse one to the canary alone, which goes back; a good one to all.

The images, their channel, `jepa update`, the loader and the figures are real, and the gate decides from what
a Prometheus scrapes that the worse one is taken back. What is worse with it passes its own check after the
start: it forecasts, but can mount no pack, and does with its own. That a version goes on is the owner's word
here: the gate asks for some forty periods of accuracies, which are told after ten minutes of frames.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from jepa.fleet.prometheus import Prometheus
from tests.unit.fleet.prometheus_server import prometheus
from tests.unit.updates.channels import release_key
from tests.vm import packs as pack_images
from tests.vm.packs import STRANGE, Packs, pair
from tests.vm.releases import Channel, built, served, with_words
from tests.vm.updating import LATER, NEXT, UKIS, connect, firmware_of, reboot, told, trust, version
from tests.vm.waves import PORT, Owner, identity, wait_until_known
from tools.vm.image import Image
from tools.vm.machine import Machine, Say

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.allow(*STRANGE)]

WORSE, GOOD = NEXT, LATER
NO_PACKS = "module_blacklist=loop"
"""With which a kernel mounts no image from a file."""
PACK = "99.0.0"
SCRAPED_S = 4
PERIOD_S = 8
BEFORE = 6
"""So often is each machine looked at before a version is released."""
LEFT_OUT = (
    *("jepa-telemetry.service", "jepa-healing.service", "systemd-timesyncd.service"),
    *("jepa-health.timer", "jepa-bpf-cost.timer"),
)
"""What a start takes a third of its time for, and nothing here is of; jepad reads itself without it."""
LONGEST_S = 900.0
SET_UP = """\
(
set -e
mkdir -p /etc/jepa
printf 'source = "{channel}"\\nwave = "auto"\\n' >/etc/jepa/update.toml
systemctl enable --now jepa-figures.socket
until jepa forecast >/dev/null; do sleep 3; done
jepa packs install {pack}
echo {identity} >/etc/machine-id
sync
)
"""


class Member:
    """A machine of the fleet, which is reached at the same place after each start."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.figures = machine, machine.forward(PORT)

    def follow(self) -> str:
        """Update, as what starts a fleet's machines anew has it do; what was said."""
        return self.machine.succeed("jepa update apply", 600)

    def reboot(self) -> str:
        """Start anew; the version that then runs, and has passed its check."""
        reboot(self.machine)
        self.machine.wait_for_shell()
        connect(self.machine)
        self.machine.forward(PORT, self.figures)
        now = version(self.machine)
        self.machine.wait_until_succeeds(f"{UKIS} | grep -x jepa-os_{now}.efi", poll=3)
        self.machine.say(f"{now} runs and passed its check")
        return now


@pytest.fixture
def place(image: Image) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="jepa-", dir=image.raw.parents[1]))
    yield made
    rmtree(made)


@pytest.fixture
def key() -> Iterator[Path]:
    with release_key() as made:
        yield made


@pytest.fixture
def versions(image: Image, place: Path, key: Path) -> Channel:
    """WORSE and GOOD, as they are released; the files of one are put in place one wave after the other."""
    channel = Channel(place / "releases", key)
    for each in (WORSE, GOOD):
        channel.add(built(each, image))
    return channel


@pytest.fixture
def fleet(
    new_machine: Callable[..., Machine], image: Image, directory: Path, place: Path, versions: Channel
) -> Iterator[list[Member]]:
    """A canary and one of the last wave, with a pack that was installed; their channel is in ``place``."""
    images = Packs(place, pair(place, "own"))
    name = images.make(PACK)
    (place / "waves").mkdir()
    without = [f"systemd.mask={unit}" for unit in LEFT_OUT]
    with served(place) as address:
        machines = []
        for wave in ("canary", "all"):
            disk = image.copy(directory / f"{wave}.raw")
            setup = {"firmware": firmware_of(directory, wave), "cpus": 1, "kernel_arguments": without}
            machine = new_machine(wave, disk, **setup)
            machine.start()
            machines.append((wave, machine))
        members = []
        for number, (wave, machine) in enumerate(machines):
            machine.wait_for_shell()
            trust(machine, versions)
            pack_images.trust(machine, images)
            words = {
                "channel": f"{address}/waves",
                "pack": f"{address}/{images.place.name}/{name}",
                "identity": identity(wave, "system", number),
            }
            machine.succeed(SET_UP.format(**words), 120)
            members.append(Member(machine))
        yield members


@pytest.fixture
def server(fleet: list[Member]) -> Iterator[str]:
    with prometheus({}, [each.figures for each in fleet], SCRAPED_S) as address:
        wait_until_known(address, [each.figures for each in fleet], BEFORE, LONGEST_S)
        yield address


def test_a_worse_system_is_taken_back_from_the_canary_and_a_good_one_reaches_all(
    fleet: list[Member],
    versions: Channel,
    place: Path,
    key: Path,
    server: str,
    capsys: pytest.CaptureFixture[str],
    say: Say,
) -> None:
    owner, (canary, other) = Owner(place / "waves", key, capsys, say), fleet
    first = version(canary.machine)

    worse = versions.other("worse", WORSE)
    worse.change(".efi", with_words(worse.file(".efi").read_bytes(), NO_PACKS))
    owner.release(*worse.place.glob(f"jepa-os_{WORSE}_*"))
    assert f"{WORSE} starts with the next boot" in canary.follow()
    assert "Nothing at" in other.follow()
    assert canary.reboot() == WORSE
    assert owner.decided(server, PERIOD_S, LONGEST_S) == "back"
    assert f"{WORSE} was taken back: {first} starts" in canary.follow()
    assert "Nothing at" in other.follow()
    assert canary.reboot() == first
    assert told(other.machine)["other"] is None, "it never had another version"

    owner.release(*versions.place.glob(f"jepa-os_{GOOD}_*"))
    canary.follow()
    assert "Nothing at" in other.follow()
    assert canary.reboot() == GOOD
    owner.next(f"jepa-os_{GOOD}")
    assert "Nothing at" in other.follow()
    owner.next(f"jepa-os_{GOOD}")
    other.follow()
    assert other.reboot() == GOOD

    ever = Prometheus(server).instant(f'last_over_time(jepa_system_info{{image="{WORSE}"}}[1d])')
    assert [each.machine for each in ever] == [canary.figures]
    for each in fleet:
        found = json.loads(each.machine.succeed("jepa status --json"))
        assert found["pack"] == f"machine {PACK}"
        each.machine.shutdown()
