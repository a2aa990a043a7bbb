# SPDX-License-Identifier: Apache-2.0
"""Runs inside the machine: one branch, in which one rival looks after the programs; then it stops it.

`python3 control_guest.py RIVAL FOLDER`, as root. FOLDER holds ``order.json`` and the programs' logs, and
gets ``result.json``. Nobody asks the machine anything meanwhile; it stops itself by its pvpanic device.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

GROUPS = Path("/sys/fs/cgroup")
BACKGROUND = GROUPS / "background.slice"
FOREGROUND = GROUPS / "user.slice"
OWN_GROUP = GROUPS / "jepa.slice"
FILES = ("cpu.weight", "cpu.idle", "cpu.max", "cgroup.freeze", "io.weight", "memory.high")
"""Of each role's group: what is looked at every second, and has to be in the end as it was."""
COSTS = {
    "jepad": "jepa.slice/jepad.service",
    "telemetry": "jepa.slice/jepa-telemetry.service",
    "actuator": "safety.slice/jepa-actuator.service",
    "rival": "system.slice/control-branch.service",
    "foreground": "user.slice",
    "background": "background.slice",
}
OURS = "jepad.service jepa-telemetry.service jepa-actuator.service jepa-actuator.socket"
"""Stopped where a planner is not what is measured: what it costs is part of the comparison."""
now = time.monotonic
Setting = Mapping[str, str]

FIXED: dict[str, Setting] = {
    "defaults": {},
    "polite": {"cpu.idle": "1", "io.weight": "default 1", "memory.high": "512M"},
    "idle": {"cpu.idle": "1"},
    "weight_20": {"cpu.weight": "20", "io.weight": "default 20"},
    "weight_1": {"cpu.weight": "1", "io.weight": "default 1"},
    "quota_50": {"cpu.max": "50000 100000"},
    "quota_20": {"cpu.max": "20000 100000"},
    "freeze": {"cgroup.freeze": "1"},
}
USUAL: Setting = {
    "cgroup.freeze": "0",
    "cpu.idle": "0",
    "cpu.weight": "100",
    "cpu.max": "max 100000",
    "io.weight": "default 100",
    "memory.high": "max",
}
LADDER: tuple[Setting, ...] = (
    {"cpu.idle": "0", "cpu.weight": "100"},
    {"cpu.idle": "0", "cpu.weight": "20"},
    {"cpu.idle": "0", "cpu.weight": "3"},
    {"cpu.idle": "1"},
)
"""The steps of rules that react."""


def write(setting: Setting, group: Path = BACKGROUND) -> None:
    for name, value in setting.items():
        with contextlib.suppress(OSError):  # a weight cannot be written while the group is idle
            (group / name).write_text(value)


def read(name: str, group: Path = BACKGROUND) -> str:
    try:
        return (group / name).read_text().strip()
    except OSError:
        return ""


def settings() -> dict[str, str]:
    """What is set on both roles."""
    return {
        f"{group.name} {name}": read(name, group) for group in (FOREGROUND, BACKGROUND) for name in FILES
    }


def cpu_s(group: str) -> float:
    """Seconds of CPU that a group has used."""
    for line in read("cpu.stat", GROUPS / group).splitlines():
        if line.startswith("usage_usec"):
            return int(line.split()[1]) / 1e6
    return 0.0


class Rule(threading.Thread):
    """A rule that reacts: every ``every_s`` it takes a step up or down the ladder."""

    def __init__(self, every_s: float, wanted: Callable[[int], int]) -> None:
        super().__init__(daemon=True)
        self._every_s, self._wanted = every_s, wanted
        self._ended = threading.Event()

    def run(self) -> None:
        step = 0
        while not self._ended.wait(self._every_s):
            wanted = min(len(LADDER) - 1, max(0, self._wanted(step)))
            if wanted != step:
                write(LADDER[wanted])
                step = wanted

    def end(self) -> None:
        self._ended.set()
        self.join()


def psi() -> Callable[[int], int]:
    """Stricter at once when the foreground waits for more than a tenth of the time, looser after 10 s of
    less than a fiftieth."""
    state = {"total": _stalled_us(FOREGROUND / "cpu.pressure"), "at": now(), "calm": now()}

    def wanted(step: int) -> int:
        total, at = _stalled_us(FOREGROUND / "cpu.pressure"), now()
        share = (total - state["total"]) / 1e6 / (at - state["at"])
        state.update(total=total, at=at)
        if share > 0.02:
            state["calm"] = at
        if share > 0.10:
            return step + 1
        if at - state["calm"] > 10:
            state["calm"] = at
            return step - 1
        return step

    return wanted


def _stalled_us(file: Path) -> float:
    with contextlib.suppress(OSError):
        return float(file.read_text().split("total=")[1].split()[0])
    return 0.0


def reactive(folder: Path, phase: Callable[[], Mapping[str, Any]]) -> Callable[[int], int]:
    """The strictest at once when an operation of the last 2 s took more than its target, one step looser
    after 8 s in which none did. It is told the target of each load, a tenth more than it takes alone."""
    targets = json.loads((folder / "targets.json").read_text())
    log = folder / "foreground.log"
    state = {"calm": now()}

    def wanted(step: int) -> int:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 1500))
            lines = file.read().split(b"\n")[1:-1]
        recent = [float(each.split()[1]) for each in lines if float(each.split()[0]) > now() - 2]
        target = targets.get(phase()["foreground"])
        if recent and target is not None and max(recent) > target:
            state["calm"] = now()
            return len(LADDER) - 1
        if now() - state["calm"] > 8:
            state["calm"] = now()
            return step - 1
        return step

    return wanted


class Senpai(threading.Thread):
    """Takes memory from the background until a thousandth of its time is spent waiting for it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()

    def run(self) -> None:
        every_s, target_us = 6.0, 6000.0
        limit, before = float(read("memory.current") or 0), _stalled_us(BACKGROUND / "memory.pressure")
        while not self._ended.wait(every_s):
            stalled = _stalled_us(BACKGROUND / "memory.pressure")
            error, before = (stalled - before) / target_us, stalled
            current = float(read("memory.current") or 0)
            if error > 1:
                limit = max(limit, current) * (1 + min(1.0, (error - 1) / 20))
            else:
                limit = max(100 << 20, min(limit, current) * (1 - 0.01 * (1 - error)))
            write({"memory.high": str(int(limit))})

    def end(self) -> None:
        self._ended.set()
        self.join()


def nice(level: int, best_effort: str) -> None:
    """Renice every process of the background."""
    for group in (BACKGROUND, *BACKGROUND.glob("*.service")):
        for pid in read("cgroup.procs", group).split():
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(pid), level)
            subprocess.run(["ionice", *best_effort.split(), "-p", pid], check=False)


def sysctl(values: Mapping[str, str]) -> dict[str, str]:
    """Set kernel parameters that there are; returns what they were."""
    before = {}
    for name, value in values.items():
        file = Path("/proc/sys") / name.replace(".", "/")
        with contextlib.suppress(OSError):
            before[name] = file.read_text().strip()
            file.write_text(value)
    return before


def planner(folder: Path, ablation: str) -> Callable[[], dict[str, Any]]:
    """A standing task that prefers the foreground; returns what ends it, and tells of it then."""
    (folder / "ablation").write_text(ablation)
    spec = folder / "spec.json"
    spec.write_text(json.dumps({"intent": "prioritize", "targets": ["foreground"]}))
    made: dict[str, Any] = {}

    def begin() -> None:
        for _ in range(8):  # the model may be surprised just then
            done = subprocess.run(
                ["jepa", "do", "--spec", str(spec), "--yes", "--json"], capture_output=True, text=True
            )
            made.setdefault("said", []).append(done.stdout[-4000:] + done.stderr[-1000:])
            with contextlib.suppress(ValueError):
                made["task"] = json.loads(done.stdout)["task"]["id"]
                return
            time.sleep(3)

    starting = threading.Thread(target=begin, daemon=True)
    starting.start()

    def end() -> dict[str, Any]:
        starting.join()
        if "task" in made:
            before = _json("jepa", "tasks", made["task"], "--json")
            subprocess.run(["jepa", "tasks", "end", made["task"]], capture_output=True)
            made["detail"] = before
            made["after"] = _json("jepa", "tasks", made["task"], "--json")
        return made

    return end


def _json(*command: str) -> Any:
    done = subprocess.run(command, capture_output=True, text=True)
    with contextlib.suppress(ValueError):
        return json.loads(done.stdout)
    return done.stdout + done.stderr


def look_after(rival: str, folder: Path, phase: Callable[[], Mapping[str, Any]]) -> Callable[[], Any]:
    """Let ``rival`` look after the machine from now on; returns what ends and undoes it."""
    if rival in ("planner", "persistence", "kernel_rules"):
        return planner(folder, rival)
    if rival == "watched":
        write(FIXED["idle"])
        return lambda: write(USUAL)
    subprocess.run(["systemctl", "stop", *OURS.split()], check=False)
    if rival == "solo":
        subprocess.run(["systemctl", "stop", "lab-background.service"], check=False)
        return lambda: None
    if rival == "tuned":
        before = sysctl(json.loads((folder / "tuned.json").read_text()))
        return lambda: sysctl(before) and None
    if rival == "nice":
        nice(19, "-c 3")
        return lambda: nice(0, "-c 2 -n 4")
    if rival in FIXED:
        write(FIXED[rival])
        return lambda: write(USUAL) if FIXED[rival] else None
    ruling: Rule | Senpai = (
        Senpai() if rival == "senpai" else Rule(1.0, psi() if rival == "psi" else reactive(folder, phase))
    )
    ruling.start()

    def end() -> None:
        ruling.end()
        write(USUAL)

    return end


def rows(file: Path) -> list[list[str]]:
    with contextlib.suppress(OSError):
        return [line.split() for line in file.read_text().splitlines()]
    return []


def main() -> None:
    rival, folder = sys.argv[1], Path(sys.argv[2])
    order = json.loads((folder / "order.json").read_text())
    phases = order["phases"]
    begin = now() + order["lead_s"]
    (folder / "begin.new").write_text(str(begin))
    (folder / "begin.new").rename(folder / "begin")

    def phase() -> Mapping[str, Any]:
        return next((each for each in phases if now() - begin < each["end_s"]), phases[-1])

    before = settings()
    end = look_after(rival, folder, phase)
    told: dict[str, Any] = {"rival": rival, "before": before, "settings": [], "own_weights": []}
    told |= {"task": None, "over_s": 0.0}
    last, costs, ended = before, {}, False
    while now() < begin + phases[-1]["end_s"]:
        at = now() - begin
        if at >= 0 and not costs:
            costs = {name: cpu_s(group) for name, group in COSTS.items()}
        if at >= phases[-1]["begin_s"] and not ended:
            told["cpu_s"] = {name: cpu_s(COSTS[name]) - used for name, used in costs.items()}
            told["task"], ended = end(), True
            told["over_s"], told["after"] = now() - begin, settings()
        current = settings()
        own = read("cpu.weight", OWN_GROUP)
        if not told["own_weights"] or told["own_weights"][-1][1] != own:
            told["own_weights"].append([round(at, 2), own])
        if current != last:
            changed = {name: value for name, value in current.items() if value != last[name]}
            told["settings"].append([round(at, 2), changed])
            last = current
        time.sleep(1.0 - (now() - begin) % 1.0)
    told["foreground"] = [
        [round(float(due) - begin, 4), float(took)] for due, took in rows(folder / "foreground.log")
    ]
    told["background"] = [
        [round(float(since) - begin, 3), round(float(until) - begin, 3), kind, float(done)]
        for file in sorted(folder.glob("background.[0-9]"))
        for since, until, kind, done in (each for each in rows(file) if len(each) == 4)
    ]
    if told["task"]:
        told["history"] = _json("jepa", "history", "--json")
    (folder / "result.json").write_text(json.dumps(told))
    stop_machine()


def stop_machine() -> None:
    """Stop the machine at this instruction; what comes next happens once it is resumed."""
    with Path("/dev/port").open("r+b", buffering=0) as ports:
        os.pwrite(ports.fileno(), b"\x01", 0x505)


if __name__ == "__main__":
    main()
