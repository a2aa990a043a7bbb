# SPDX-License-Identifier: Apache-2.0
"""Other programs that tune this machine, found by what runs, with the settings each holds.

Two programs that set the same thing undo each other's work, and a forecast learns the habits of both. So the
guard yields to them, and `jepa doctor` names them. Nothing is asked over the message bus, which would start
what is not running.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

POLICY = "sys/devices/system/cpu/cpufreq/policy0"
SCHED_EXT = "sys/kernel/sched_ext"
KEPT_S = 2.0
"""How long the guard goes by its last look."""
_SYSTEM_USERS = range(1000)


@dataclass(frozen=True, slots=True)
class RunningProcess:
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
    setting: Callable[[Path, RunningProcess], str] = lambda root, process: ""
    """What it has set now, or empty; reads below the root."""
    holds: tuple[str, ...] = ()
    """The settings of the catalogue that it sets, as patterns."""
    kills: bool = False
    """Whether it ends processes by itself, so that no other program should at the same time."""
    by_system: bool = True
    """Whether only the system runs it: a person who calls a process so does not make the guard yield."""

    def is_run_by(self, process: RunningProcess) -> bool:
        """Whether ``process`` is this program."""
        return process.comm == self.name[:15]


@dataclass(frozen=True, slots=True)
class Active:
    """A tuner that is active now."""

    name: str
    sets: str
    setting: str = ""
    """What it has set now; empty where that cannot be told."""


def _command(root: Path, process: RunningProcess) -> str:
    return process.command


def _file(label: str, path: str) -> Callable[[Path, RunningProcess], str]:
    def setting(root: Path, process: RunningProcess) -> str:
        found = _read(root / path)
        return f"{label} {found}" if found else ""

    return setting


def _power_profile(root: Path, process: RunningProcess) -> str:
    profile = _read(root / "sys/firmware/acpi/platform_profile")
    preference = _read(root / POLICY / "energy_performance_preference")
    said = [
        f"platform profile {profile}" if profile else "",
        f"preference {preference}" if preference else "",
    ]
    return ", ".join(filter(None, said))


_POWER = ("cpu.governor", "cpu.epp", "cpu.boost", "platform.profile")
_PROCESS = ("process.nice", "process.io_class", "process.scheduler")
_GOVERNOR = _file("governor", f"{POLICY}/scaling_governor")

TUNERS = (
    Tuner(
        "tuned",
        "kernel parameters, CPU and disk power by a profile",
        _file("profile", "etc/tuned/active_profile"),
        holds=("vm.*", "kernel.*", "net.*", "device.power", *_POWER),
    ),
    Tuner("power-profiles-daemon", "the power profile of CPU and firmware", _power_profile, holds=_POWER),
    Tuner("auto-cpufreq", "CPU frequency governor and turbo", _GOVERNOR, holds=_POWER),
    Tuner("cpufreqd", "CPU frequency governor", _GOVERNOR, holds=_POWER),
    Tuner("system76-power", "the power profile of CPU, disks and GPU", _power_profile, holds=_POWER),
    Tuner("ananicy", "nice values, I/O classes and control groups of processes by rules", holds=_PROCESS),
    Tuner(
        "ananicy-cpp", "nice values, I/O classes and control groups of processes by rules", holds=_PROCESS
    ),
    Tuner(
        "uresourced",
        "CPU, memory and I/O shares of the active user",
        holds=("cpu.weight", "io.weight", "memory.low", "memory.min"),
    ),
    Tuner(
        "gamemoded",
        "governor and priorities while a game runs",
        _GOVERNOR,
        holds=(*_POWER, *_PROCESS),
        by_system=False,
    ),
    Tuner("earlyoom", "kills processes when memory runs out", _command, kills=True),
    Tuner("nohang", "kills processes when memory runs out", _command, kills=True),
    Tuner("oomd", "kills control groups under memory pressure", _command, kills=True),
    Tuner(
        "systemd-oomd",
        "kills control groups under memory pressure or when swap is full",
        kills=True,
    ),
    Tuner("irqbalance", "which CPU serves which interrupt"),
    Tuner("thermald", "power limits of the CPU by temperature"),
    Tuner("thinkfan", "fan speed"),
    Tuner("ksmtuned", "merging of equal memory pages", _file("KSM run", "sys/kernel/mm/ksm/run")),
    Tuner("numad", "which NUMA node processes run on", holds=("cpu.cpus",)),
    Tuner("bpftune", "network parameters of the kernel", holds=("net.*",)),
)
"""Those with a process of their own. Others leave another trace: see `found`."""
HELD_WITHOUT_PROCESS = {
    "TLP": (*_POWER, "vm.dirty*", "device.power"),
    "sched_ext": ("cpu.weight", "cpu.uclamp.*", "process.nice", "process.scheduler"),
}


def found(root: Path = Path("/")) -> list[Active]:
    """Each tuner that is active below ``root``, by name; empty when there is none."""
    active = list(_without_process(root))
    seen: set[str] = set()
    for process in processes(root):
        for tuner in TUNERS:
            if tuner.name not in seen and tuner.is_run_by(process):
                seen.add(tuner.name)
                active.append(Active(tuner.name, tuner.sets, tuner.setting(root, process)))
    return sorted(active, key=lambda each: each.name)


class Tuners:
    """Which tuners run now, for the guard: looked at anew when the last look is older than ``KEPT_S``."""

    def __init__(self, root: Path = Path("/"), monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._monotonic_s = monotonic_s
        self._seen_s = float("-inf")
        self._active: tuple[Tuner, ...] = ()

    def holder(self, setting: str, ignored: tuple[str, ...] = ()) -> str:
        """The name of an active program that holds ``setting``; empty when none does."""
        return self._first(
            lambda tuner: any(fnmatchcase(setting, pattern) for pattern in tuner.holds), ignored
        )

    def killer(self, ignored: tuple[str, ...] = ()) -> str:
        """The name of an active program that ends processes by itself; empty when there is none."""
        return self._first(lambda tuner: tuner.kills, ignored)

    def _first(self, wanted: Callable[[Tuner], bool], ignored: tuple[str, ...]) -> str:
        now_s = self._monotonic_s()
        if now_s - self._seen_s > KEPT_S:
            self._active, self._seen_s = tuple(self._look()), now_s
        for tuner in self._active:
            named = (fnmatchcase(tuner.name.casefold(), each.casefold()) for each in ignored)
            if wanted(tuner) and not any(named):
                return tuner.name
        return ""

    def _look(self) -> Iterator[Tuner]:
        """Goes by names alone, and by who runs it: a person could call any program so."""
        names = {tuner.name[:15]: tuner for tuner in TUNERS if tuner.holds or tuner.kills}
        for folder in (self._root / "proc").glob("[0-9]*"):
            tuner = names.get(_read(folder / "comm"))
            if tuner is not None and (not tuner.by_system or _owner(folder) in _SYSTEM_USERS):
                yield tuner
        for each in _without_process(self._root):
            if (held := HELD_WITHOUT_PROCESS.get(each.name)) is not None:
                yield Tuner(each.name, each.sets, holds=held)


def _owner(folder: Path) -> int:
    try:
        return folder.stat().st_uid
    except OSError:
        return -1


def processes(root: Path) -> Iterator[RunningProcess]:
    """Every process below ``root`` that has not ended yet."""
    for folder in (root / "proc").glob("[0-9]*"):
        # "1 (name, which may hold blanks and brackets) S ..."
        stat = _read(folder / "stat")
        comm, _, rest = stat.partition("(")[2].rpartition(")")
        command = _read(folder / "cmdline").rstrip("\0").split("\0")
        if not comm or rest.split()[:1] in (["Z"], ["X"]) or command == [""]:
            continue  # gone, a zombie, or a thread of the kernel
        command[0] = command[0].rpartition("/")[2]
        yield RunningProcess(comm, " ".join(command))


def _without_process(root: Path) -> Iterator[Active]:
    if _read(root / SCHED_EXT / "state") == "enabled":
        scheduler = _read(root / SCHED_EXT / "root/ops") or "unnamed"
        yield Active("sched_ext", "schedules the CPUs in place of the kernel's own scheduler", scheduler)
    if (root / "run/tlp").is_dir():
        source = {"0": "settings for mains", "1": "settings for battery"}
        yield Active(
            "TLP", "power settings of CPU, disks and buses", source.get(_read(root / "run/tlp/last_pwr"), "")
        )
    devices = [line.split()[0] for line in _read(root / "proc/swaps").splitlines()[1:] if line.split()]
    compressed = [device for device in devices if device.startswith("/dev/zram")]
    if compressed:
        yield Active("zram", "compresses swapped pages in memory", ", ".join(compressed))


def _read(path: Path) -> str:
    """The text of a small file, stripped; empty when it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
