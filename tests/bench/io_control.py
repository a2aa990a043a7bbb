# SPDX-License-Identifier: Apache-2.0
"""Compare what can share a disk between units: no scheduler, mq-deadline, BFQ, io.cost; on virtio and NVMe.

`python -m tests.bench.io_control` writes build/bench/io-control.json. What units get beside one another is
measured on disks that QEMU holds to a fixed rate. What a request costs is measured on disks that it leaves
free, with the machine in virtual time, so that a busy host does not show.
docs/explanation/io-control.md is about what comes out.
"""

import argparse
import json
import shlex
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools.vm.emulator import newest
from tools.vm.image import BUILD, Image, built_image
from tools.vm.machine import Machine, Setup

LOAD = Path(__file__).with_name("io_load.py")
RATES = {"virtio": 200, "nvme": 200}
"""Requests a second that each kind of disk is held to."""

FREE_RATE = 50_000
"""What io.cost is told of a disk that is not held; more than the machine can ask for."""

WEIGHTS = (100, 10)
SECONDS = 5
GUEST_ROOT = "/sys/fs/cgroup"


@dataclass(frozen=True, slots=True)
class Control:
    """One way to control I/O: a scheduler of the queue, and what io.cost is told ({} where it is off)."""

    name: str
    scheduler: str
    qos: str = "enable=0"
    model: str = ""
    low_latency: int | None = None
    """BFQ's own: whether it favours what it takes for interactive."""


CONTROLS = (
    Control("none", "none"),
    Control("mq-deadline", "mq-deadline"),
    Control("bfq", "bfq", low_latency=0),
    Control("bfq, low_latency", "bfq", low_latency=1),
    # what the kernel assumes of a solid-state disk it does not know
    Control("iocost-auto", "none", "enable=1 ctrl=auto"),
    # the disk's true rates, as tools like iocost_coef_gen find them
    Control(
        "iocost-measured",
        "none",
        "enable=1 ctrl=user rpct=0 wpct=0 min=100.00 max=100.00",
        "ctrl=user model=linear rbps={bps} rseqiops={iops} rrandiops={iops} wbps={bps} wseqiops={iops}"
        " wrandiops={iops}",
    ),
)


def devices(*, held: bool) -> list[str]:
    """QEMU's arguments for a disk of each kind, ``held`` to its rate or not."""
    backing = "if=none,file.driver=null-co,file.size=4G,file.read-zeroes=on,format=raw"
    arguments = []
    for kind, rate in RATES.items():
        model = "virtio-blk-pci" if kind == "virtio" else "nvme"
        limit = f",throttling.iops-total={rate}" if held else ""
        arguments += [
            "-drive",
            f"{backing},id={kind}{limit}",
            "-device",
            f"{model},drive={kind},serial=io-{kind}",
        ]
    return arguments


class Bench:
    """The booted machine and the loads that run in it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        machine.succeed("modprobe bfq; modprobe nvme; udevadm settle")
        machine.succeed(f"cat >/run/io_load.py <<'END'\n{LOAD.read_text()}END")

    def device(self, serial: str) -> str:
        """The name of the guest's disk with ``serial``, as in vdb."""
        found = self._machine.succeed(
            f"grep -l {serial} /sys/block/*/serial /sys/block/*/device/serial || true"
        )
        return found.split("/")[3]

    def control(self, device: str, control: Control, rate: int) -> None:
        """Let ``control`` rule ``device``, a disk of ``rate`` requests a second."""
        number = self._machine.succeed(f"cat /sys/block/{device}/dev").strip()
        # off first: io.cost takes a model only from its beginning
        lines = [f"echo '{number} enable=0' >{GUEST_ROOT}/io.cost.qos || true"]
        lines.append(f"echo {control.scheduler} >/sys/block/{device}/queue/scheduler")
        if control.low_latency is not None:
            lines.append(f"echo {control.low_latency} >/sys/block/{device}/queue/iosched/low_latency")
        if control.model:
            model = control.model.format(iops=rate, bps=rate * 65536)
            lines.append(f"echo '{number} {model}' >{GUEST_ROOT}/io.cost.model")
        lines.append(f"echo '{number} {control.qos}' >{GUEST_ROOT}/io.cost.qos")
        self._machine.succeed("\n".join(lines))

    def run(self, *loads: tuple[str, str, int, int, str], seconds: int = SECONDS) -> list[dict[str, float]]:
        """What each of ``loads`` did beside the others: (device, read or write, block, depth, property)."""
        script = ["rm -f /run/load-* /run/ready-* /run/begin"]
        for number, (device, kind, block, depth, limit) in enumerate(loads):
            command = f"python3 -IS /run/io_load.py /dev/{device} {kind} {block} {depth} {seconds}"
            run = f"systemd-run --quiet --unit=load-{number} --property={shlex.quote(limit)}"
            run += f" --property=StandardOutput=file:/run/load-{number}"
            script.append(f"{run} {command} /run/ready-{number} /run/begin")
        # one command: a question in between would cost the guest time
        wait = " && ".join(f"test -e /run/ready-{number}" for number in range(len(loads)))
        script.append(f"until {wait}; do sleep 0.2; done; touch /run/begin; sleep {seconds + 1}")
        script.append("while systemctl --quiet is-active 'load-*'; do sleep 0.5; done; cat /run/load-*")
        printed = self._machine.succeed("\n".join(script), 30)
        return [json.loads(line) for line in printed.splitlines()]


def measure_sharing(bench: Bench, kind: str, control: Control) -> dict[str, float]:
    """What units get of a disk of ``kind`` that is the bottleneck."""
    disk, rate = bench.device(f"io-{kind}"), RATES[kind]
    bench.control(disk, control, rate)
    figures: dict[str, float] = {}
    for verb in ("read", "write"):
        high, low = bench.run(*((disk, verb, 4096, 16, f"IOWeight={weight}") for weight in WEIGHTS))
        figures[f"{verb}_share"] = high["per_s"] / max(low["per_s"], 0.1)
        figures[f"{verb}_work"] = (high["per_s"] + low["per_s"]) / rate
    urgent, _ = bench.run((disk, "read", 4096, 1, "IOWeight=100"), (disk, "write", 4096, 32, "IOWeight=10"))
    figures["reader_beside_writer_p50_ms"] = urgent.get("p50_ms", 1e3 * SECONDS)
    figures["reader_beside_writer_p99_ms"] = urgent.get("p99_ms", 1e3 * SECONDS)
    (alone,) = bench.run((disk, "read", 4096, 16, "IOWeight=100"))
    figures["alone_work"] = alone["per_s"] / rate
    limit = rate // 5
    (limited,) = bench.run((disk, "read", 4096, 4, f"IOReadIOPSMax=/dev/{disk} {limit}"))
    figures["io_max_kept"] = limited["per_s"] / limit
    bench.control(disk, CONTROLS[0], rate)
    return figures


def measure_cost(bench: Bench, kind: str, control: Control) -> dict[str, float]:
    """What a request to a disk of ``kind`` costs when the disk is not the bottleneck."""
    disk = bench.device(f"io-{kind}")
    bench.control(disk, control, FREE_RATE)
    (alone,) = bench.run((disk, "read", 4096, 4, "IOWeight=100"), seconds=3)
    bench.control(disk, CONTROLS[0], FREE_RATE)
    return {"cpu_us": alone["cpu_us"], "free_alone_per_s": alone["per_s"]}


COLUMNS = (
    ("readers at 100:10, ratio", "read_share"),
    ("writers at 100:10, ratio", "write_share"),
    ("of the disk's rate, two units", "write_work"),
    ("of the disk's rate, one unit", "alone_work"),
    ("reader beside a writer, P99 ms", "reader_beside_writer_p99_ms"),
    ("kept of io.max, ratio", "io_max_kept"),
    ("CPU of a request, µs", "cpu_us"),
    ("one unit on a free disk, requests/s", "free_alone_per_s"),
)
"""What the table shows, and the figure it is."""

Runs = dict[tuple[str, str], list[dict[str, float]]]
"""The figures of each run, by disk and control."""


def table(held: Runs, free: Runs, how: str) -> dict[str, object]:
    """The median of each figure that was measured; of more than one run also the least and the most."""
    measured = {name for part in (held, free) for runs in part.values() for run in runs for name in run}
    columns = [(title, name) for title, name in COLUMNS if name in measured]
    rows: list[list[str]] = []
    for disk, control in held:
        row = [disk, control]
        for _, name in columns:
            runs = [
                run[name] for part in (held, free) for run in part.get((disk, control), []) if name in run
            ]
            spread = f" ({min(runs):.3g} to {max(runs):.3g})" if len(runs) > 1 else ""
            row.append(f"{statistics.median(runs):.3g}{spread}")
        rows.append(row)
    return {
        "setup": how,
        "runs": min(len(each) for each in held.values()),
        "columns": ["disk", "control", *(title for title, _ in columns)],
        "rows": rows,
    }


def boot(image: Image, directory: Path, *, held: bool) -> Machine:
    """The image without us, and with a disk of each kind: ``held``, or free and in virtual time."""
    setup = Setup(
        image.overlay(directory / "io.qcow2"),
        kernel=image.kernel,
        initrd=image.initrd,
        cpus=1,
        memory_mib=1024,
        virtual_time=not held,
        devices=devices(held=held),
        kernel_arguments=["jepa=off"],
    )
    machine = Machine("held" if held else "free", setup, directory, lambda line: print(line, flush=True))
    machine.start()
    machine.wait_for_shell()
    machine.execute("systemctl is-system-running --wait", 120)
    return machine


def main() -> int:
    """Measure, print and write build/bench/io-control.json."""
    parser = argparse.ArgumentParser(description="Compare what can share a disk between units.")
    parser.add_argument("--runs", type=int, default=3, help="how many times each (default: 3)")
    arguments = parser.parse_args()
    measured: dict[bool, Runs] = {True: {}, False: {}}
    for held, measure in ((True, measure_sharing), (False, measure_cost)):
        with tempfile.TemporaryDirectory(prefix="io-", dir=BUILD) as directory:
            machine = boot(built_image(), Path(directory), held=held)
            try:
                bench = Bench(machine)
                for _ in range(arguments.runs):  # side by side, not one after the other
                    for disk in RATES:
                        for control in CONTROLS:
                            figures = measure(bench, disk, control)
                            print(disk, control.name, json.dumps(figures), flush=True)
                            measured[held].setdefault((disk, control.name), []).append(figures)
            finally:
                machine.crash()
    target = BUILD / "bench/io-control.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    how = f"{newest()}, emulated, 1 vCPU, 1 GiB; disks held to {RATES['virtio']} requests a second"
    result = table(measured[True], measured[False], how)
    target.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
