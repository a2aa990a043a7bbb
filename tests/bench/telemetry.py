# SPDX-License-Identifier: Apache-2.0
"""What the whole collector costs on a loaded machine, beside bpftrace doing the same job and psutil alone.

The three take turns under one load that never stops: two busy loops, processes, files and connections. A
process's cost is its CPU time from /proc/PID/schedstat; that of programs in the kernel is what the kernel
measures itself (kernel.bpf_stats_enabled), its own 20 ns a run included. Needs root.

Usage: python -m tests.bench.telemetry [OUT] [SECONDS]: of each turn, of which each has three.
"""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jepa.telemetry.roles import Roles
from jepa.telemetry.sources.kernel import KernelSource, default_programs, measure_costs

TURNS = 3
CPU_BUDGET, RSS_BUDGET, MAPS_BUDGET = 1.0, 64.0, 8.0
"""Percent of one core, MiB, MiB: the targets."""
LOAD = (
    "while :; do :; done",
    "while :; do :; done",
    "while :; do for i in 1 2 3 4 5 6 7 8; do /bin/true; done; sleep 0.02; done",
    "while :; do dd if=/dev/zero of=$TMP/load bs=64k count=64 oflag=dsync 2>/dev/null; sleep 0.2; done",
)
COLLECTOR = "import sys; from jepa.telemetry.collector.daemon import main; sys.exit(main(sys.argv[1:]))"
PSUTIL = """
import psutil, time
while True:
    psutil.cpu_times(); psutil.virtual_memory(); psutil.swap_memory(); psutil.disk_io_counters(perdisk=True)
    psutil.net_io_counters(pernic=True); psutil.cpu_stats(); psutil.getloadavg(); psutil.disk_usage("/")
    len(psutil.pids())
    time.sleep(1)
"""
BPFTRACE = r"""
tracepoint:sched:sched_wakeup, tracepoint:sched:sched_wakeup_new { @queued[args->pid] = nsecs; }
tracepoint:sched:sched_switch {
    @switches = count();
    if (args->prev_state == 0) { @queued[args->prev_pid] = nsecs; }
    if (args->prev_state == 2) { @blocked[args->prev_pid] = nsecs; }
    $at = @queued[args->next_pid];
    if ($at) { @wait_us = hist((nsecs - $at) / 1000); delete(@queued[args->next_pid]); }
    $since = @blocked[args->next_pid];
    if ($since) { @blocked_ns = sum(nsecs - $since); delete(@blocked[args->next_pid]); }
}
tracepoint:sched:sched_migrate_task { @migrations = count(); }
tracepoint:sched:sched_process_fork { @forks = count(); }
tracepoint:sched:sched_process_exec { @execs = count(); }
tracepoint:sched:sched_process_exit { @exits = count(); }
tracepoint:block:block_rq_issue {
    @issued[args->dev, args->sector] = nsecs; @size = hist(args->bytes / 1024);
}
tracepoint:block:block_rq_complete {
    $from = @issued[args->dev, args->sector];
    if ($from) { @io_us = hist((nsecs - $from) / 1000); delete(@issued[args->dev, args->sector]); }
}
tracepoint:irq:softirq_entry { @entered[cpu] = nsecs; }
tracepoint:irq:softirq_exit { @softirq_ns[args->vec] = sum(nsecs - @entered[cpu]); }
tracepoint:irq:irq_handler_entry { @irq_entered[cpu] = nsecs; }
tracepoint:irq:irq_handler_exit { @irq_ns = sum(nsecs - @irq_entered[cpu]); }
tracepoint:vmscan:mm_vmscan_direct_reclaim_begin { @reclaim[tid] = nsecs; }
tracepoint:vmscan:mm_vmscan_direct_reclaim_end {
    @reclaim_ns = sum(nsecs - @reclaim[tid]); delete(@reclaim[tid]);
}
tracepoint:sock:inet_sock_set_state { @states[args->newstate] = count(); }
tracepoint:tcp:tcp_retransmit_skb { @retransmits = count(); }
interval:s:1 {
    print(@wait_us); print(@io_us); print(@size); print(@switches); print(@softirq_ns); print(@irq_ns);
    clear(@wait_us); clear(@io_us); clear(@size);
}
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one contender cost in one turn, in percent of one core and MiB."""

    process: float
    kernel: float
    rss_mib: float

    @property
    def whole(self) -> float:
        """Both together."""
        return self.process + self.kernel


def main(out: Path, seconds: float) -> None:
    """Measure and write ``out``."""
    if os.geteuid() != 0:
        raise SystemExit("This benchmark loads BPF programs: run it as root.")
    programs = default_programs()
    if not list(programs.glob("*.bpf.o")):
        raise SystemExit(f"There are no BPF programs in {programs}. Run make bpf.")
    with tempfile.TemporaryDirectory() as folder, load(Path(folder)), stats():
        contenders = {
            "collector": [sys.executable, "-c", COLLECTOR, "--socket", f"{folder}/telemetry.sock"],
            "psutil": [sys.executable, "-c", PSUTIL],
        }
        if tool := shutil.which("bpftrace"):
            contenders["bpftrace"] = [tool, "-e", BPFTRACE]
        turns: dict[str, list[Turn]] = {name: [] for name in contenders}
        for number in range(TURNS):
            for name, command in contenders.items():
                print(f"turn {number + 1} of {TURNS}: {name}", flush=True)
                turns[name].append(turn(command, seconds, Path(folder)))
        source = KernelSource(Path("/"), Roles(Path("/")), programs)
        try:
            hooks = measure_costs(source.programs, seconds)
            maps = source.maps_mib()
        finally:
            source.close()
    setup = f"{os.cpu_count()} busy CPUs, kernel {os.uname().release}"
    entries = [
        entry("collector_cpu_percent_of_core", "%", [each.whole for each in turns["collector"]], CPU_BUDGET),
        entry("collector_process_cpu_percent", "%", [each.process for each in turns["collector"]], None),
        entry("collector_programs_cpu_percent", "%", [each.kernel for each in turns["collector"]], None),
        entry("collector_rss_mib", "MiB", [each.rss_mib for each in turns["collector"]], RSS_BUDGET),
        entry("bpf_maps_mib", "MiB", [maps], MAPS_BUDGET),
    ]
    for name in ("psutil", "bpftrace"):
        if name in turns:
            entries += [
                entry(f"{name}_cpu_percent_of_core", "%", [each.whole for each in turns[name]], None),
                entry(f"{name}_rss_mib", "MiB", [each.rss_mib for each in turns[name]], None),
            ]
    for state in hooks:
        if state.ns_per_run is not None:
            each = entry(f"hook_{state.object}_{state.name}_ns", "ns", [state.ns_per_run], None)
            entries.append(each | {"n": state.runs, "setup": f"{state.hook}, {setup}"})
    entries = [{"setup": setup, **each} for each in entries]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    for each in entries:
        print(f"{each['name']:44}{each['value']:>10} {each['unit']}")
    if "bpftrace" not in turns:
        print("bpftrace is not installed here, so it was not measured")


def entry(name: str, unit: str, values: list[float], budget: float | None) -> dict[str, object]:
    """One benchmark: the median of the turns."""
    value = round(statistics.median(values), 3)
    several = len(values) > 1
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "better": "lower",
        "n": len(values),
        "p50": value if several else None,
        "p99": round(max(values), 3) if several else None,
        "baseline": {"name": "budget", "value": budget} if budget is not None else None,
        "ratio": round(value / budget, 3) if budget is not None else None,
    }


def turn(command: list[str], seconds: float, folder: Path) -> Turn:
    """Run ``command``, let it settle, and measure it for ``seconds``."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            time.sleep(6)
            reader = listen(folder / "telemetry.sock")
            before, kernel_before, start = spent(process.pid), in_kernel(process.pid), time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - start
            used, kernel = spent(process.pid) - before, in_kernel(process.pid) - kernel_before
            rss = resident(process.pid)
            if reader is not None:
                reader.kill()
                reader.wait()
        finally:
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended: {(folder / 'log').read_text()[-500:]}")
            process.terminate()
            process.wait()
    return Turn(100 * used / took, 100 * kernel / took, rss)


def listen(path: Path) -> "subprocess.Popen[bytes] | None":
    """Somebody who reads the collector, as jepad does; None for a contender without a socket."""
    if not path.exists():
        return None
    program = (
        "import socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "s.connect(sys.argv[1])\nwhile s.recv(1 << 18): pass"
    )
    return subprocess.Popen([sys.executable, "-c", program, str(path)])


def spent(pid: int) -> float:
    """Seconds of CPU that all threads of ``pid`` have used."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def in_kernel(pid: int) -> float:
    """Seconds that the programs ``pid`` holds have run, as far as it was measured."""
    total = 0
    seen: set[bytes] = set()
    for file in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            fields = dict(line.split(b":\t", 1) for line in file.read_bytes().splitlines() if b":\t" in line)
            # A link shows its program's number too, but not its time.
            if b"run_time_ns" in fields and fields[b"prog_id"] not in seen:
                seen.add(fields[b"prog_id"])
                total += int(fields[b"run_time_ns"])
    return total / 1e9


def resident(pid: int) -> float:
    """Resident memory in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.contextmanager
def load(folder: Path) -> Iterator[None]:
    """Keep the machine busy."""
    environment = {**os.environ, "TMP": str(folder)}
    running = [
        subprocess.Popen(["sh", "-c", line], env=environment, start_new_session=True) for line in LOAD
    ]
    try:
        yield
    finally:
        for each in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, 9)
            each.wait()


@contextlib.contextmanager
def stats() -> Iterator[None]:
    """Let the kernel measure programs."""
    switch = Path("/proc/sys/kernel/bpf_stats_enabled")
    was = switch.read_text()
    switch.write_text("1")
    try:
        yield
    finally:
        switch.write_text(was)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else the load would go on for ever
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/bench/telemetry.json"),
        float(sys.argv[2]) if len(sys.argv) > 2 else 20.0,
    )
