# SPDX-License-Identifier: Apache-2.0
"""Events on the shipped image: what fails, is plugged in, or the kernel complains of, is told."""

import pytest

from tests.vm.guest import events, wait_for_event, wait_for_sources
from tools.vm.machine import Machine

FAILED = (r"doomed\.service|restless\.service", "units that fail on purpose")
SAID = (r"EXT4-fs error|I/O error|Out of memory", "said by the test itself")

# One machine for several of them keeps in its journal what those before had to provoke.
pytestmark = [pytest.mark.vm, pytest.mark.allow(*FAILED), pytest.mark.allow(*SAID)]


@pytest.fixture
def watching(machine: Machine) -> Machine:
    """The machine, once every source of events is open."""
    wait_for_sources(machine, "kmsg", "units", timeout=30)
    return machine


@pytest.mark.looks
def test_a_unit_that_fails_is_told_with_its_result(watching: Machine) -> None:
    watching.execute("systemd-run --unit=doomed --wait sh -c 'exit 7'")
    event = wait_for_event(watching, "unit_failed", "doomed.service")
    assert event["detail"] == "result exit-code, exit status 7"
    assert event["severity"] == "error"
    watching.succeed("systemctl reset-failed doomed")


@pytest.mark.looks
def test_a_unit_that_is_restarted_is_told(watching: Machine) -> None:
    watching.succeed(
        "systemd-run --unit=restless -p Restart=always -p RestartSec=200ms sh -c 'sleep 0.2; exit 1'"
    )
    wait_for_event(watching, "unit_restarted", "restless.service")
    watching.execute("systemctl stop restless; systemctl reset-failed restless")


@pytest.mark.looks
def test_what_the_kernel_complains_of_is_understood(watching: Machine) -> None:
    watching.succeed("echo '<3>EXT4-fs error (device vdz9): ext4_lookup: said by a test' > /dev/kmsg")
    assert wait_for_event(watching, "fs_error", "vdz9")["source"] == "kmsg"


def test_a_flood_of_complaints_is_one_event_and_frames_go_on(watching: Machine) -> None:
    # Not on the serial console, which takes an emulated machine most of the time.
    watching.succeed(
        "dmesg -n 1; for i in $(seq 2000); do echo '<3>I/O error, dev sdz, sector '$i > /dev/kmsg; done", 60
    )
    wait_for_event(watching, "io_error", "sdz")
    assert len([each for each in events(watching) if each["kind"] == "io_error"]) < 20
    watching.succeed("jepa watch --json --count 2")
