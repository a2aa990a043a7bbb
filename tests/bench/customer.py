# SPDX-License-Identifier: Apache-2.0
"""A customer's service in a machine, who asks it, and who looks after the machine meanwhile."""

from dataclasses import dataclass
from pathlib import Path

from tools.vm.machine import Machine

GUEST = Path(__file__).with_name("guest_faults.py")
PROGRAM = "/run/faults.py"
UNITS = f"""\
cat > /run/systemd/system/db.service <<'END'
[Service]
ExecStart=/usr/bin/python3 {PROGRAM} db
MemoryMax=256M
CARE
END
cat > /run/systemd/system/shop.service <<'END'
[Unit]
Requires=db.service
After=db.service
RequiresMountsFor=/var/lib/shop
[Service]
ExecStart=/usr/bin/python3 {PROGRAM} shop
MemoryMax=256M
CARE
END
mkdir -p /var/lib/shop
systemctl daemon-reload
systemctl start db shop
sleep 3
systemd-run --quiet --unit=customer --slice=SLICE -p OOMScoreAdjust=-500 \
    -p StandardOutput=file:/run/customer.log python3 {PROGRAM} customer
sleep 5
"""
CARE = {
    "no": "",
    "on-failure": "Restart=on-failure\nRestartSec=1s\nWatchdogSec=30s\nNotifyAccess=main",
}
"""What the services' author has done for them, by ``Restart=``. Kubernetes gives a probe 30 s, too."""
ELSEWHERE = "elsewhere.slice"
"""For those who are not on the machine in truth, so that its troubles do not reach them."""
GIVE_ELSEWHERE = f"""\
printf '[Slice]\\nCPUWeight=1000\\nMemoryMin=128M\\n' > /run/systemd/system/{ELSEWHERE}
systemctl daemon-reload
"""
DATA_DISK = """\
set -e
modprobe dm-mod
udevadm control --reload
fallocate -l 1G /var/shop.img
losetup /dev/loop0 /var/shop.img
dmsetup create shop --table "0 $(blockdev --getsz /dev/loop0) linear /dev/loop0 0"
mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 /dev/mapper/shop
cat > /run/systemd/system/var-lib-shop.mount <<'END'
[Unit]
Requires=systemd-fsck@dev-mapper-shop.service
After=systemd-fsck@dev-mapper-shop.service
PartOf=shop.service
[Mount]
What=/dev/mapper/shop
Where=/var/lib/shop
END
"""
"""A disk of the shop's own, whose device can be made to fail; restarted with the shop, it is checked."""
OOMD = (
    "for each in system user; do mkdir -p /run/systemd/system/$each.slice.d; "
    "printf '[Slice]\\nManagedOOMSwap=kill\\nManagedOOMMemoryPressure=kill\\n' "
    "> /run/systemd/system/$each.slice.d/oomd.conf; done; systemctl daemon-reload; "
    "systemctl start systemd-oomd"
)
"""systemd-oomd with Debian's limits: kills at 60 % pressure for 30 s, or when swap is nearly full."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the customer."""

    at_s: float
    """Seconds since boot."""
    served: bool
    """Whether it was answered within 2 s."""


def give_data_disk(machine: Machine) -> None:
    """Let what the service keeps be on a disk of its own; the machine needs the package dmsetup."""
    machine.succeed(DATA_DISK, 60)


def start_customer(machine: Machine, restart: str = "no", slice_: str = "system.slice") -> None:
    """Start the service and its store, whose ``Restart=`` is ``restart``, and the customer in ``slice_``."""
    machine.succeed(f"cat > {PROGRAM} <<'END-OF-GUEST'\n{GUEST.read_text()}END-OF-GUEST")
    machine.succeed(UNITS.replace("CARE", CARE[restart]).replace("SLICE", slice_), 60)


def requests(machine: Machine) -> list[Asked]:
    """What the customer has asked so far."""
    lines = machine.succeed("cat /run/customer.log", 120).splitlines()
    fields = [line.split() for line in lines]
    return [Asked(float(each[0]), each[2] == "1") for each in fields if len(each) == 3]


def heal(machine: Machine) -> None:
    """Let the machine repair itself."""
    machine.succeed("jepa autonomy auto", 60)
    machine.wait_until_succeeds("systemctl is-active jepa-actuator")


def heal_not(machine: Machine) -> None:
    """Nothing of ours looks after it."""
    machine.succeed("systemctl stop jepa-healing")


def kill_when_short(machine: Machine) -> None:
    """systemd-oomd looks after it."""
    heal_not(machine)
    machine.succeed(OOMD)
