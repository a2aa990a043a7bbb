# SPDX-License-Identifier: Apache-2.0
"""Other programs that tune this machine, found by what runs, with the setting each holds.

For information only: two programs that set the same thing undo each other's work, and a forecast learns the
habits of both. Nothing is asked over the message bus, which would start what is not running.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jepa.service.api import Part

POLICY = "sys/devices/system/cpu/cpufreq/policy0"
SCHED_EXT = "sys/kernel/sched_ext"


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the machine."""

    comm: str
    """Its name, at most 15 bytes."""
    command: str
    """Its command line, the program without its directory."""


@dataclass(frozen=True, slots=True)
class Tuner:
    """A program that sets things at run time."""

    name: str
    sets: str
    """What it sets, or what it does."""
    setting: Callable[[Path, Process], str] = lambda root, process: ""
    """What it has set now, or empty; reads below the root."""
    comm: str = ""
    """The name of its process where that is not its own name."""

    def is_run_by(self, process: Process) -> bool:
        """Whether ``process`` is this program."""
        return process.comm == (self.comm or self.name)[:15]


def _command(root: Path, process: Process) -> str:
    return process.command


def _file(label: str, path: str) -> Callable[[Path, Process], str]:
    def setting(root: Path, process: Process) -> str:
        found = _read(root / path)
        return f"{label} {found}" if found else ""

    return setting


def _power_profile(root: Path, process: Process) -> str:
    profile = _read(root / "sys/firmware/acpi/platform_profile")
    preference = _read(root / POLICY / "energy_performance_preference")
    said = [
        f"platform profile {profile}" if profile else "",
        f"preference {preference}" if preference else "",
    ]
    return ", ".join(filter(None, said))


_GOVERNOR = _file("governor", f"{POLICY}/scaling_governor")

TUNERS = (
    Tuner(
        "tuned",
        "kernel parameters, CPU and disk power by a profile",
        _file("profile", "etc/tuned/active_profile"),
    ),
    Tuner("power-profiles-daemon", "the power profile of CPU and firmware", _power_profile),
    Tuner("auto-cpufreq", "CPU frequency governor and turbo", _GOVERNOR),
    Tuner("cpufreqd", "CPU frequency governor", _GOVERNOR),
    Tuner("system76-power", "the power profile of CPU, disks and GPU", _power_profile),
    Tuner("ananicy", "nice values, I/O classes and control groups of processes by rules"),
    Tuner("ananicy-cpp", "nice values, I/O classes and control groups of processes by rules"),
    Tuner("uresourced", "CPU, memory and I/O shares of the active user"),
    Tuner("gamemoded", "governor and priorities while a game runs", _GOVERNOR),
    Tuner("earlyoom", "kills processes when memory runs out", _command),
    Tuner("nohang", "kills processes when memory runs out", _command),
    Tuner("oomd", "kills control groups under memory pressure", _command),
    Tuner("systemd-oomd", "kills control groups under memory pressure or when swap is full"),
    Tuner("irqbalance", "which CPU serves which interrupt"),
    Tuner("thermald", "power limits of the CPU by temperature"),
    Tuner("thinkfan", "fan speed"),
    Tuner("ksmtuned", "merging of equal memory pages", _file("KSM run", "sys/kernel/mm/ksm/run")),
    Tuner("numad", "which NUMA node processes run on"),
    Tuner("bpftune", "network parameters of the kernel"),
)
"""Those with a process of their own. Others leave another trace: see `found`."""


def found(root: Path = Path("/")) -> list[Part]:
    """A part for each tuner that is active below ``root``, by name; empty when there is none."""
    parts = list(_without_process(root))
    seen: set[str] = set()
    for process in processes(root):
        for tuner in TUNERS:
            if tuner.name not in seen and tuner.is_run_by(process):
                seen.add(tuner.name)
                parts.append(_part(tuner.name, tuner.sets, tuner.setting(root, process)))
    return sorted(parts, key=lambda part: part.name)


def processes(root: Path) -> Iterator[Process]:
    """Every process below ``root`` that has not ended yet."""
    for folder in (root / "proc").glob("[0-9]*"):
        # "1 (name, which may hold blanks and brackets) S ..."
        stat = _read(folder / "stat")
        comm, _, rest = stat.partition("(")[2].rpartition(")")
        command = _read(folder / "cmdline").rstrip("\0").split("\0")
        if not comm or rest.split()[:1] in (["Z"], ["X"]) or command == [""]:
            continue  # gone, a zombie, or a thread of the kernel
        command[0] = command[0].rpartition("/")[2]
        yield Process(comm, " ".join(command))


def _without_process(root: Path) -> Iterator[Part]:
    if _read(root / SCHED_EXT / "state") == "enabled":
        scheduler = _read(root / SCHED_EXT / "root/ops") or "unnamed"
        yield _part("sched_ext", "schedules the CPUs in place of the kernel's own scheduler", scheduler)
    if (root / "run/tlp").is_dir():
        source = {"0": "settings for mains", "1": "settings for battery"}
        yield _part(
            "TLP", "power settings of CPU, disks and buses", source.get(_read(root / "run/tlp/last_pwr"), "")
        )
    devices = [line.split()[0] for line in _read(root / "proc/swaps").splitlines()[1:] if line.split()]
    compressed = [device for device in devices if device.startswith("/dev/zram")]
    if compressed:
        yield _part("zram", "compresses swapped pages in memory", ", ".join(compressed))


def _part(name: str, sets: str, setting: str) -> Part:
    return Part(
        name=f"tuner {name}", state="ok", reason=f"Active: {sets}{f' ({setting})' if setting else ''}."
    )


def _read(path: Path) -> str:
    """The text of a small file, stripped; empty when it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
