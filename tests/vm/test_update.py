# SPDX-License-Identifier: Apache-2.0
"""From one version to the next, back by hand, and back by itself when the next does not work."""

import hashlib
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.vm.disks import beside, stick
from tests.vm.guest import essential_faults, status
from tests.vm.releases import HOST, SHIPPED, Channel, built, served, with_words
from tests.vm.updating import (
    LATER,
    NEXT,
    TRIES,
    UKIS,
    Updated,
    apply,
    copy,
    firmware_of,
    reboot,
    told,
    trust,
    trust_servers_of,
    version,
)
from tools.vm.image import Image
from tools.vm.machine import Machine, Say, Setup
from tools.vm.ready import wait_until_ready

pytestmark = pytest.mark.vm

BROKEN = LATER
"""Here one that is made not to work."""
DEVICE_TIMEOUT = "systemd.default_device_timeout_sec=60"
"""So long an initrd waits for a /usr that cannot be read; 90 s on a machine, 300 s in other tests."""
BLOCK, SALT = 4096, slice(88, 120)
"""Of dm-verity: how much one hash is of, and where a partition of hashes has their salt."""
ETC_NOTED = (
    "for each in /var/lib/jepa-update/etc/*; do cmp $each /usr/share/factory/etc.list && echo $each; done"
)
"""Of which version /etc is, as is noted."""
STICK = 1 << 30
UNREACHABLE = "http://10.0.2.2:9"


@pytest.fixture(scope="module")
def channel(image: Image) -> Iterator[Channel]:
    """The version that is built and two later ones; the key's path is short, for its agent's socket."""
    place = Path(tempfile.mkdtemp(prefix="jepa-", dir=image.raw.parents[1]))
    key = Path(tempfile.mkdtemp(prefix="jepa-"))
    channel = Channel(place / "releases", key / "keys")
    for each in (image.raw.parent, built(NEXT, image), built(BROKEN, image)):
        channel.add(each)
    yield channel
    shutil.rmtree(place)
    shutil.rmtree(key)


@pytest.fixture(scope="module")
def updated(image: Image, directory: Path, kvm: bool, say: Say, channel: Channel) -> Iterator[Updated]:
    """The built version, updated to NEXT over HTTPS, and started so that it passed its check."""
    disk = image.copy(directory / "updated.disk")
    firmware = firmware_of(directory, "updating")
    machine = Machine("updating", Setup(disk, firmware=firmware, kvm=kvm), directory, say)
    machine.start()
    try:
        machine.wait_for_shell()
        trust(machine, channel)
        first = version(machine)
        machine.succeed("echo kept | tee /etc/kept >/var/kept; echo mine >/etc/debian_version")
        fetched: Counter[str] = Counter()
        authority = Authority("of the tests")
        trust_servers_of(machine, authority)
        secure = authority.server(HOST, directory / "updating.pem")
        apply(machine, channel.other("next", NEXT), sent=fetched, secure=secure)
        assert (told(machine)["role"], told(machine)["other"]) == ("pending", NEXT)
        assert f"jepa-os_{NEXT}+3-0.efi" in machine.succeed(UKIS)
        reboot(machine)
        machine.wait_for_shell()
        machine.wait_until_succeeds(f"{UKIS} | grep -x jepa-os_{NEXT}.efi")
        machine.shutdown()
    finally:
        if machine.running:
            machine.crash()
    yield Updated(first, disk.path, firmware, fetched)
    disk.path.unlink()


def test_versions_are_told_and_a_list_signed_by_a_stranger_is_refused(machine: Machine) -> None:
    found = told(machine)
    assert (found["running"], found["other"], found["trial"]) == (version(machine), None, False)
    assert f"JEPA OS {found['running']} runs" in machine.succeed("jepa status")
    machine.wait_until_succeeds("ip route | grep default")
    place = Path(tempfile.mkdtemp(prefix="jepa-"))
    strange = Channel(place / "releases", place / "keys")
    strange.place.mkdir()
    (strange.place / f"jepa-os_{NEXT}_x86-64.efi").touch()
    strange.sign()
    with served(strange.place) as address:
        refused = machine.fail(f"jepa update check --from {address}").err
    shutil.rmtree(place)
    assert f"{address} cannot be used: its list of sums was altered, or is signed with a key" in refused


def test_a_server_whose_certificate_nobody_vouches_for_is_refused(machine: Machine, tmp_path: Path) -> None:
    authority = Authority("unknown")
    machine.wait_until_succeeds("ip route | grep default")
    (tmp_path / "releases").mkdir()
    with served(tmp_path / "releases", secure=authority.server(HOST, tmp_path / "pem")) as address:
        refused = machine.fail(f"jepa update check --from {address}").err
        assert (
            f"{address} cannot be used: nobody who is trusted here vouches for its certificate." in refused
        )
        trust_servers_of(machine, authority)
        refused = machine.fail(f"jepa update check --from {address}").err
        missing = rf"{re.escape(address)} cannot be used: SHA256SUMS(\.gpg)? is not there \(HTTP 404\)"
        assert re.search(missing, refused), refused


@pytest.mark.slow
def test_of_usr_only_what_changed_is_fetched(updated: Updated, channel: Channel, say: Say) -> None:
    (usr,) = channel.place.glob(f"jepa-os_{NEXT}_*.usr.raw")
    fetched, size = updated.fetched[usr.name], usr.stat().st_size
    say(f"{fetched / 2**20:.1f} of {size / 2**20:.0f} MiB of /usr were fetched")
    assert 0 < fetched < size / 10


@pytest.mark.slow
def test_an_update_keeps_state_and_a_person_can_go_back(
    new_machine: Callable[..., Machine], directory: Path, updated: Updated
) -> None:
    disk, firmware = updated.copy(directory, "kept")
    machine = new_machine("kept", disk, firmware=firmware)
    machine.start()
    wait_until_ready(machine)
    assert version(machine) == NEXT
    assert machine.succeed("cat /etc/kept /var/kept").split() == ["kept", "kept"]
    assert essential_faults(status(machine)) == []
    found = told(machine)
    assert (found["other"], found["role"], found["trial"]) == (updated.first, "previous", False)
    assert machine.succeed(ETC_NOTED).strip() == f"/var/lib/jepa-update/etc/{NEXT}"
    assert machine.succeed(f"cd /etc; cat {' '.join(SHIPPED)}").split() == [NEXT, NEXT, "mine"]
    (kept,) = found["etc"]
    assert kept.startswith(f"/etc/debian_version stays as it is here; {NEXT} ships another: ")

    assert updated.first in machine.succeed("jepa update rollback")
    assert (told(machine)["other"], told(machine)["role"]) == (updated.first, "pending")
    reboot(machine)
    machine.wait_for_shell()
    assert version(machine) == updated.first
    assert machine.succeed("cat /etc/kept /var/kept").split() == ["kept", "kept"]
    assert machine.succeed(ETC_NOTED).strip() == f"/var/lib/jepa-update/etc/{updated.first}"
    machine.succeed("cmp /etc/issue.net /usr/share/factory/etc/issue.net; test ! -e /etc/shipped-with")
    assert machine.succeed("cat /etc/debian_version") == "mine\n"
    assert told(machine)["reason"] == "a person went back from it."
    machine.wait_for_unit("jepad.service", 120)
    assert "a person went back from it" in machine.succeed("jepa status")
    machine.shutdown()


def mask_jepad(channel: Channel) -> None:
    channel.change(".efi", with_words(channel.file(".efi").read_bytes(), "systemd.mask=jepad.service"))


def panic(channel: Channel) -> None:
    channel.change(".efi", with_words(channel.file(".efi").read_bytes(), "rdinit=/none"))


def cut_short(channel: Channel) -> None:
    content = channel.file(".efi").read_bytes()
    channel.change(".efi", content[: len(content) // 2])


def alter_usr(channel: Channel) -> None:
    """Alter the block with the superblock, and its hash: a machine fetches no block whose hash it knows."""
    with channel.file(".usr.raw").open("rb") as usr:
        first = usr.read(BLOCK)
    hashes = channel.file(".usr-verity.raw").read_bytes()
    channel.flip(".usr-verity.raw", hashes.index(hashlib.sha256(hashes[SALT] + first).digest()))
    channel.flip(".usr.raw", 1024)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "starts", "reason"),
    [
        pytest.param(mask_jepad, TRIES, "jepad", id="its-check-fails"),
        pytest.param(panic, TRIES, "did not get as far", id="its-kernel-panics"),
        # the loader takes half a file for no system, so that nothing of it is started and no try is used up
        pytest.param(cut_short, 0, "did not get as far", id="its-uki-is-cut-short"),
        pytest.param(alter_usr, TRIES, "did not get as far", id="its-usr-is-altered"),
    ],
)
def test_a_version_that_does_not_work_is_left_by_itself(
    new_machine: Callable[..., Machine],
    directory: Path,
    channel: Channel,
    updated: Updated,
    spoil: Callable[[Channel], None],
    starts: int,
    reason: str,
) -> None:
    name = spoil.__name__.replace("_", "-")
    disk, firmware = updated.copy(directory, name)
    machine = new_machine(name, disk, firmware=firmware, kernel_arguments=[DEVICE_TIMEOUT])
    broken = channel.other(name, BROKEN)
    spoil(broken)
    broken.sign()
    machine.start()
    machine.wait_for_shell()
    machine.wait_until_succeeds("ip route | grep default")
    apply(machine, broken)
    assert (told(machine)["other"], told(machine)["role"]) == (BROKEN, "pending")
    reboot(machine)
    for attempt in range(starts):
        machine.say(f"start {attempt + 1} of {BROKEN}")
        machine.wait_for_shutdown(120)
        machine.start()
    machine.wait_for_shell()
    assert version(machine) == NEXT
    found = told(machine)
    assert (found["other"], found["role"]) == (BROKEN, "failed")
    said = machine.succeed("jepa update")
    assert re.search(rf"{BROKEN} was tried and left again: .*{reason}", said), said
    assert f"jepa-os_{BROKEN}+{TRIES - starts}-{starts}.efi" in machine.succeed(UKIS)
    machine.wait_until_succeeds("ip route | grep default")
    with served(broken.place) as address:
        assert "Nothing at" in machine.succeed(f"jepa update apply --from {address}", 60), (
            "it is tried again"
        )
    assert machine.succeed("cat /etc/kept /var/kept").split() == ["kept", "kept"]
    machine.wait_for_unit("jepad.service", 120)
    assert said.splitlines()[0] in machine.succeed("jepa status")
    machine.shutdown()


@pytest.mark.slow
def test_what_is_no_update_is_refused_in_one_sentence(
    new_machine: Callable[..., Machine], directory: Path, channel: Channel, updated: Updated
) -> None:
    disk, firmware = updated.copy(directory, "refusing")
    machine = new_machine("refusing", disk, firmware=firmware)
    machine.start()
    machine.wait_for_shell()
    machine.wait_until_succeeds("ip route | grep default")

    def refused(address: str) -> str:
        said = machine.fail(f"jepa update apply --from {address}", 120).err.strip()
        assert len(said.splitlines()) == 1, said
        assert said.endswith("The version that runs is as it was."), said
        machine.say(said)
        return said

    before = told(machine)
    assert "nothing answers there" in refused(UNREACHABLE)

    altered = channel.other("altered-list", BROKEN)
    sums = altered.place / "SHA256SUMS"
    sums.write_bytes(bytes([sums.read_bytes()[0] ^ 1]) + sums.read_bytes()[1:])
    with served(altered.place) as address:
        assert "its list of sums was altered" in refused(address)

    wrong = channel.other("wrong-architecture", BROKEN, "arm64")
    with served(wrong.place) as address:
        said = machine.succeed(f"jepa update apply --from {address}", 60)
        assert "is for this machine and newer" in said

    old = channel.other("old", updated.first)
    with served(old.place) as address:
        said = machine.succeed(f"jepa update apply --from {address}", 60)
        assert "is for this machine and newer" in said
    machine.succeed("date -s 1970-01-02")
    assert "The clock shows 1970-01-02" in machine.fail("jepa update apply --from /usr", 60).err
    machine.set_clock()

    next_one = channel.other("full", BROKEN)
    machine.succeed("head -c 260M /dev/zero >/boot/full 2>/dev/null || true; sync")
    with served(next_one.place) as address:
        assert "firmware starts from is full" in machine.fail(f"jepa update apply --from {address}", 60).err
    machine.succeed("rm /boot/full")
    # all that was refused so far was refused before anything was changed
    assert told(machine) == before

    flipped = channel.other("flipped", BROKEN)
    flipped.flip(".usr-verity.raw", 5000)
    with served(flipped.place) as address:
        assert re.search(r"\.usr-verity\.raw is not what its list of sums says", refused(address))

    cut = channel.other("cut", BROKEN)
    cut.change(".usr-verity.raw", cut.file(".usr-verity.raw").read_bytes()[:100000])
    with served(cut.place) as address:
        assert re.search(r"\.usr-verity\.raw is not what its list of sums says", refused(address))

    with served(channel.place, halting=True) as address:
        assert "broke off" in refused(address)

    # what a download that broke off costs is the previous version, whose slot it was for
    assert (told(machine)["running"], told(machine)["other"]) == (NEXT, None)
    assert machine.succeed(UKIS).split() == [f"jepa-os_{NEXT}.efi"]
    reboot(machine)
    machine.wait_for_shell()
    assert version(machine) == NEXT
    machine.shutdown()


@pytest.mark.slow
def test_an_older_version_on_a_stick_is_put_in_place_only_when_it_is_asked_for(
    new_machine: Callable[..., Machine], image: Image, directory: Path, channel: Channel
) -> None:
    later = built(NEXT, image)
    disk = copy(later / "jepa-os.raw", directory / "older.raw")
    old = channel.other("older", next(iter(_versions(channel) - {NEXT, BROKEN})))
    first = next(iter(_versions(old)))
    old.compress(".usr-verity.raw")
    old.sign()
    carried = stick(directory / "stick.disk", STICK, old.place)
    machine = new_machine(
        "older", disk, firmware=firmware_of(directory, "older"), devices=beside(carried, 0)
    )
    machine.start()
    wait_until_ready(machine)
    trust(machine, channel)
    machine.succeed("mkdir /run/stick; mount -o ro /dev/vdb /run/stick")
    said = machine.succeed("jepa update apply --from /run/stick", 60)
    assert f"{first} is older than {NEXT}" in said
    assert told(machine)["other"] is None
    machine.succeed(f"jepa update apply {first} --from /run/stick", 600)
    machine.succeed("umount /run/stick")
    for size in (0, STICK):  # it is in place without what the stick held
        os.truncate(carried.path, size)
    assert (told(machine)["other"], told(machine)["role"]) == (first, "pending")
    reboot(machine)
    wait_until_ready(machine)
    assert version(machine) == first
    machine.wait_until_succeeds(f"{UKIS} | grep -x jepa-os_{first}.efi")
    machine.shutdown()


def _versions(channel: Channel) -> set[str]:
    return {path.name.split("_")[1] for path in channel.place.glob("jepa-os_*.efi")}


@pytest.mark.slow
def test_a_disk_without_a_second_slot_takes_no_update(
    new_machine: Callable[..., Machine], image: Image, directory: Path, channel: Channel
) -> None:
    disk = image.copy(directory / "small.raw")
    with disk.path.open("r+b") as file:
        file.truncate(image.raw.stat().st_size + (64 << 20))
    machine = new_machine("small", disk, firmware=firmware_of(directory, "small"))
    machine.start()
    wait_until_ready(machine)
    trust(machine, channel)
    with served(channel.place) as address:
        refused = machine.fail(f"jepa update apply --from {address}", 60).err
    assert "This disk has no second slot" in refused
    assert told(machine)["other"] is None
    machine.shutdown()
