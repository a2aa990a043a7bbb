# SPDX-License-Identifier: Apache-2.0
"""What programs in the kernel count: latencies, stalls, interrupts and processes that files do not show."""

import os
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jepa.telemetry.bpf.libbpf import NOT_PERMITTED, BpfError, may_load
from jepa.telemetry.bpf.objects import BpfMap, BpfObject, KernelTypes, ProgramState, U64Array
from jepa.telemetry.histogram import Histogram, quantile
from jepa.telemetry.roles import ROLES, Roles
from jepa.telemetry.sources.base import Reading
from jepa.telemetry.sources.snmp import SnmpReader

INSTALLED = Path("/usr/lib/jepa/bpf")
COST_EVERY_S = 5.0
"""Seconds between two looks at what the programs cost."""
_SLOTS = 27
_OPERATIONS = ("read", "write")


def default_programs() -> Path:
    """Where the objects are: $JEPA_BPF, else the installed ones, else those built in this source tree."""
    named = os.environ.get("JEPA_BPF")
    if named:
        return Path(named)
    if INSTALLED.is_dir():
        return INSTALLED
    return Path(__file__).resolve().parents[5] / "build" / "bpf"


@dataclass(frozen=True, slots=True)
class _Rate:
    """A counter as a channel: its growth a second, times ``scale``."""

    object: str
    field: str
    channel: str
    scale: float
    program: str
    """The program that counts it; without that the channel is absent."""


_MS = 1e-6
_RATES = (
    _Rate("sched", "migrations", "system.cpu.migrations", 1, "on_migrate"),
    _Rate("memory", "reclaim_ns", "system.paging.direct_reclaim", _MS, "on_reclaimed"),
    _Rate("memory", "compaction_ns", "system.paging.compaction", _MS, "on_compacted"),
    _Rate("memory", "oom_kills", "system.paging.oom_kills", 1, "on_victim"),
    _Rate("tcp", "retransmits", "system.network.tcp.retransmits", 1, "on_retransmit"),
    _Rate("tcp", "active", "system.network.tcp.opened", 1, "on_state"),
    _Rate("tcp", "passive", "system.network.tcp.accepted", 1, "on_state"),
    _Rate("process", "executed", "system.process.executed", 1, "on_exec"),
    _Rate("process", "exited", "system.process.exited", 1, "on_exit"),
    _Rate("process", "short_lived", "system.process.exited.short", 1, "on_exit"),
    _Rate("process", "failed", "system.process.exited.failed", 1, "on_exit"),
    _Rate("process", "killed", "system.process.exited.killed", 1, "on_exit"),
    _Rate("files", "opened", "system.file.opened", 1, "on_open"),
    _Rate("lock", "wait_ns", "system.lock.wait", _MS, "on_got"),
)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """A histogram of an object's totals, its name for people, and channels of some of its quantiles."""

    object: str
    field: str
    name: str
    unit: str
    scale: float
    """From the histogram's unit to the channels'."""
    channels: Mapping[str, float]
    program: str


_US = 1e-3
_HISTOGRAMS = (
    _Sizes(
        "process",
        "lifetime",
        "system.process.lifetime",
        "ms",
        1.0,
        {"system.process.lifetime.p50": 0.5},
        "on_exit",
    ),
    _Sizes(
        "tcp",
        "connect",
        "system.network.tcp.connect",
        "us",
        _US,
        {"system.network.tcp.connect.p50": 0.5, "system.network.tcp.connect.p99": 0.99},
        "on_state",
    ),
    _Sizes(
        "tcp",
        "round_trip",
        "system.network.tcp.round_trip",
        "us",
        _US,
        {"system.network.tcp.round_trip.p50": 0.5},
        "on_state",
    ),
)


class KernelSource:
    """Loads the objects in ``folder`` that this kernel and its capabilities allow, and reads them.

    Reading takes no capability: they may be dropped once this is made.
    """

    name = "kernel"

    def __init__(self, root: Path, roles: Roles, folder: Path | None = None) -> None:
        self._roles = roles
        self._snmp = SnmpReader(root)
        self._lockdown = root / "sys/kernel/security/lockdown"
        self._cpus = os.cpu_count() or 1
        self._objects: dict[str, BpfObject] = {}
        self._missing: list[str] = []
        self._before: tuple[float, dict[str, U64Array]] | None = None
        self._devices: BpfMap | None = None
        self._devices_before: dict[bytes, U64Array] = {}
        self._histograms: list[Histogram] = []
        self._assigned: Mapping[int, int] = {}
        self._generation = 0
        self._cost_before: tuple[float, float] | None = None
        self._cost: float | None = None
        self._cost_at = float("-inf")
        self._lost = 0
        self._load(folder or default_programs())

    def _load(self, folder: Path) -> None:
        paths = sorted(folder.glob("*.bpf.o"))
        if not paths:
            self._missing.append(f"no BPF programs in {folder}")
            return
        if not may_load():
            self._missing.append(f"BPF programs: {NOT_PERMITTED}")
            return
        try:
            types = KernelTypes()
        except BpfError as error:
            self._missing.append(str(error))
            return
        try:
            for path in paths:
                try:
                    loaded = BpfObject(path, types)
                except BpfError as error:
                    self._missing.append(str(error))
                    continue
                self._objects[loaded.name] = loaded
        finally:
            types.close()
        self._missing += [f"{s.object} {s.name}: {s.reason}" for s in self.programs() if not s.attached]
        if self._missing and self._locked_down():
            self._missing.insert(0, "the kernel is locked down, so that programs may not read its memory")
        if "block" in self._objects:
            self._devices = self._objects["block"].map("devices")

    def _locked_down(self) -> bool:
        """Whether kernel_lockdown(7) is at confidentiality; the verifier then refuses without saying so."""
        try:
            return "[confidentiality]" in self._lockdown.read_text()
        except OSError:
            return False

    def read(self, now: float) -> Reading:
        """What was counted since the last call. Never raises."""
        values: dict[str, float] = {}
        self._histograms = []
        reasons = [*self._missing]
        try:
            self._tell_roles(now)
            totals = {name: each.totals() for name, each in self._objects.items()}
            before, self._before = self._before, (now, totals)
            devices = self._read_devices()
            if before is not None and now > before[0]:
                grown = {name: words - before[1][name] for name, words in totals.items()}
                values |= self._values(grown, now - before[0])
                values |= self._device_values(devices)
                self._lost += sum(int(self._field(grown, name, "lost").sum()) for name in grown)
            values |= self._costs(now)
        except BpfError as error:
            reasons.append(str(error))
        for channel, value in self._snmp.read(now).items():
            values.setdefault(channel, value)
        if self._lost:
            reasons.append(
                f"{self._lost} counts lost since the start: a map was full, or a program ran already"
            )
        return Reading(values, "; ".join(reasons))

    def histograms(self) -> list[Histogram]:
        """What was counted between the last two calls of ``read``, without the empty ones."""
        return self._histograms

    def programs(self) -> list[ProgramState]:
        """Each program, whether it runs, and what it cost while that was measured."""
        return [state for each in self._objects.values() for state in each.states()]

    def maps_mib(self) -> float:
        """What the maps of all objects hold at most, in MiB."""
        return sum(each.maps_bytes() for each in self._objects.values()) / 2**20

    def openers(self, count: int) -> list[tuple[str, int]]:
        """The programs that opened most files since the start; none where that is not counted."""
        if "files" not in self._objects:
            return []
        items = self._objects["files"].map("programs").items()
        named = [(key.rstrip(b"\0").decode(errors="replace"), struct.unpack("=Q", n)[0]) for key, n in items]
        return sorted(named, key=lambda each: -each[1])[:count]

    def close(self) -> None:
        """Detach and unload everything."""
        for each in self._objects.values():
            each.close()
        self._objects.clear()
        self._snmp.close()

    def _tell_roles(self, now: float) -> None:
        if "sched" not in self._objects:
            return
        wanted = self._roles.at(now).ids
        if wanted == self._assigned:
            return
        roles = self._objects["sched"].map("roles")
        for gone in self._assigned.keys() - wanted.keys():
            roles.remove(struct.pack("=Q", gone))
        for number, role in wanted.items():
            roles.put(struct.pack("=Q", number), struct.pack("=I", role))
        self._assigned = dict(wanted)
        # What the programs found out before is now stale.
        self._generation += 1
        self._objects["sched"].map("generation").put(
            struct.pack("=I", 0), struct.pack("=I", self._generation)
        )

    def _field(self, words: Mapping[str, U64Array], name: str, field: str) -> U64Array:
        place = self._objects[name].layout.get(field)
        if place is None:
            return np.zeros(1, np.uint64)
        return words[name][place.start : place.start + place.words].reshape(place.shape or (1,))

    def _runs(self, name: str, program: str) -> bool:
        return name in self._objects and self._objects[name].attached(program)

    def _values(self, grown: Mapping[str, U64Array], seconds: float) -> dict[str, float]:
        values: dict[str, float] = {}
        for rate in _RATES:
            if self._runs(rate.object, rate.program):
                more = float(self._field(grown, rate.object, rate.field)[0])
                values[rate.channel] = rate.scale * more / seconds
        for sizes in _HISTOGRAMS:
            if self._runs(sizes.object, sizes.program):
                counts = self._field(grown, sizes.object, sizes.field)
                self._keep(sizes.name, sizes.unit, {}, counts)
                values |= _quantiles(counts, sizes.channels, sizes.scale)
        if self._runs("sched", "on_switch"):
            values |= self._sched_values(grown, seconds)
        if self._runs("irq", "on_softirq_end"):
            share = 100 / (1e9 * seconds * self._cpus)
            softirq = float(self._field(grown, "irq", "softirq_ns").sum())
            values["system.cpu.softirq"] = min(100.0, share * softirq)
            if self._runs("irq", "on_hardirq_end"):
                hardirq = float(self._field(grown, "irq", "hardirq_ns")[0])
                values["system.cpu.hardirq"] = min(100.0, share * hardirq)
        return values

    def _sched_values(self, grown: Mapping[str, U64Array], seconds: float) -> dict[str, float]:
        waits = self._field(grown, "sched", "waits")  # (roles, slots)
        blocked = self._field(grown, "sched", "blocked_ns")  # (roles,)
        overall = waits.sum(axis=0)
        channel = "system.cpu.run_queue.latency"
        values = _quantiles(overall, {f"{channel}.p50": 0.5, f"{channel}.p99": 0.99}, _US)
        for position, role in enumerate(ROLES):
            self._keep(channel, "us", {"role": role}, waits[position])
            values |= _quantiles(waits[position], {f"system.role.{role}.run_queue.latency.p99": 0.99}, _US)
            values[f"system.role.{role}.blocked"] = _MS * float(blocked[position]) / seconds
        return values

    def _read_devices(self) -> dict[bytes, U64Array]:
        """(55,) What each device and operation did since the last call: done, latency slots, size slots."""
        if self._devices is None:
            return {}
        now = {key: np.frombuffer(value, np.uint64) for key, value in self._devices.items()}
        before, self._devices_before = self._devices_before, now
        return {key: words - before[key] if key in before else words for key, words in now.items()}

    def _device_values(self, devices: Mapping[bytes, U64Array]) -> dict[str, float]:
        values: dict[str, float] = {}
        for number, operation in enumerate(_OPERATIONS):
            latency, size = np.zeros(_SLOTS, np.uint64), np.zeros(_SLOTS, np.uint64)
            for key, words in devices.items():
                device, kind = struct.unpack("=II", key)
                if kind != number:
                    continue
                labels = {"device": f"{device >> 20}:{device & 0xFFFFF}", "operation": operation}
                latency += words[1 : 1 + _SLOTS]
                size += words[1 + _SLOTS : 1 + 2 * _SLOTS]
                self._keep("system.disk.latency", "us", labels, words[1 : 1 + _SLOTS])
                self._keep("system.disk.size", "KiB", labels, words[1 + _SLOTS : 1 + 2 * _SLOTS])
            channel = f"system.disk.latency.{operation}"
            values |= _quantiles(latency, {f"{channel}.p50": 0.5, f"{channel}.p99": 0.99}, _US)
            values |= _quantiles(size, {f"system.disk.size.{operation}": 0.5}, 1.0)
        return values

    def _costs(self, now: float) -> dict[str, float]:
        """Percent of a core that the programs take, as last measured; none before a first measurement."""
        if now - self._cost_at >= COST_EVERY_S:
            self._cost_at = now
            spent = 1e-9 * sum(state.run_ns for state in self.programs())
            before, self._cost_before = self._cost_before, (now, spent)
            if before is not None and spent > before[1]:
                self._cost = 100 * (spent - before[1]) / (now - before[0])
        return {} if self._cost is None else {"jepa.telemetry.bpf": self._cost}

    def _keep(self, name: str, unit: str, labels: Mapping[str, str], counts: U64Array) -> None:
        if counts.any():
            self._histograms.append(Histogram(name, unit, labels, tuple(counts.tolist())))


def _quantiles(counts: U64Array, channels: Mapping[str, float], scale: float) -> dict[str, float]:
    """Channels from their share of ``counts``; none when nothing was counted."""
    listed = counts.tolist()
    found = {channel: quantile(listed, share) for channel, share in channels.items()}
    return {channel: scale * value for channel, value in found.items() if value is not None}


def measure_costs(
    states: Callable[[], Iterable[ProgramState]],
    seconds: float,
    sleep: Callable[[float], object] = time.sleep,
) -> list[ProgramState]:
    """What each program cost during ``seconds`` of measuring, which only root may switch on (OSError)."""
    switch = Path("/proc/sys/kernel/bpf_stats_enabled")
    was = switch.read_text()
    switch.write_text("1")
    try:
        before = {(state.object, state.name): state for state in states()}
        sleep(seconds)
        after = list(states())
    finally:
        switch.write_text(was)
    return [_difference(before[(state.object, state.name)], state) for state in after]


def _difference(before: ProgramState, after: ProgramState) -> ProgramState:
    from dataclasses import replace

    return replace(after, runs=after.runs - before.runs, run_ns=after.run_ns - before.run_ns)
