# SPDX-License-Identifier: Apache-2.0
"""What the shipped image leaves open: nothing."""

import json
import re

import pytest

from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.looks]

STUB = re.compile(r"127\.0\.0\.5[34](?:%lo)?:53")
"""The addresses where systemd-resolved answers this machine's own programs."""
EXPOSURE_MOST = {"jepad": 1.5, "jepa-telemetry": 1.5, "jepa-vision": 1.5, "jepa-actuator": 2.5}
"""What `systemd-analyze security` may say of each; the actuator is root, and sets what others must not."""
DHCP_CLIENT = re.compile(r"[\d.]+%\w+:68|\[fe80::[0-9a-f:]+\]%\w+:546")


def test_no_unit_has_failed(machine: Machine) -> None:
    assert machine.succeed("systemctl list-units --failed --no-legend --plain") == ""
    assert machine.execute("systemctl is-system-running").out.strip() == "running"


def test_nothing_listens_on_the_network(machine: Machine) -> None:
    listening = [line.split()[4] for line in machine.succeed("ss -Hlntu").splitlines()]
    others = [address for address in listening if not STUB.fullmatch(address)]
    assert [address for address in others if not DHCP_CLIENT.fullmatch(address)] == []


def test_daemon_holds_no_privilege(machine: Machine) -> None:
    shown = machine.succeed("cat /proc/$(systemctl show -P MainPID jepad)/status")
    fields = dict(line.split(":\t", 1) for line in shown.splitlines() if ":\t" in line)
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    assert fields["Uid"].split()[0] != "0"


@pytest.mark.actuator_only
def test_nobody_can_log_in_with_a_password(machine: Machine) -> None:
    hashes: dict[str, str] = {}
    for line in machine.succeed("cat /etc/passwd /etc/shadow").splitlines():
        name, password = line.split(":")[:2]
        if password != "x":  # x: look in the other file
            hashes[name] = password
    assert "root" in hashes
    assert [name for name, password in hashes.items() if not password.startswith(("!", "*"))] == []


@pytest.mark.actuator_only
@pytest.mark.parametrize("unit", EXPOSURE_MOST)
def test_daemons_run_in_a_tight_sandbox(machine: Machine, unit: str) -> None:
    drop_ins = machine.succeed(f"systemctl show -P DropInPaths {unit}").split()
    assert f"/usr/lib/systemd/system/{unit}.service.d/00-sandbox.conf" in drop_ins
    report = machine.succeed(f"systemd-analyze security --no-pager {unit}.service", 60)
    match = re.search(rf"Overall exposure level for {unit}\.service: ([\d.]+)", report)
    assert match, report
    assert float(match[1]) <= EXPOSURE_MOST[unit]


@pytest.mark.actuator_only
def test_the_image_says_what_it_consists_of(machine: Machine) -> None:
    listed = json.loads(machine.succeed("cat /usr/lib/jepa/jepa-os.spdx.json"))["packages"]
    assert listed[0]["versionInfo"] == machine.succeed(". /usr/lib/os-release; echo $IMAGE_VERSION").strip()
    names = {each["name"] for each in listed}
    assert {"systemd", "python3", "numpy", "onnxruntime", "pack-machine"} <= names
    assert "" not in {each["versionInfo"] for each in listed}


@pytest.mark.actuator_only
def test_usr_cannot_be_written(machine: Machine) -> None:
    assert machine.fail("touch /usr/x").err.strip().endswith("Read-only file system")


@pytest.mark.actuator_only
def test_test_shell_is_not_part_of_the_image(machine: Machine) -> None:
    machine.fail("find /usr /etc -name '*jepa-test*' | grep .")
