# SPDX-License-Identifier: Apache-2.0
"""jepa-telemetry on the shipped image: every program loads, no privilege stays, jepad goes on without it."""

import re
import time

import pytest

from tests.vm.guest import next_frame, source, status, wait_for_sources, wait_for_status
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

KILLED = (
    r"jepa-telemetry\.service: (Main process exited|Failed with result 'signal')",
    "jepa-telemetry is killed on purpose",
)
RSS_LIMIT_MIB = 64
DESCRIPTORS = "ls /proc/$(systemctl show -P MainPID jepa-telemetry)/fd | wc -l"


@pytest.mark.looks
def test_every_program_runs_on_the_images_kernel(machine: Machine) -> None:
    kernel = source(machine, "kernel")
    assert kernel["reason"] == ""
    assert kernel["state"] == "ok"


@pytest.mark.looks
def test_events_are_watched_for_by_every_source(machine: Machine) -> None:
    wait_for_sources(machine, "kmsg", "units", "devices", "health", timeout=30)


@pytest.mark.looks
def test_no_capability_stays_and_nothing_can_be_gained(machine: Machine) -> None:
    shown = machine.succeed("cat /proc/$(systemctl show -P MainPID jepa-telemetry)/status")
    fields = dict(line.split(":\t", 1) for line in shown.splitlines() if ":\t" in line)
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapAmb"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    assert fields["Uid"].split()[0] != "0"
    assert int(fields["VmRSS"].split()[0]) / 1024 <= RSS_LIMIT_MIB


@pytest.mark.looks
def test_it_runs_in_a_tight_sandbox(machine: Machine) -> None:
    report = machine.succeed("systemd-analyze security --no-pager jepa-telemetry.service", 60)
    match = re.search(r"Overall exposure level for jepa-telemetry\.service: ([\d.]+)", report)
    assert match, report
    assert float(match[1]) <= 1.5, report


def test_what_only_programs_see_is_observed(machine: Machine) -> None:
    stir = "while :; do /bin/true; dd if=/dev/vda of=/dev/null bs=64k count=5 iflag=direct; sleep 0.3; done"
    machine.succeed(f"systemd-run --quiet --unit=stir sh -c '{stir}'")
    wanted = {
        "system.process.exited.short",
        "system.disk.latency.read.p99",
        "system.cpu.run_queue.latency.p99",
        "system.file.opened",
    }
    deadline = time.monotonic() + 20 * machine.factor
    while missing := {name for name in wanted if not next_frame(machine)[name]}:
        assert time.monotonic() < deadline, missing
    machine.succeed("systemctl stop stir")


@pytest.mark.allow(*KILLED)
def test_jepad_goes_on_without_it_and_takes_it_up_again(machine: Machine) -> None:
    before = wait_for_status(machine, "frames", 3)
    machine.succeed("systemctl kill -s KILL jepa-telemetry; systemctl stop jepa-telemetry")
    after = wait_for_status(machine, "frames", before["frames"] + 3)
    away = next(each for each in after["sources"] if each["name"] == "collector")
    assert away["state"] == "degraded"
    assert "reads the files itself" in away["reason"]
    machine.succeed("systemctl start jepa-telemetry")
    wait_for_sources(machine, "collector")


def test_programs_and_descriptors_are_gone_with_it(machine: Machine) -> None:
    machine.succeed("systemctl stop jepa-telemetry")
    # 26 is a program that traces (BPF_PROG_TYPE_TRACING); systemd has others of its own
    others = "grep -l 'prog_type:.*26' /proc/[0-9]*/fdinfo/* 2>/dev/null || true"
    assert machine.succeed(others) == ""


@pytest.mark.slow
def test_costs_are_measured_for_a_moment_and_told(machine: Machine) -> None:
    machine.succeed("systemctl start jepa-bpf-cost", 30)
    assert machine.succeed("cat /proc/sys/kernel/bpf_stats_enabled").strip() == "0"
    cost = next_frame(machine)["jepa.telemetry.bpf"]
    assert cost is not None
    assert 0 < cost < 20


@pytest.mark.slow
@pytest.mark.quiet
def test_ten_thousand_groups_hold_it_up_for_a_moment_at_most(machine: Machine) -> None:
    before = wait_for_status(machine, "frames", 3)
    machine.succeed("mkdir /sys/fs/cgroup/user.slice/many")
    machine.succeed("cd /sys/fs/cgroup/user.slice/many && seq 10000 | xargs mkdir", 60)
    begin = time.monotonic()
    time.sleep(20)
    after, watched = status(machine), time.monotonic() - begin
    machine.say(f"{after['missed'] - before['missed']} periods missed in {watched:.0f} s")
    assert after["missed"] - before["missed"] <= 5
    assert source(machine, "roles")["state"] == "ok"
    assert source(machine, "collector")["state"] == "ok"


LOCKED = (r"Lockdown:", "the kernel is locked down on purpose")
DROP_IN = "/run/systemd/system/jepa-telemetry.service.d"
WITHOUT = {
    "types": ("mount -t tmpfs none /sys/kernel/btf", "this kernel publishes no types"),
    "capabilities": (
        f"mkdir {DROP_IN}; "
        f"printf '[Service]\\nCapabilityBoundingSet=\\nAmbientCapabilities=\\n' > {DROP_IN}/none.conf; "
        "systemctl daemon-reload",
        "BPF programs: ",
    ),
    "leave": ("echo confidentiality > /sys/kernel/security/lockdown", "the kernel is locked down"),
}
"""By what the collector has to do without: how that is taken away, and the reason it tells."""


@pytest.mark.slow
@pytest.mark.allow(*LOCKED)
@pytest.mark.parametrize("what", WITHOUT)
def test_it_collects_what_files_tell_without(what: str, machine: Machine) -> None:
    take_away, reason = WITHOUT[what]
    machine.succeed(f"{take_away}; systemctl restart jepa-telemetry", 60)
    # jepad reads the files itself until the collector is back.
    wait_for_sources(machine, "collector")
    assert reason in str(source(machine, "kernel")["reason"])
    frame = next_frame(machine)
    assert frame["system.cpu.run_queue.latency.p99"] is None
    assert frame["system.memory.utilization"] is not None
    assert frame["system.network.tcp.opened"] is not None
