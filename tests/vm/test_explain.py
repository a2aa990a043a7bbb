# SPDX-License-Identifier: Apache-2.0
"""`jepa explain` finds the unit behind a planted cause, and accuses nobody on a machine that is idle."""

import json
import time
from typing import Any

import pytest

from tests.vm.actions import SERVICES, start
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

SPIN = "for n in 1 2 3 4; do while :; do :; done & done; wait"
WORK = "while :; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; sleep 0.05; done"
"""Does a little, often: it notices when it has to wait for a CPU."""
WRITE = (
    "for n in 1 2 3 4; do while :; do dd if=/dev/zero of=/var/tmp/hog.$n bs=1M count=32 oflag=direct "
    "conv=notrunc status=none; done & done; wait"
)
LOG = (
    "while :; do dd if=/dev/zero of=/var/tmp/log bs=4k count=1 oflag=direct,sync status=none; "
    "sleep 0.05; done"
)
TIMEOUT_S = 60


def explain(machine: Machine, words: str = "") -> dict[str, Any]:
    """What `jepa explain WORDS` answers, which has a processor's time also while others want all of it."""
    command = f"systemd-run --quiet --scope -p CPUWeight=1000 jepa explain {words} --json"
    found: dict[str, Any] = json.loads(machine.succeed(command, timeout=TIMEOUT_S))
    return found


def offenders(found: dict[str, Any]) -> list[str]:
    """Every unit that is accused, in the order of the causes."""
    return [each["name"] for cause in found["causes"] for each in cause["offenders"]]


def expect(machine: Machine, unit: str, kinds: set[str]) -> dict[str, Any]:
    """The explanation once frames show what was planted: its first cause is of ``kinds`` and of ``unit``."""
    deadline = time.monotonic() + 60 * machine.factor
    while True:
        found = explain(machine)
        first: dict[str, Any] = (found["causes"] or [{"kind": "", "offenders": []}])[0]
        named = [each["name"] for each in first["offenders"]]
        if named[:1] == [unit] and first["kind"] in kinds:
            return found
        assert time.monotonic() < deadline, json.dumps(found, indent=1)
        time.sleep(2)


def calm(machine: Machine) -> None:
    """Wait until the CPUs have been idle for most of five seconds, by what costs next to nothing to read."""
    idle = "awk '/^cpu /{print $5}' /proc/stat"
    cpus = int(machine.succeed("nproc"))
    machine.wait_until_succeeds(
        f"begin=$({idle}); sleep 5; test $(($({idle}) - begin)) -gt {300 * cpus}", timeout=20
    )


def test_a_hog_of_the_cpu_is_found_and_each_claim_can_be_looked_up(machine: Machine) -> None:
    start(machine, "work", WORK)
    start(machine, "hog", SPIN)
    count = f"cut -d' ' -f1 /proc/uptime; grep usage_usec {SERVICES}/hog.service/cpu.stat"
    begin = machine.succeed(count).split()
    found = expect(machine, "hog.service", {"cpu_contention"})
    end = machine.succeed(count).split()
    used_s, seconds = (int(end[2]) - int(begin[2])) / 1e6, float(end[0]) - float(begin[0])
    first = found["causes"][0]
    cpus = int(machine.succeed("nproc"))
    assert first["offenders"][0]["share"] == pytest.approx(100 * used_s / seconds / cpus, abs=15)
    assert first["offenders"][0]["of"] == "CPU time"
    assert {each["source"] for each in first["evidence"]} >= {"system.cpu.utilization", "hog.service"}
    assert all(each["command"] and each["ts_ns"] for each in first["evidence"])
    said = machine.succeed("jepa explain 'why is the machine slow?'", timeout=TIMEOUT_S)
    assert "1. hog.service takes" in said
    assert "jepa watch system.pressure.cpu.some" in said
    assert offenders(explain(machine, "hog.service"))[:1] == ["hog.service"]


def test_a_hog_of_the_disk_is_found(machine: Machine) -> None:
    start(machine, "log", LOG)
    start(machine, "writer", WRITE)
    # A disk in the host's memory is so fast that the CPUs may be short first, by the same unit.
    found = expect(machine, "writer.service", {"disk_contention", "cpu_contention"})
    (disk,) = (cause for cause in found["causes"] if cause["kind"] == "disk_contention")
    assert [each["name"] for each in disk["offenders"]] == ["writer.service"]
    assert disk["offenders"][0]["share"] > 50
    assert "log.service" not in offenders(found)
    asked = explain(machine, "io")
    assert offenders(asked)[:1] == ["writer.service"]
    assert any(each["source"] == "system.disk.utilization" for each in asked["facts"])


def test_a_service_at_its_quota_is_found(machine: Machine) -> None:
    start(machine, "api", "while :; do :; done", "CPUQuota=10%")
    found = expect(machine, "api.service", {"cpu_quota"})
    assert offenders(found) == ["api.service"]
    assert "quota" in machine.succeed("jepa explain 'why is api.service slow?'", timeout=TIMEOUT_S)


def test_an_idle_machine_accuses_nobody(machine: Machine) -> None:
    start(machine, "work", "while :; do sleep 1; done")
    calm(machine)
    for words in ("", "work.service", "cpu"):
        found = explain(machine, words)
        assert offenders(found) == [], found["causes"]
        assert found["facts"]
        assert found["sampled_s"] > 2
