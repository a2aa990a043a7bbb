# SPDX-License-Identifier: Apache-2.0
"""Power cuts of a first boot and of an update: what is there afterwards starts, as one version or the other.

A machine is started with the image for the first time, grows to its disk, and is updated, while all that it
writes is logged; each test makes the disk of one moment anew and starts it. Firmware has then none of the
boot options that an update ends with: a kernel image of which a part is missing would not be passed by.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.vm.cutting import (
    AS_FAR_AS_CUT,
    CUTS,
    NOT_UNMOUNTED,
    WHOLE_EVERY,
    Recording,
    Tally,
    is_whole,
    start,
)
from tests.vm.guest import essential_faults, status
from tests.vm.releases import Channel, built
from tests.vm.updating import (
    NEXT,
    UKIS,
    apply,
    connect,
    copy,
    copy_firmware,
    firmware_of,
    told,
    trust,
    version,
)
from tools.vm.emulator import Firmware
from tools.vm.image import Image
from tools.vm.machine import Machine, Say, Setup
from tools.vm.ready import wait_until_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.allow(NOT_UNMOUNTED, "its power was cut")]

AFTER_S = 10
"""How long a machine goes on after its update until its power is cut for good."""
GROWN = 1 << 30
BLESSING = "systemd-bless-boot.service"
"""Tells the loader that a version passed its check."""
GO = "/run/passed"
HOLD = f"[Service]\nExecStartPre=sh -c 'until [ -e {GO} ]; do sleep 1; done'\n"
HELD = {f"systemd.unit-dropin.{BLESSING}~held": HOLD}
"""Makes it wait until the log's size was noted."""
PASSES = 4
"""Cuts while the loader is told that a version passed its check; the first right after it was."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A machine that began with the version `first` and was updated to NEXT."""

    first: str
    boot: Recording
    update: Recording
    disk: Path
    """As it is after the update, as `firmware`."""
    firmware: Firmware


@pytest.fixture(scope="module")
def channel(image: Image) -> Iterator[Channel]:
    """The version that is built and a later one; the key's path is short, for its agent's socket."""
    place = Path(tempfile.mkdtemp(prefix="jepa-", dir=image.raw.parents[1]))
    key = Path(tempfile.mkdtemp(prefix="jepa-"))
    try:
        channel = Channel(place / "releases", key / "keys")
        for each in (image.raw.parent, built(NEXT, image)):
            channel.add(each)
        yield channel
    finally:
        shutil.rmtree(place)
        shutil.rmtree(key)


@pytest.fixture(scope="module")
def recorded(image: Image, directory: Path, kvm: bool, say: Say, channel: Channel) -> Iterator[Recorded]:
    disk, firmware = image.copy(directory / "recorded.raw"), firmware_of(directory, "recorded")
    before, log = directory / "recorded.before", directory / "recorded.log"
    copy(disk.path, before)
    log.touch()
    kept = copy_firmware(firmware, directory / "recorded.fd")
    setup = Setup(replace(disk, log=log), firmware=firmware, kvm=kvm)
    machine = Machine("recorded", setup, directory, say)
    machine.start()
    try:
        machine.wait_for_shell()
        connect(machine)
        grown = log.stat().st_size
        trust(machine, channel)
        first = version(machine)
        machine.succeed("echo kept | tee /etc/kept >/var/kept; sync")
        begin = log.stat().st_size
        apply(machine, channel, NEXT)
        done = log.stat().st_size
        time.sleep(AFTER_S)
    finally:
        machine.crash()
    boot = Recording("boot", before, log, kept, 0, grown, grown)
    update = Recording("update", before, log, kept, begin, done, log.stat().st_size)
    yield Recorded(first, boot, update, disk.path, firmware)
    for path in (before, log, disk.path):
        path.unlink()


@pytest.fixture(scope="module")
def passed(directory: Path, kvm: bool, say: Say, recorded: Recorded) -> Iterator[Recording]:
    """NEXT, started for the first time, from when it has passed its check until the loader is told so."""
    disk, log = copy(recorded.disk, directory / "passed.raw"), directory / "passed.log"
    log.touch()
    firmware = copy_firmware(recorded.firmware, directory / "passing.fd")
    setup = Setup(replace(disk, log=log), firmware=firmware, kvm=kvm, credentials=HELD)
    machine = Machine("passed", setup, directory, say)
    machine.start()
    try:
        machine.wait_for_shell()
        machine.wait_until_succeeds(f"systemctl show -P ActiveState {BLESSING} | grep -x activating", 120)
        assert f"jepa-os_{NEXT}+2-1.efi" in machine.succeed(f"sync; {UKIS}").split()
        begin = log.stat().st_size
        machine.succeed(f"touch {GO}")
        machine.wait_for_unit(BLESSING)
        done = log.stat().st_size
    finally:
        machine.crash()
    disk.path.unlink()
    kept = copy_firmware(firmware, directory / "passed.fd")
    yield Recording("passed", recorded.disk, log, kept, begin, done, done)
    log.unlink()


@pytest.fixture(scope="module")
def boots() -> Tally:
    return Tally("boot_first")


@pytest.fixture(scope="module")
def passes() -> Tally:
    return Tally("boot_passed")


@pytest.fixture(scope="module")
def updates() -> Tally:
    return Tally("boot_update")


@pytest.mark.parametrize("number", range(CUTS))
def test_a_cut_in_an_update_leaves_the_old_or_the_new_version_whole(
    new_machine: Callable[..., Machine],
    directory: Path,
    channel: Channel,
    recorded: Recorded,
    updates: Tally,
    number: int,
) -> None:
    left = recorded.update.cut(number, directory / f"update-{number}.raw")
    versions = (recorded.first, NEXT)
    whole = [each for each in versions if is_whole(left.disk.path, channel, each)]
    altogether = number % WHOLE_EVERY == 0
    options = {} if altogether else AS_FAR_AS_CUT
    machine = new_machine(f"update-{number}", left.disk, firmware=left.firmware, **options)
    start(machine, left, updates)
    now = version(machine)
    machine.say(f"{'after' if left.done else 'in'} the update: {now} started; whole: {' '.join(whole)}")
    with updates.fault("half"):
        assert now in whole
        assert machine.succeed("cat /etc/kept /var/kept").split() == ["kept", "kept"]
    with updates.fault("lost"):
        assert now == NEXT or not left.done
    updates.add(**{"new" if now == NEXT else "old": 1})
    if altogether:
        wait_until_ready(machine)
        assert essential_faults(status(machine)) == []
        if now == NEXT:
            machine.wait_until_succeeds(f"{UKIS} | grep -x jepa-os_{NEXT}.efi")
        else:
            connect(machine)
            apply(machine, channel)
            assert (told(machine)["other"], told(machine)["role"]) == (NEXT, "pending")


@pytest.mark.parametrize("number", range(PASSES))
def test_a_cut_when_a_version_has_passed_its_check_leaves_it_in_place(
    new_machine: Callable[..., Machine],
    directory: Path,
    recorded: Recorded,
    passed: Recording,
    passes: Tally,
    number: int,
) -> None:
    left = passed.cut(number, directory / f"passed-{number}.raw")
    machine = new_machine(f"passed-{number}", left.disk, firmware=left.firmware, **AS_FAR_AS_CUT)
    start(machine, left, passes)
    with passes.fault("lost"):
        assert version(machine) == NEXT
        ukis = machine.succeed(UKIS).split()
        assert f"jepa-os_{NEXT}.efi" in ukis or not left.done


@pytest.mark.parametrize("number", range(CUTS))
def test_after_a_cut_in_the_first_boot_the_next_one_brings_it_to_its_end(
    new_machine: Callable[..., Machine], directory: Path, recorded: Recorded, boots: Tally, number: int
) -> None:
    left = recorded.boot.cut(number, directory / f"boot-{number}.raw")
    altogether = number % WHOLE_EVERY == 0
    options = {} if altogether else AS_FAR_AS_CUT
    machine = new_machine(f"boot-{number}", left.disk, firmware=left.firmware, **options)
    start(machine, left, boots)
    if altogether:
        wait_until_ready(machine)
        assert essential_faults(status(machine)) == []
    with boots.fault("half"):
        machine.wait_for_unit("basic.target")
        machine.succeed("systemctl start jepa-grow.service; udevadm settle")
        assert machine.succeed("lsblk -nro PARTLABEL /dev/vda").split().count("_empty") == 2
        assert int(machine.succeed("findmnt -nbo SIZE /")) > GROWN
        machine.succeed("systemd-id128 machine-id; touch /etc/written /var/written; sync")
        assert version(machine) == recorded.first
