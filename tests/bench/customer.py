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
Restart=RESTART
RestartSec=1s
END
cat > /run/systemd/system/shop.service <<'END'
[Unit]
Requires=db.service
After=db.service
[Service]
ExecStart=/usr/bin/python3 {PROGRAM} shop
MemoryMax=256M
Restart=RESTART
RestartSec=1s
END
systemctl daemon-reload
systemctl start db shop
sleep 3
systemd-run --quiet --unit=customer -p StandardOutput=file:/run/customer.log python3 {PROGRAM} customer
sleep 5
"""
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


def start_customer(machine: Machine, restart: str = "no") -> None:
    """Start the service, its store and the customer; ``restart`` is their ``Restart=``."""
    machine.succeed(f"cat > {PROGRAM} <<'END-OF-GUEST'\n{GUEST.read_text()}END-OF-GUEST")
    machine.succeed(UNITS.replace("RESTART", restart), 60)


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
