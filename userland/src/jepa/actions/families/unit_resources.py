# SPDX-License-Identifier: Apache-2.0
"""Resources of a unit that systemd sets: shares and limits of CPU, memory, I/O and tasks.

Runtime properties: systemd keeps them in /run, so a reboot undoes them. See systemd.resource-control(5).
"""

import contextlib
import mmap
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jepa.actions import disks, kernel_file, units
from jepa.actions.catalogue import ActionType, Value
from jepa.actions.family import Host, Resource
from jepa.actions.service_manager import UNSET, Unit, Variant
from jepa.errors import JepaError

_DROP_INS: Final = "run/systemd/system.control"
_NOTE: Final = "# set by jepa-actuator; without this file it was: "
"""In a drop-in that was not there before. Whoever else sets the property has systemd write it without."""
_WORDS: Final = {"max": "max", "none": "0"}
_WRITTEN: Final = frozenset(
    {"memory.min", "memory.low", "memory.high", "memory.max", "memory.swap.max", "pids.max"}
)
"""Settings whose file in the control group has the catalogue's own unit."""
_SECOND_US: Final = 1_000_000
_MOST_CPUS: Final = 8192
"""CONFIG_NR_CPUS of the largest machines."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property of systemd that holds one setting."""

    name: str
    signature: str
    encode: Callable[[Value], Any]
    decode: Callable[[Any], Value]
    controller: str
    """The controller of the kernel that does it."""


def _limit(name: str, controller: str, unset: str) -> Property:
    """A number, or ``unset`` where there is none."""
    return Property(
        name,
        "t",
        lambda value: UNSET if value == unset else int(str(value)),
        lambda raw: unset if raw == UNSET else int(raw),
        controller,
    )


def _encode_weight(value: Value) -> int:
    return UNSET if value == "default" else 0 if value == "idle" else int(str(value))


def _decode_weight(raw: int) -> Value:
    return "default" if raw == UNSET else "idle" if raw == 0 else int(raw)


def _encode_quota(value: Value) -> int:
    return UNSET if value == "max" else round(float(str(value)) * _SECOND_US / 100)


def _decode_quota(raw: int) -> Value:
    if raw == UNSET:
        return "max"
    percent = raw * 100 / _SECOND_US
    return int(percent) if percent == int(percent) else percent


def encode_cpus(value: Value) -> bytes:
    """``0-1,3`` as systemd's bitmap, lowest CPU first; ``all`` is empty. ValueError for what is no list."""
    if value == "all":
        return b""
    mask = 0
    for part in str(value).split(","):
        first, dash, last = part.partition("-")
        lowest, highest = int(first), int(last if dash else first)
        if not 0 <= lowest <= highest < _MOST_CPUS:
            raise ValueError(part)
        for cpu in range(lowest, highest + 1):
            mask |= 1 << cpu
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def decode_cpus(raw: bytes) -> str:
    """The bitmap as ``0-1,3``."""
    mask = int.from_bytes(bytes(raw), "little")
    cpus = [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1]
    parts: list[str] = []
    start = previous = None
    for cpu in [*cpus, None]:
        if previous is not None and (cpu is None or cpu != previous + 1):
            parts.append(f"{start}" if start == previous else f"{start}-{previous}")
            start = cpu
        elif start is None:
            start = cpu
        previous = cpu
    return ",".join(parts) or "all"


def _encode_rates(value: Value) -> list[tuple[str, int]]:
    if value == "max":
        return []
    return [
        (f"/dev/{disk}", int(rate)) for disk, _, rate in (part.partition(":") for part in str(value).split())
    ]


def _decode_rates(raw: list[tuple[str, int]]) -> Value:
    found = sorted((path.removeprefix("/dev/"), int(rate)) for path, rate in raw if int(rate) != UNSET)
    return " ".join(f"{disk}:{rate}" for disk, rate in found) or "max"


def _rates(name: str) -> Property:
    return Property(name, "a(st)", _encode_rates, _decode_rates, "io")


PROPERTIES: Final = {
    "cpu.weight": Property("CPUWeight", "t", _encode_weight, _decode_weight, "cpu"),
    "cpu.max": Property("CPUQuotaPerSecUSec", "t", _encode_quota, _decode_quota, "cpu"),
    "cpu.cpus": Property("AllowedCPUs", "ay", encode_cpus, decode_cpus, "cpuset"),
    "memory.min": _limit("MemoryMin", "memory", "none"),
    "memory.low": _limit("MemoryLow", "memory", "none"),
    "memory.high": _limit("MemoryHigh", "memory", "max"),
    "memory.max": _limit("MemoryMax", "memory", "max"),
    "memory.swap.max": _limit("MemorySwapMax", "memory", "max"),
    "io.weight": Property("IOWeight", "t", _encode_weight, _decode_weight, "io"),
    "io.rbps": _rates("IOReadBandwidthMax"),
    "io.wbps": _rates("IOWriteBandwidthMax"),
    "io.riops": _rates("IOReadIOPSMax"),
    "io.wiops": _rates("IOWriteIOPSMax"),
    "pids.max": _limit("TasksMax", "pids", "max"),
}
"""By setting. One that is not set reads as the word that the catalogue has for it."""


def properties(setting: str, value: Value) -> Mapping[str, Variant]:
    """``value``, as `check` gives it, as the property with which a transient unit is started."""
    found = PROPERTIES[setting]
    return {found.name: (found.signature, found.encode(value))}


class UnitResources:
    """A ``Family``, ``Lingers``: an action's setting is the name in the kernel, such as ``cpu.max``."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """systemd, and the controller in the kernel."""
        if (why := units.needs_systemd(host)) is not None:
            return why
        controller = PROPERTIES[action.setting].controller
        if (there := units.controllers(host)) is None:
            return units.NO_GROUPS
        return None if controller in there else f"This kernel has no {controller} controller."

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """The unit's own property, which holds over restarts of the unit: it needs no other identity."""
        unit = units.find(host, target)
        if not _interface(unit):
            raise JepaError(
                f"{unit.id} has no processes of its own.", "Name a service, scope or slice.", status=422
            )
        return units.resource(unit, action)

    def read(self, host: Host, resource: Resource) -> Value:
        """What systemd has, which is what it enforces on units that are not frozen.

        Of one that runs without its file systemd forgets what was set when it reads its files anew, and the
        kernel does not: there it is what the kernel has.
        """
        found, unit = PROPERTIES[resource.setting], units.same(host, resource)
        if unit.load_state != "loaded" and _file(host, unit, resource).is_file():
            return _kernel_value(host, unit, resource)
        raw = host.manager.get(resource.name, _interface(unit), found.name)
        if found.name in ("MemoryMin", "MemoryLow") and raw == 0:
            return "none"
        return found.decode(raw)

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """Rates of all disks that hold file systems where none is named; CPUs that there are."""
        if host.manager.available:  # of a scope that is not made yet nothing can be asked
            _refuse_unheard(units.same(host, resource), resource, value)
        match resource.setting:
            case "io.rbps" | "io.wbps" | "io.riops" | "io.wiops":
                return _check_rates(host, value)
            case "cpu.cpus":
                return _check_cpus(host, value)
            case "memory.min" | "memory.low" if value == 0:
                return "none"
            case setting if setting.startswith("memory.") and isinstance(value, int):
                return value - value % mmap.PAGESIZE  # as the kernel keeps it
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """One call; a list is emptied first in it, since systemd adds to what there is.

        Of a unit that is frozen, or runs without its file, systemd only notes it, even when thawed: the
        kernel is told here then.
        """
        unit = units.same(host, resource)
        _refuse_unheard(unit, resource, value)
        found = PROPERTIES[resource.setting]
        drop_in = _drop_in(host, resource)
        usual = _noted(drop_in) if drop_in.exists() else str(self.read(host, resource))
        assignments = [(found.name, (found.signature, found.encode(value)))]
        if found.signature == "a(st)" and value != "max":
            assignments.insert(0, (found.name, (found.signature, [])))
        host.manager.set_properties(resource.name, assignments)
        if usual is not None:
            _note(drop_in, usual)
        text, file = _kernel_text(resource.setting, value), _file(host, unit, resource)
        unheard = _is_frozen(unit) or unit.load_state != "loaded"
        if unheard and text is not None and unit.cgroup and file.exists():
            name = f"{resource.setting} of {resource.name}"
            # Else a lower limit would have the kernel reclaim all that is above it before the write returns.
            kernel_file.write(file, text, name, flags=os.O_NONBLOCK)

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """Read it back, from systemd and from the kernel where both say it alike."""
        found = self.read(host, resource)
        if found == value:
            found = _in_kernel(host, resource, value)
        elif units.same(host, resource).load_state != "loaded":
            text = _kernel_text(resource.setting, value)  # "default" and 100 are the same there
            found = value if text is not None and text == _kernel_text(resource.setting, found) else found
        if found != value:
            raise JepaError(
                f"{resource.setting} of {resource.name} is {found}, not {value} as set.", "Nothing was kept."
            )

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """Put back what it was; where our drop-in alone set it, the drop-in goes as well."""
        self.apply(host, resource, old)
        drop_in = _drop_in(host, resource)
        if old in ("max", "default", "none", "all") or _noted(drop_in) == str(old):
            _remove(drop_in)

    def forget(self, host: Host, resource: Resource) -> None:
        """A drop-in that is there for our sake alone would be that of a unit made anew under the name."""
        drop_in = _drop_in(host, resource)
        if _noted(drop_in) is not None:
            _remove(drop_in)


def _remove(drop_in: Path) -> None:
    with contextlib.suppress(OSError):
        drop_in.unlink()
        drop_in.parent.rmdir()


def _is_frozen(unit: Unit) -> bool:
    return unit.freezer_state not in ("", "running")


def _refuse_unheard(unit: Unit, resource: Resource, value: Value) -> None:
    """JepaError where systemd would only note it, and the kernel takes it in another form."""
    if _is_frozen(unit) and resource.setting not in _WRITTEN:
        raise JepaError(
            f"{resource.name} is frozen: {resource.setting} cannot be set meanwhile.", "Thaw it.", status=409
        )
    if unit.load_state != "loaded" and _kernel_text(resource.setting, value) is None:
        raise _without_file(resource)


def _without_file(resource: Resource) -> JepaError:
    return JepaError(
        f"{resource.name} runs, but its file is masked or gone: systemd applies no {resource.setting}.",
        "`systemctl unmask` it, or bring its file back, first.",
        status=423,
    )


def _kernel_text(setting: str, value: Value) -> str | None:
    """What the control group's file takes for ``value``; None where it takes another form."""
    if setting in _WRITTEN:
        return _WORDS.get(str(value), str(value))
    if setting == "cpu.weight" and value != "idle":
        return "100" if value == "default" else str(value)
    return None


def _kernel_value(host: Host, unit: Unit, resource: Resource) -> Value:
    """What the control group's file has. JepaError (423) where it has another form than the catalogue."""
    setting = resource.setting
    if setting not in _WRITTEN and setting != "cpu.weight":
        raise _without_file(resource)
    file = _file(host, unit, resource)
    text = kernel_file.read(file, f"{setting} of {resource.name}")
    if setting != "cpu.weight":
        value = PROPERTIES[setting].decode(UNSET if text == "max" else int(text))
        return "none" if value == 0 and setting in ("memory.min", "memory.low") else value
    idle = file.with_name("cpu.idle")  # since Linux 5.15
    if idle.exists() and kernel_file.read(idle, f"cpu.idle of {resource.name}") == "1":
        return "idle"
    return "default" if text == "100" else int(text)


def _file(host: Host, unit: Unit, resource: Resource) -> Path:
    return host.root / "sys/fs/cgroup" / unit.cgroup.lstrip("/") / resource.setting


def _in_kernel(host: Host, resource: Resource, value: Value) -> Value:
    """What the kernel has, where it can be compared with ``value``; it rounds sizes down to whole pages."""
    unit = units.same(host, resource)
    if resource.setting not in _WRITTEN or not unit.cgroup:
        return value
    try:
        text = _file(host, unit, resource).read_text().strip()
    except OSError:
        return value  # it has ended, or its parent does without the controller
    wanted = _WORDS.get(str(value), str(value))
    if text == wanted or (
        text != "max" and wanted != "max" and 0 <= int(wanted) - int(text) < mmap.PAGESIZE
    ):
        return value
    return text


def _drop_in(host: Host, resource: Resource) -> Path:
    """Where systemd keeps the property; of a transient unit it is elsewhere, and goes with the unit."""
    name = PROPERTIES[resource.setting].name.replace("PerSecUSec", "")
    return host.root / _DROP_INS / f"{resource.name}.d" / f"50-{name}.conf"


def _noted(drop_in: Path) -> str | None:
    """The value without the drop-in, where it is there for our sake alone."""
    try:
        lines = drop_in.read_text().splitlines()
    except OSError:
        return None
    return next((line.removeprefix(_NOTE) for line in lines if line.startswith(_NOTE)), None)


def _note(drop_in: Path, usual: str) -> None:
    with contextlib.suppress(OSError):  # without it the drop-in stays when the value is put back, no more
        descriptor = os.open(drop_in, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)  # never makes one
        try:
            os.write(descriptor, f"{_NOTE}{usual}\n".encode())
        finally:
            os.close(descriptor)


def _interface(unit: Unit) -> str:
    return {"service": "Service", "scope": "Scope", "slice": "Slice"}.get(unit.id.rpartition(".")[2], "")


def _check_rates(host: Host, value: Value) -> Value:
    if value == "max":
        return value
    disk, colon, rate = str(value).rpartition(":")
    there = disks.with_file_systems(host.root)
    if not colon:
        if not there:
            raise JepaError("No disk here holds a file system.", "Name one, such as vda:10M.", status=422)
        return " ".join(f"{each}:{rate}" for each in sorted(there))
    if not (host.root / "sys/block" / disk).exists():
        raise JepaError(
            f"There is no disk {disk!r}.",
            f"Those here are {', '.join(sorted(there)) or 'none'}.",
            status=422,
        )
    return "max" if rate == "max" else f"{disk}:{rate}"


def _check_cpus(host: Host, value: Value) -> Value:
    try:
        asked = encode_cpus(value)
    except ValueError as error:
        raise JepaError(f"{value!r} is no list of CPUs.", "Write it as 0-1,3.", status=422) from error
    there = encode_cpus(kernel_file.read(host.root / "sys/devices/system/cpu/online", "the list of CPUs"))
    if int.from_bytes(asked, "little") & ~int.from_bytes(there, "little"):
        raise JepaError(
            f"Not all of the CPUs {value} are here.", f"Here are {decode_cpus(there)}.", status=422
        )
    return decode_cpus(asked)
