# SPDX-License-Identifier: Apache-2.0
"""What tests of updates do with a machine: let it trust a channel, ask for its versions, update, restart."""

import base64
import json
import shlex
import shutil
import ssl
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.authority import Authority
from tests.vm.releases import TRUSTED, Channel, served
from tools.vm.emulator import Firmware
from tools.vm.image import Image, own_firmware
from tools.vm.machine import Machine
from tools.vm.qemu import Disk

NEXT, LATER = "99.1", "99.2"
"""Versions after every one that a project's file may name."""
TRIES = 3
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
UKIS = "ls $(bootctl --print-boot-path)/EFI/Linux"


@dataclass(frozen=True, slots=True)
class Updated:
    """A machine, off, that was updated from the version `first` to NEXT."""

    first: str
    disk: Path
    firmware: Firmware
    fetched: Counter[str]
    """Bytes of each file of NEXT."""

    def copy(self, directory: Path, name: str) -> tuple[Disk, Firmware]:
        """A disk and firmware for a machine to begin as this one."""
        firmware = copy_firmware(self.firmware, directory / f"{name}.fd")
        return copy(self.disk, directory / f"{name}.raw"), firmware


def copy(disk: Path, to: Path) -> Disk:
    return Image(disk, disk, disk).copy(to)


def copy_firmware(firmware: Firmware, variables: Path) -> Firmware:
    """The same, with a copy of its variables at ``variables``."""
    shutil.copyfile(firmware.variables, variables)
    return replace(firmware, variables=variables)


def firmware_of(directory: Path, name: str, *, secure: bool = False) -> Firmware:
    """Firmware with variables that no other machine has written."""
    place = directory / f"{name}.firmware"
    place.mkdir()
    return own_firmware(place, secure=secure)


def connect(machine: Machine) -> None:
    """Wait until ``machine`` has a network and a second slot."""
    machine.wait_until_succeeds("ip route | grep default")
    machine.wait_for_unit("jepa-grow.service")
    machine.succeed("udevadm settle")


def trust(machine: Machine, channel: Channel) -> None:
    """Let ``machine`` trust the key of ``channel``, and have a network and a second slot."""
    key = base64.b64encode(channel.public_key).decode()
    machine.succeed(f"mkdir -p /etc/systemd; echo {key} | base64 -d >{TRUSTED}; sync")
    connect(machine)


def trust_servers_of(machine: Machine, authority: Authority) -> None:
    """Let ``machine`` trust the certificates of servers that ``authority`` has signed."""
    machine.succeed(f"cat >>{AUTHORITIES} <<'end'\n{authority.certificate}end")


def version(machine: Machine) -> str:
    return machine.succeed(". /usr/lib/os-release; echo $IMAGE_VERSION").strip()


def told(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.succeed("jepa update --json"))
    return found


def reboot(machine: Machine) -> None:
    machine.execute("systemctl reboot --no-block")
    machine.wait_for_shutdown()
    machine.start()


def apply(
    machine: Machine,
    channel: Channel,
    named: str = "",
    *,
    sent: Counter[str] | None = None,
    secure: ssl.SSLContext | None = None,
) -> None:
    """Update ``machine`` from ``channel``, over HTTPS when ``secure``.

    ``sent`` is given the bytes that it fetched of each file.
    """
    with served(channel.place, sent=sent, secure=secure) as address:
        machine.succeed(f"jepa update apply {named} --from {shlex.quote(address)}", 600)
