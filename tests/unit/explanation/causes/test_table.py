# SPDX-License-Identifier: Apache-2.0
"""Each cause is told from the others by what is measured, and names the unit that takes what is short."""

from dataclasses import replace

import pytest

from jepa.explanation.ranking import Question
from jepa.explanation.situation import JournalLine, Situation
from jepa.healing.observation import Broken, Space
from tests.unit.explanation.scenes import (
    GIB,
    IDLE,
    MACHINE,
    MIB,
    SECONDS,
    event,
    explained,
    first,
    process,
    situation,
    unit,
)

CPU_SHORT = {"system.cpu.utilization": 99.0, "system.pressure.cpu.some": 80.0, "system.cpu.runnable": 6.0}
DISK_SHORT = {
    "system.disk.utilization": 98.0,
    "system.pressure.io.some": 70.0,
    "system.disk.wait": 60.0,
    "system.disk.io.write": 90_000.0,
    "system.disk.operations.write": 400.0,
}
SWAPS = {
    "system.pressure.memory.some": 60.0,
    "system.pressure.memory.full": 30.0,
    "system.paging.swapped_in": 3000.0,
    "system.paging.swapped_out": 4000.0,
    "system.paging.faults.major": 900.0,
    "system.disk.utilization": 97.0,
    "system.pressure.io.some": 70.0,
    "system.disk.operations.read": 3000.0,
    "system.disk.io.read": 12_000.0,
    "system.disk.io.write": 16_000.0,
}
CONVOY = {
    "system.cpu.context_switches": 90_000.0,
    "system.cpu.utilization": 45.0,
    "system.lock.wait": 900.0,
}
OOM = "Out of memory: Killed process 900 (python3) total-vm:1900000kB, anon-rss:1500000kB, file-rss:0kB"


def leaking(second: int) -> dict[str, float]:
    """Programs grow by 0.1 % of memory a second: 2 MiB."""
    grown = 0.1 * second
    return {
        "system.memory.anonymous": IDLE["system.memory.anonymous"] + grown,
        "system.memory.utilization": IDLE["system.memory.utilization"] + grown,
    }


SCENES: dict[str, tuple[Situation, str, str]] = {
    "a noisy neighbour on the CPU": (
        situation(
            CPU_SHORT,
            (unit("hog.service", cpu=92.0, cpu_wait=60.0), unit("web.service", cpu=4.0, cpu_wait=30.0)),
            processes=(process("yes", "hog.service", cpu=48.0),),
        ),
        "cpu_contention",
        "hog.service",
    ),
    "a noisy neighbour of which the look at it leaves a third": (
        situation(
            CPU_SHORT,
            (
                unit("hog.service", cpu=34.0, cpu_wait=60.0),
                unit("web.service", cpu=12.0, cpu_wait=48.0),
                unit("jepa-telemetry.service", cpu=21.0),
            ),
            own_cpu=30.0,
        ),
        "cpu_contention",
        "hog.service",
    ),
    "jepad on the CPU": (
        situation(
            CPU_SHORT, (unit("jepad.service", cpu=90.0), unit("web.service", cpu=4.0, cpu_wait=30.0))
        ),
        "cpu_contention",
        "jepad.service",
    ),
    "a person's program on the CPU": (
        situation(
            CPU_SHORT,
            (
                unit("session-3.scope", cpu=90.0, cpu_wait=70.0, weight=None),
                unit("web.service", cpu=5.0, cpu_wait=25.0),
            ),
        ),
        "cpu_contention",
        "session-3.scope",
    ),
    "a disk hog": (
        situation(
            DISK_SHORT,
            (
                unit("backup.service", written=85 * MIB, io_wait=90.0),
                unit("db.service", written=1 * MIB, io_wait=40.0),
            ),
        ),
        "disk_contention",
        "backup.service",
    ),
    "a CPU quota": (
        situation(
            {"system.cpu.utilization": 14.0, "system.pressure.cpu.some": 60.0},
            (unit("api.service", cpu=10.0, cpu_wait=85.0, throttled=140.0),),
        ),
        "cpu_quota",
        "api.service",
    ),
    "a memory leak": (
        situation(leaking, (unit("cache.service", memory=700 * MIB, growth=2 * MIB),), since=0),
        "memory_leak",
        "cache.service",
    ),
    "swapping to and fro": (
        situation(
            SWAPS,
            (
                unit("analysis.service", memory=1.4 * GIB, growth=9 * MIB, written=14 * MIB, io_wait=50.0),
                unit("web.service", memory=90 * MIB, io_wait=20.0),
            ),
        ),
        "swap_thrashing",
        "analysis.service",
    ),
    "a unit at its own limit of memory": (
        situation(
            {"system.pressure.memory.some": 20.0},
            (unit("boxed.service", memory=127 * MIB, limit=128 * MIB),),
        ),
        "memory_limit",
        "boxed.service",
    ),
    "a kill for want of memory": (
        situation(
            events=(
                event("oom_kill", "python3", OOM, ago=40),
                event("unit_failed", "hungry.service", "result oom-kill (killed)", ago=39),
            ),
        ),
        "oom_kill",
        "hungry.service",
    ),
    "a kill of what was swapped out by then": (
        replace(
            situation(
                events=(
                    event("oom_kill", "python3", "Killed process 900 (python3) anon-rss:160000kB", ago=40),
                    event("unit_failed", "hungry.service", "result oom-kill (killed)", ago=39),
                ),
            ),
            journal={
                "hungry.service": JournalLine(
                    "hungry.service",
                    "hungry.service: Consumed 3.4s CPU time, 1.5G memory peak, 900M memory swap peak.",
                    "s=1",
                    1,
                )
            },
        ),
        "oom_kill",
        "hungry.service",
    ),
    "a full file system": (
        situation(
            {"system.filesystem.utilization": 99.6},
            (unit("dump.service", written=40 * MIB),),
            machine=replace(MACHINE, spaces={"/var": Space(20 * MIB, 10 * GIB)}),
        ),
        "file_system_full",
        "dump.service",
    ),
    "a file system that was filled and takes no more": (
        situation(
            {"system.filesystem.utilization": 100.0},
            (unit("dump.service", wrote=5.5 * GIB), unit("db.service", wrote=0.2 * GIB)),
            machine=replace(MACHINE, spaces={"/var": Space(0, 10 * GIB)}),
        ),
        "file_system_full",
        "dump.service",
    ),
    "a storm of retries": (
        situation(
            {
                "system.network.tcp.opened": 900.0,
                "system.network.tcp.accepted": 300.0,
                "system.network.tcp.accept.overflows": 20.0,
            },
            (unit("client.service", connections=140), unit("web.service", cpu=20.0, waiting=128)),
        ),
        "connection_storm",
        "client.service",
    ),
    "a lock convoy": (
        situation(
            CONVOY,
            (unit("queue.service", cpu=40.0),),
            processes=(process("queue", "queue.service", switches=80_000.0),),
        ),
        "lock_convoy",
        "queue.service",
    ),
    "a dependency that failed": (
        situation(
            units=(
                unit("shop.service", active="failed", result="exit-code", requires=("db.service",)),
                unit("db.service", active="failed", result="signal"),
            ),
            events=(event("unit_failed", "shop.service", "result exit-code"),),
        ),
        "dependency_failed",
        "db.service",
    ),
    "a service that failed": (
        situation(
            units=(unit("mail.service", active="failed", result="signal"),),
            events=(event("unit_failed", "mail.service", "result signal"),),
        ),
        "unit_failed",
        "mail.service",
    ),
    "a service that starts over and over": (
        situation(events=tuple(event("unit_restarted", "flaky.service", ago=n) for n in (90, 60, 40, 9))),
        "restart_loop",
        "flaky.service",
    ),
    "a service that hangs": (
        situation(units=(unit("web.service", cpu=0.0, waiting=12),)),
        "not_accepting",
        "web.service",
    ),
    "a flood of the log that takes all there is": (
        situation(
            CPU_SHORT,
            (
                unit("systemd-journald.service", cpu=55.0),
                unit("chatty.service", cpu=30.0),
                unit("work.service", cpu=5.0, cpu_wait=30.0),
            ),
            machine=replace(MACHINE, log_lines={"chatty.service": 950, "work.service": 50}),
        ),
        "log_storm",
        "chatty.service",
    ),
    "a flood of the log": (
        situation(
            {"system.cpu.utilization": 60.0},
            (unit("systemd-journald.service", cpu=35.0), unit("chatty.service", cpu=20.0)),
            machine=replace(MACHINE, log_lines={"chatty.service": 280, "ssh.service": 20}),
        ),
        "log_storm",
        "chatty.service",
    ),
    "processes that multiply": (
        situation(units=(unit("bomb.service", tasks=2000.0, forks=300.0),)),
        "fork_storm",
        "bomb.service",
    ),
    "what healing has found": (
        situation(events=(event("fault_detected", "old.service", "leak: old.service grows by 1 MiB/s"),)),
        "leak",
        "old.service",
    ),
}  # fmt: skip
NOBODY: dict[str, tuple[Situation, str]] = {
    "a slow disk": (
        situation(
            DISK_SHORT | {"system.disk.io.write": 800.0, "system.disk.operations.write": 6.0},
            (unit("db.service", written=0.7 * MIB, io_wait=70.0),),
        ),
        "slow_disk",
    ),
    "a disk with errors": (
        situation(
            {"system.disk.utilization": 100.0, "system.pressure.io.some": 90.0},
            (unit("db.service", written=0.3 * MIB, io_wait=90.0),),
            events=(event("io_error", "sda", "I/O error, dev sda"),),
        ),
        "slow_disk",
    ),
    "a limit on I/O": (
        situation({"system.pressure.io.some": 80.0}, (unit("copy.service", io_wait=85.0),)),
        "io_held_back",
    ),
    "a hypervisor with other guests": (
        situation({"system.cpu.utilization.steal": 40.0}, (unit("web.service", cpu=30.0),)),
        "cpu_stolen",
    ),
    "a CPU that is too hot": (
        situation({"hw.temperature": 99.0}, events=(event("thermal", "cpu0", "throttled"),)),
        "cpu_too_hot",
    ),
    "a storm of connections": (
        situation({"system.network.tcp.opened": 900.0, "system.network.tcp.accepted": 880.0}),
        "connection_storm",
    ),
    "a network that loses segments": (
        situation({"system.network.tcp.retransmits": 80.0}),
        "network_loss",
    ),
    "many units together on the CPU": (
        situation(CPU_SHORT, [unit(f"job-{n}.service", cpu=16.0, cpu_wait=60.0) for n in range(6)]),
        "cpu_contention",
    ),
    "a file system with errors": (
        situation(machine=replace(MACHINE, broken={"/srv": Broken("emergency_ro")})),
        "file_system_failed",
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_the_true_unit_comes_first_with_its_share(scene: str) -> None:
    seen, kind, name = SCENES[scene]
    cause = first(seen)
    assert (cause.kind, cause.offenders[0].name) == (kind, name)
    share = cause.offenders[0].share
    assert 0 < share <= 100 if share is not None else cause.resource in ("service", "memory")
    assert name in cause.summary


@pytest.mark.parametrize("scene", SCENES)
def test_asked_about_the_unit_the_answer_is_the_same(scene: str) -> None:
    seen, kind, name = SCENES[scene]
    assert first(seen, Question(units=(name,))).kind == kind


@pytest.mark.parametrize("scene", NOBODY)
def test_a_cause_that_is_nobodys_accuses_nobody(scene: str) -> None:
    seen, kind = NOBODY[scene]
    cause = first(seen)
    assert (cause.kind, cause.offenders) == (kind, ())


@pytest.mark.parametrize("scene", [*SCENES, *NOBODY])
def test_each_claim_has_its_source_its_time_and_what_shows_it(scene: str) -> None:
    seen = (SCENES.get(scene) or NOBODY[scene])[0]
    for cause in explained(seen).causes:
        assert cause.evidence
        assert 0 < cause.severity <= 1
        for each in cause.evidence:
            assert each.source
            assert each.text
            assert each.ts_ns
            assert each.command.split()[0] in {
                "jepa", "journalctl", "systemctl", "df", "findmnt", "ps",
            }  # fmt: skip


def test_a_channel_is_cited_with_what_is_usual_for_it() -> None:
    seen, _, _ = SCENES["a noisy neighbour on the CPU"]
    cited = next(each for each in first(seen).evidence if each.source == "system.cpu.utilization")
    assert cited.value is not None and cited.value > 95
    assert cited.usual is not None and cited.usual[1] < 5
    assert cited.command == "jepa watch system.cpu.utilization"


def test_the_process_that_takes_most_is_named_with_its_unit() -> None:
    seen, _, _ = SCENES["a noisy neighbour on the CPU"]
    assert first(seen).offenders[0].process == "yes, process 812"


def test_a_leak_is_known_over_a_minute_not_over_seconds() -> None:
    units = (unit("cache.service", memory=700 * MIB, growth=2 * MIB),)
    starts = situation(lambda second: leaking(second - SECONDS + 30), units, since=SECONDS - 30)
    assert not explained(starts).causes


def test_a_kill_without_what_was_held_accuses_nobody() -> None:
    seen = situation(events=(event("oom_kill", "python3", "Killed process 900 (python3)"),))
    assert first(seen).kind == "oom_kill"
    assert not first(seen).offenders


def test_a_fault_that_was_repaired_is_no_cause() -> None:
    found = (event("fault_detected", "a.service", "hung: it hangs", ago=60),)
    assert explained(situation(events=found)).causes
    assert not explained(situation(events=(*found, event("fault_repaired", "a.service", ago=30)))).causes
