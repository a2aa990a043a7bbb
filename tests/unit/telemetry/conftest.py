# SPDX-License-Identifier: Apache-2.0
"""A machine's /proc and /sys written to a folder in the kernel's own format, and the compiled programs."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

BPF = Path(__file__).parents[3] / "userland" / "bpf"
TYPES = Path("/sys/kernel/btf/vmlinux")
HEADERS = Path("/usr/include/bpf")
COMPILED = Path(__file__).parents[3] / "build" / "bpf-tests"

FILES = {
    "proc/stat": """\
cpu  1000 100 500 8000 200 10 90 100 0 0
cpu0 500 50 250 4000 100 5 45 50 0 0
intr 54321 0 17 0
ctxt 123456
btime 1795435439
processes 777
procs_running 3
procs_blocked 1
softirq 224844 0 47831 8
""",
    "proc/loadavg": "1.25 0.75 0.50 3/217 4242\n",
    "proc/pressure/cpu": "some avg10=1.00 avg60=0.04 avg300=0.35 total=1000000\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n",
    "proc/pressure/io": "some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n",
    "proc/meminfo": """\
MemTotal:        8000000 kB
MemFree:         1000000 kB
MemAvailable:    6000000 kB
Buffers:          100000 kB
Cached:          1900000 kB
SwapCached:            0 kB
SwapTotal:       4000000 kB
SwapFree:        3000000 kB
Dirty:              8000 kB
Writeback:             0 kB
AnonPages:       1600000 kB
HugePages_Total:       0
""",
    "proc/vmstat": """\
nr_free_pages 250000
pswpin 10
pswpout 20
pgfault 100000
pgmajfault 50
pgscan_kswapd 300
pgscan_direct 40
pgscan_khugepaged 0
pgscan_proactive 5
pgscan_direct_throttle 999
pgscan_anon 345
""",
    "proc/diskstats": """\
   7       0 loop0 5 0 50 5 0 0 0 0 0 5 5 0 0 0 0 0 0
   8       0 sda 1000 10 20000 500 2000 20 80000 4000 1 3000 4500 0 0 0 0 12 34
   8       1 sda1 900 10 19000 450 2000 20 80000 4000 0 2900 4450 0 0 0 0 0 0
 259       0 nvme0n1 100 0 1000 10 100 0 1000 20 0 30 30
""",
    "proc/net/dev": """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    9000      90    0    0    0     0          0         0     9000      90    0    0    0     0       0          0
  eth0: 1024000    1000    1    2    0     0          0         0   512000     500    3    4    0     0       0          0
 veth1:    7000      70    0    0    0     0          0         0     7000      70    0    0    0     0       0          0
""",  # noqa: E501 -- the kernel's own lines
    "sys/devices/system/cpu/online": "0-3\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu io memory pids\n",
    "sys/fs/cgroup/system.slice/cpu.stat": "usage_usec 5000000\nuser_usec 4000000\nsystem_usec 1000000\n",
    "sys/fs/cgroup/system.slice/memory.current": "2048000000\n",
    "sys/fs/cgroup/user.slice/cpu.stat": "usage_usec 7000000\nuser_usec 4000000\nsystem_usec 3000000\n",
    "sys/fs/cgroup/user.slice/memory.current": "819200000\n",
    "sys/class/thermal/thermal_zone0/temp": "45000\n",
    "sys/class/hwmon/hwmon0/temp1_input": "61500\n",
    "sys/class/powercap/intel-rapl:0/energy_uj": "1000000\n",
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850\n",
    "sys/class/powercap/intel-rapl:0:0/energy_uj": "500000\n",
    "sys/class/power_supply/AC/type": "Mains\n",
    "sys/class/power_supply/BAT0/type": "Battery\n",
    "sys/class/power_supply/BAT0/capacity": "80\n",
    "sys/class/power_supply/BAT0/power_now": "7500000\n",
}
LINKS = {
    "sys/block/loop0": "../devices/virtual/block/loop0",
    "sys/block/sda": "../devices/pci0000:00/0000:00:01.0/ata1/host0/target0:0:0/0:0:0:0/block/sda",
    "sys/block/nvme0n1": "../devices/pci0000:00/0000:00:02.0/nvme/nvme0/nvme0n1",
    "sys/class/net/lo": "../../devices/virtual/net/lo",
    "sys/class/net/eth0": "../../devices/pci0000:00/0000:00:03.0/net/eth0",
    "sys/class/net/veth1": "../../devices/virtual/net/veth1",
}


class Host:
    """The folder, and how to change a file in it as the kernel would: in place."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, content in FILES.items():
            self.write(name, content)
        for name, target in LINKS.items():
            link = root / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        for process in ("1", "42", "4242"):
            (root / "proc" / process).mkdir()
        (root / "var").mkdir()

    def write(self, name: str, content: str) -> None:
        """Give the file new content without replacing it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one text in the file, which must be there."""
        content = (self.root / name).read_text()
        assert old in content
        self.write(name, content.replace(old, new))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with everything: swap, a real disk, a real interface, cgroup v2, sensors and a battery."""
    return Host(tmp_path / "host")


@pytest.fixture(scope="session")
def kernel_files() -> dict[str, str]:
    """The files of that host, by path below its root."""
    return FILES


@pytest.fixture(scope="session")
def programs() -> Path:
    """The BPF programs for those who may load them, compiled when anything that goes into them is new."""
    if os.geteuid() != 0:
        pytest.skip("only root may load BPF programs")
    if not TYPES.exists():
        pytest.skip("this kernel publishes no types")
    lacking = [tool for tool in ("clang", "llvm-strip", "bpftool") if not shutil.which(tool)]
    assert not lacking, f"install {', '.join(lacking)}: make test-unit does so"
    inputs = [path.read_bytes() for path in (*sorted(BPF.iterdir()), TYPES, *sorted(HEADERS.glob("*.h")))]
    inputs += [subprocess.check_output([tool, "--version"]) for tool in ("clang", "llvm-strip", "bpftool")]
    COMPILED.mkdir(parents=True, exist_ok=True)
    out = COMPILED / hashlib.sha256(b"\0".join(inputs)).hexdigest()[:16]
    with (COMPILED / "lock").open("w") as lock:  # of several workers one compiles
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not out.exists():
            with tempfile.TemporaryDirectory(dir=COMPILED) as made:
                subprocess.run([BPF / "build.sh", f"{made}/objects", TYPES], check=True)
                Path(made, "objects").rename(out)
    return out
