# SPDX-License-Identifier: Apache-2.0
"""How deep the machine sleeps is set as the firmware offers it."""

from pathlib import Path

import pytest

from jepa.actions.catalogue import catalogue
from jepa.actions.families.sleep import Sleep
from jepa.actions.family import Host
from jepa.errors import JepaError

FAMILY, MODE = Sleep(), catalogue()["sleep.mode"]


@pytest.fixture
def laptop(tmp_path: Path) -> Host:
    (tmp_path / "sys/power").mkdir(parents=True)
    (tmp_path / "sys/power/mem_sleep").write_text("s2idle [deep]\n")
    return Host(root=tmp_path)


def test_the_marked_mode_is_the_one_in_force(laptop: Host) -> None:
    resource = FAMILY.resolve(laptop, MODE, "")
    assert FAMILY.read(laptop, resource) == "deep"
    assert FAMILY.check(laptop, MODE, resource, "s2idle") == "s2idle"
    FAMILY.apply(laptop, resource, "s2idle")
    assert (laptop.root / "sys/power/mem_sleep").read_text() == "s2idle"
    FAMILY.verify(laptop, resource, "s2idle")


def test_a_mode_that_the_firmware_lacks_is_refused(laptop: Host) -> None:
    with pytest.raises(JepaError, match=r"does not offer shallow.*It offers: deep, s2idle"):
        FAMILY.check(laptop, MODE, FAMILY.resolve(laptop, MODE, ""), "shallow")


def test_a_machine_that_cannot_sleep_says_so(tmp_path: Path) -> None:
    assert FAMILY.missing(Host(root=tmp_path), MODE) == "This machine cannot be suspended."
