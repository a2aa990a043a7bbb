# SPDX-License-Identifier: Apache-2.0
"""Packs on the shipped image: another takes over while jepad forecasts, and what is not fit is refused."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vm.guest import essential_faults, status
from tests.vm.packs import NEWER, SHIPPED, STRANGE, Packs, pair, trust
from tests.vm.releases import served
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

CORRUPT = (r"verity: .*corrupted|erofs.*error|Buffer I/O error|I/O error", "a block was altered on purpose")


@pytest.fixture(scope="module")
def packs() -> Iterator[Packs]:
    place = Path(tempfile.mkdtemp(prefix="jepa-packs-"))
    yield Packs(place, pair(place, "own"))
    shutil.rmtree(place)


def decode_by(graph: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Changes by which a pack's `decode` is another of its graphs, whole and signed, and of no use."""
    text = (SHIPPED / "pack.toml").read_text()
    found = re.search(rf'^\[graphs\.{graph}\]\nfile = "(.*)"\nsha256 = "(.*)"', text, re.MULTILINE)
    assert found
    return (
        (r'(\[graphs\.decode\]\nfile = )".*"', rf'\1"{found[1]}"'),
        (r'(\[graphs\.decode\]\nfile = ".*"\nsha256 = )".*"', rf'\1"{found[2]}"'),
    )


def in_use(machine: Machine) -> str:
    title: str = status(machine)["pack"]
    return title


def changed(machine: Machine, words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.succeed(f"jepa packs {words} --json", 120))
    return found


@pytest.mark.slow
@pytest.mark.allow(*STRANGE)
def test_another_version_takes_over_while_jepad_forecasts_and_gives_way_again(
    machine: Machine, packs: Packs
) -> None:
    name = packs.make(NEWER)
    trust(machine, packs)
    first = in_use(machine)
    machine.succeed("systemd-run --quiet --unit ticks sh -c 'exec jepa watch --json >/run/ticks'")
    machine.wait_until_succeeds("test -s /run/ticks")
    with served(packs.place) as address:
        installed = changed(machine, f"install {address}/{name}")
    assert installed == {"pack": f"machine {NEWER}", "kind": "machine", "live": True}
    assert in_use(machine) == f"machine {NEWER}"
    machine.succeed("jepa forecast cpu.utilization || jepa forecast")
    assert changed(machine, f"use {first}")["pack"] == first
    assert in_use(machine) == first
    assert changed(machine, f"use machine {NEWER}")["live"]
    machine.succeed("sleep 3; systemctl stop ticks")
    ticks = [json.loads(line) for line in machine.succeed("cat /run/ticks").splitlines()]
    numbers = [tick["sequence"] for tick in ticks]
    assert numbers == list(range(numbers[0], numbers[0] + len(ticks)))
    # How many periods an emulated machine misses, its host decides; test_assembly.py counts them here.
    assert [tick["sequence"] for tick in ticks if not tick["forecast"]["channels"]] == []

    # What a boot does: the daemons find it mounted and in use.
    machine.succeed(
        "systemctl stop jepad; umount /run/jepa-packs/machine_*; rm -r /run/jepa-packs/*"
        "; systemctl start jepad",
        120,
    )
    machine.wait_until_succeeds(f"jepa status | grep -F 'machine {NEWER}'", 120)
    assert "nosuid" in machine.succeed(f"findmnt -no OPTIONS /run/jepa-packs/machine_{NEWER} | tail -1")
    assert changed(machine, "remove machine")["pack"] == first
    assert in_use(machine) == first
    assert "jepa-packs" not in machine.succeed("jepa packs list")


@pytest.mark.allow(*CORRUPT)
@pytest.mark.allow(*STRANGE)
def test_a_pack_that_is_not_fit_is_refused_and_the_old_one_goes_on(
    machine: Machine, packs: Packs, tmp_path: Path
) -> None:
    trust(machine, packs)
    first = in_use(machine)
    flipped, strange = packs.make("99.3.0"), packs.make("99.4.0", key=pair(tmp_path, "strange"))
    packs.flip(flipped)
    other = packs.make("99.5.0", (r'^digest = "..', 'digest = "00'))
    broken = packs.make("99.6.0", *decode_by("encode"))
    with served(packs.place) as address:
        for name, reason in (
            (flipped, "machine_99.3.0 is damaged: a part of it is not what was signed"),
            (strange, "machine_99.4.0 is signed by nobody who is trusted here"),
            (other, "was made for channel schema"),
            (broken, "The pack failed its check: "),
        ):
            refused = machine.fail(f"jepa packs install {address}/{name}", 120).err
            assert reason in refused
            assert len(refused.strip().splitlines()) == 1, refused
    assert f"{first} stays in use" in refused
    assert in_use(machine) == first
    machine.succeed("jepa forecast")
    assert essential_faults(status(machine)) == []
    assert machine.succeed("ls -A /var/lib/jepa-packs /run/jepa-packs | grep machine || true") == ""
