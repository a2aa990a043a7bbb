# SPDX-License-Identifier: Apache-2.0
"""The boot menu has an entry for each profile of the kernel image; what starts by itself is the first."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vm.updating import UKIS, firmware_of, reboot
from tools import uki
from tools.vm.image import Image
from tools.vm.machine import Machine
from tools.vm.ready import wait_until_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow]

SAFE = "safe, without jepa"
EDITOR_S = 0.5
"""In which the menu would show the command line."""
TITLES = (SAFE, "debug", "factory reset, all data is lost")


@pytest.fixture(scope="module")
def booted(image: Image, directory: Path, lasting_machine: Callable[..., Machine]) -> Machine:
    """A machine, on, that its firmware started without anybody's choice."""
    disk = image.copy(directory / "menu.disk")
    return lasting_machine("menu", disk, firmware=firmware_of(directory, "menu"))


def choose(machine: Machine, profile: str) -> None:
    """Start `machine` anew, this once in the `profile`."""
    entry = f"{machine.succeed(UKIS).strip()}@{profile}"
    machine.succeed(f"bootctl set-oneshot {entry}")
    reboot(machine)
    machine.wait_for_shell()


def test_each_profile_adds_to_what_starts_by_itself(image: Image) -> None:
    kernel_image = image.raw.with_suffix(".efi")
    lines = uki.profiles(kernel_image)
    assert list(lines) == ["main", "safe", "debug", "factory-reset"]
    assert lines["main"] == uki.command_line(kernel_image)
    assert all(line.startswith(lines["main"]) for line in lines.values()), "another /usr would start"


def test_a_person_starts_plain_debian_from_the_menu(booted: Machine) -> None:
    words = booted.succeed("cat /proc/cmdline").split()
    assert not {"jepa=off", "systemd.factory_reset=1"} & set(words)
    booted.succeed("bootctl set-timeout-oneshot menu-force")
    reboot(booted)
    for title in TITLES:
        booted.wait_for_console_text(rf"\({title}\)")
    booted.forget_console()
    booted.send_key("e")
    time.sleep(EDITOR_S * booted.factor)
    assert "usrhash=" not in booted.console_text(), "the command line can be changed, and a shell be had"
    booted.send_key("down")
    booted.send_key("ret")
    booted.wait_for_shell()
    assert "jepa=off" in booted.succeed("cat /proc/cmdline").split()
    assert booted.execute("systemctl is-system-running --wait", 120).out.strip() == "running"
    assert booted.succeed("systemctl show -P ActiveState jepad").strip() == "inactive"
    booted.fail("pgrep -f jepad")


def test_debug_opens_no_shell(booted: Machine) -> None:
    choose(booted, "debug")
    assert "systemd.log_level=debug" in booted.succeed("cat /proc/cmdline").split()
    assert booted.succeed("systemctl show -P ActiveState debug-shell").strip() == "inactive"
    passwords = [line.split(":")[1] for line in booted.succeed("cat /etc/shadow").splitlines()]
    assert all(each.startswith(("!", "*")) for each in passwords)


def test_the_next_start_is_again_without_a_profile(booted: Machine) -> None:
    reboot(booted)
    wait_until_ready(booted)
    assert not {"jepa=off", "systemd.log_level=debug"} & set(booted.succeed("cat /proc/cmdline").split())
    booted.shutdown()
