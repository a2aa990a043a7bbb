# SPDX-License-Identifier: Apache-2.0
"""What the detectors see of the machine at one instant: plain data, so that detectors are pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class UnitSample:
    """One unit. Counters count since the unit's control group was made; None where it does not say."""

    name: str
    active: str = "active"
    """systemd's ActiveState."""
    sub: str = ""
    enabled: bool = False
    """Whether it is started at boot, so that somebody wants it to run."""
    restarts: int = 0
    """How often systemd has restarted it."""
    result: str = "success"
    """systemd's Result of a service."""
    requires: tuple[str, ...] = ()
    """Units without which it cannot run; read only of failed ones."""
    cpu_s: float | None = None
    anonymous: int | None = None
    """Bytes of anonymous memory and of swap: what cannot be dropped."""
    memory_limit: int | None = None
    """Bytes of both at which the kernel kills within it; None without a limit."""
    read: int | None = None
    """Bytes read from devices."""
    written: int | None = None
    """Bytes written to files and devices."""
    tasks: int | None = None
    waiting: int = 0
    """Connections that wait for one of its processes to accept them."""
    cpu_wait_s: float | None = None
    """Seconds in which some of its processes waited for a CPU."""
    io_wait_s: float | None = None
    """Seconds in which some of its processes waited for a disk."""
    throttled_s: float | None = None
    """Seconds, over all CPUs, in which it had spent its CPU quota; None without one."""
    cpu_weight: int | None = None
    """Its share of the CPU beside the other services of the system; None for one that is not among them."""


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process of a login session, which has no control group of its own."""

    pid: int
    name: str
    unit: str
    anonymous: int
    """Bytes of anonymous memory and of swap."""
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Space:
    """Room on a mounted file system, for those who are not root."""

    free: int
    """Bytes."""
    total: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A file system that the kernel no longer writes to, since its device or its structures have errors."""

    why: str
    """What the kernel says of it."""
    owners: tuple[str, ...] = ()
    """Services that it is a part of (``PartOf=``): restarted with them, it is checked and mounted anew."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The machine at one instant."""

    now_s: float
    """CLOCK_MONOTONIC, in seconds."""
    units: Mapping[str, UnitSample] = field(default_factory=dict)
    processes: tuple[ProcessSample, ...] = ()
    """The larger processes of login sessions."""
    cpus: int = 1
    memory_total: int = 0
    """Bytes."""
    memory_available: int = 0
    """Bytes that programs may still get without swapping, as the kernel estimates."""
    swap_total: int = 0
    swap_free: int = 0
    memory_full_s: float | None = None
    """Seconds since boot in which all programs waited for memory."""
    memory_some_s: float | None = None
    """Seconds since boot in which some program waited for memory."""
    spaces: Mapping[str, Space] = field(default_factory=dict)
    broken: Mapping[str, Broken] = field(default_factory=dict)
    """File systems with errors, by their mount points."""
    log_lines: Mapping[str, int] = field(default_factory=dict)
    """Of the newest lines in the log, how many are of each unit; empty while journald has little to do."""
