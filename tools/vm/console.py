# SPDX-License-Identifier: Apache-2.0
"""What must not appear on the console or in the kernel's log of a healthy machine."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TROUBLE: dict[str, str] = {
    "kernel panic": r"Kernel panic - not syncing",
    "lock-up": r"soft lockup|hard LOCKUP|rcu: INFO: .* detected stalls|blocked for more than \d+ seconds",
    "oops": r"\bOops: |BUG: (unable to handle|kernel NULL pointer)|general protection fault",
    "kernel bug": r"kernel BUG at|\bBUG: (?!unable|kernel NULL)",
    "kernel warning": r"WARNING: CPU: \d+ PID: \d+",
    "segfault": r"\bsegfault at |traps: .* trap invalid opcode",
    "core dump": r"(?:Process \d+ \(.*\) of user \d+ dumped core|code=dumped)",
    "unit failed": r"Failed to start |\[FAILED\]|Dependency failed for |Failed with result ",
    "emergency mode": r"You are in emergency mode|Entering emergency mode|Reached target.*emergency\.target"
    r"|Cannot open access to console, the root account is locked",
    "ordering cycle": r"[Oo]rdering cycle",
    "out of memory": r"Out of memory: Killed process|oom-kill:|invoked oom-killer|systemd-oomd.*Killed",
    "file system": r"(?:EXT4-fs|BTRFS|erofs|XFS|FAT-fs) ?.*(?:error|corrupt)|I/O error, dev |Buffer I/O"
    r" error|device-mapper: verity: .*(?:corrupted|failed)",
    "generator failed": r"/system-generators/\S+ (?:failed|terminated)",
    "unit mistake": r"Unknown (?:key|section)|Failed to parse|is not executable|Invalid environment"
    r" assignment",
}
TROUBLE = {name: re.compile(pattern) for name, pattern in _TROUBLE.items()}

STAGES = (
    ("kernel runs", r"Linux version|Run /init|systemd"),
    ("systemd runs in the initrd", r"Running in initrd|Initrd|initrd-"),
    ("switches to the real root", r"[Ss]witch(?:ing)? [Rr]oot|Reached target.*initrd-switch-root"),
    ("starts jepad", r"Starting .*jepad"),
)
"""Stages of a boot, in order, and what the console shows when each begins."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-_])")


@dataclass(frozen=True, slots=True)
class Allow:
    """A line that one test, or every test, tolerates, and why."""

    pattern: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One line that ought not to be there."""

    kind: str
    line: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.line}"


def keys_were_enrolled(text: str) -> bool:
    """Whether systemd-boot gave the keys of a signed image to firmware that had none, and restarts."""
    return "Secure Boot keys successfully enrolled" in text


def emulation_slipped(text: str) -> bool:
    """Whether the kernel met a breakpoint nobody set, or no tick of its timer, before any of our programs.

    While it changes its own code it puts one where another CPU may come by (text_poke in
    arch/x86/kernel/alternative.c), and QEMU's emulation lets that CPU come upon it after it has gone. Ticks
    stay away from a guest whose host is too busy to run it while it counts them (timer_irq_works in
    arch/x86/kernel/apic/io_apic.c).
    """
    breakpoint_met = "Oops: int3: " in text and "jepa-telemetry" not in text
    return breakpoint_met or "Kernel panic - not syncing: IO-APIC + timer doesn't work!" in text


def plain(text: str) -> str:
    """Console text without escape sequences and carriage returns."""
    return _ESCAPES.sub("", text).replace("\r", "")


def scan(text: str, allow: Iterable[Allow] = ()) -> list[Finding]:
    """Every line of ``text`` that tells of trouble and fits no ``allow``; each distinct line once."""
    allowed = [re.compile(entry.pattern) for entry in allow]
    found: dict[Finding, None] = {}
    for line in plain(text).splitlines():
        for kind, pattern in TROUBLE.items():
            if pattern.search(line) and not any(entry.search(line) for entry in allowed):
                found[Finding(kind, line.strip())] = None
                break
    return list(found)
