# SPDX-License-Identifier: Apache-2.0
"""The search for trouble finds what it must, forgives what is allowed, and nothing else."""

import pytest

from tools.vm.console import Allow, emulation_slipped, keys_were_enrolled, plain, scan

TROUBLE = [
    ("kernel panic", "[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs"),
    ("oops", "[   12.3] BUG: unable to handle page fault for address: ffff888"),
    ("kernel bug", "[   12.3] kernel BUG at mm/slub.c:4321!"),
    ("kernel warning", "[    5.1] WARNING: CPU: 1 PID: 77 at kernel/sched/core.c:1234 foo+0x1/0x2"),
    ("lock-up", "[  300.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s!"),
    ("segfault", "[   44.0] python3[321]: segfault at 0 ip 00007f sp 00007f error 4 in libonnx.so"),
    ("segfault", "[   44.0] traps: jepad[90] trap invalid opcode ip:7f sp:7f error:0 in numpy.so"),
    ("unit failed", "[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mjepad.service\x1b[0m - World."),
    ("emergency mode", "You are in emergency mode. After logging in, type ..."),
    ("ordering cycle", "a.service: Found ordering cycle on b.service/start"),
    ("out of memory", "[   90.0] Out of memory: Killed process 412 (jepad) total-vm:1kB"),
    ("file system", "[   20.0] EXT4-fs error (device vda3): ext4_lookup:1855: inode #12: comm ls"),
    ("file system", "[   20.0] I/O error, dev vda, sector 0 op 0x1:(WRITE)"),
    (
        "unit mistake",
        "/usr/lib/systemd/system/x.service:3: Unknown key 'Exec' in section [Service], ignoring.",
    ),
]
HEALTHY = """\
[    0.000000] Linux version 7.3.4+deb13-amd64 (debian-kernel@lists.debian.org)
[    3.1] EXT4-fs (vda3): recovery complete
[  OK  ] Started jepad.service - World model of the machine.
[    4.0] rcu: Hierarchical RCU implementation.
[    1.0] x86/cpu: User Mode Instruction Prevention (UMIP) activated
[  OK  ] Reached target multi-user.target - Multi-User System.
"""


@pytest.mark.parametrize(("kind", "line"), TROUBLE)
def test_each_kind_of_trouble_is_found_once(kind: str, line: str) -> None:
    findings = scan(f"{HEALTHY}{line}\r\n{line}\r\n")
    assert [finding.kind for finding in findings] == [kind]
    assert findings[0].line == plain(line)


def test_healthy_console_has_no_trouble() -> None:
    assert scan(HEALTHY) == []


def test_allowed_line_is_forgiven_and_only_that() -> None:
    text = "[FAILED] Failed to start a.service\n[FAILED] Failed to start b.service\n"
    findings = scan(text, [Allow(r"start a\.service", "this test breaks it")])
    assert [finding.line for finding in findings] == ["[FAILED] Failed to start b.service"]


def test_a_breakpoint_that_the_emulation_invented_is_told_from_other_oopses() -> None:
    oops = "[    2.515549] Oops: int3: 0000 [#1] SMP NOPTI"
    assert emulation_slipped(f"[    0.786302] mtrr\n{oops}\n")
    assert not emulation_slipped(f"Starting jepa-telemetry.service\n{oops}\n"), "it sets probes"
    assert not emulation_slipped("[    2.515549] Oops: general protection fault: 0000 [#1] SMP NOPTI")
    assert not emulation_slipped("[    2.515549] Oops: 0002 [#1] SMP NOPTI")
    late = "[    0.052000] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug"
    assert emulation_slipped(late)
    assert not emulation_slipped("[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs")


def test_a_loader_that_hands_keys_over_is_known_by_what_it_says() -> None:
    said = "Enrolling secure boot keys from directory: \\loader\\keys\\auto\n"
    assert not keys_were_enrolled(said)
    assert keys_were_enrolled(
        f"{said}Custom Secure Boot keys successfully enrolled, rebooting the system now!"
    )
