# SPDX-License-Identifier: Apache-2.0
"""Objects: what they bring into the kernel, what of it stays, and what is said when they do not load."""

import ctypes
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from jepa.telemetry.bpf.libbpf import BpfError, libbpf
from jepa.telemetry.bpf.objects import BpfObject, KernelTypes

_GET_NEXT_ID = {"programs": 11, "maps": 12, "links": 31}
"""bpf(2) commands; libbpf has no list of them all."""
_SYSCALL = {"x86_64": 321, "aarch64": 280}
FOR_ALL = ("block", "irq", "lock", "memory", "process", "sched", "tcp")
"""Objects whose hooks every kernel has that this project supports."""


@pytest.fixture
def types(programs: Path) -> Iterator[KernelTypes]:
    found = KernelTypes()
    yield found
    found.close()


def in_kernel() -> dict[str, int]:
    """How many programs, maps and links there are in the kernel."""
    libc = ctypes.CDLL(None, use_errno=True)
    counts = {}
    for kind, command in _GET_NEXT_ID.items():
        number = count = 0
        while True:
            attributes = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 120)
            if libc.syscall(_SYSCALL[os.uname().machine], command, attributes, len(attributes)):
                break
            number = struct.unpack_from("=II", attributes.raw)[1]
            count += 1
        counts[kind] = count
    return counts


@pytest.mark.parametrize("name", FOR_ALL)
def test_every_program_attaches_and_its_totals_can_be_read(
    programs: Path, types: KernelTypes, name: str
) -> None:
    loaded = BpfObject(programs / f"{name}.bpf.o", types)
    try:
        assert [state.reason for state in loaded.states() if not state.attached] == []
        assert len(loaded.totals()) == sum(field.words for field in loaded.layout.values())
    finally:
        loaded.close()


def test_counters_only_rise(programs: Path, types: KernelTypes) -> None:
    loaded = BpfObject(programs / "sched.bpf.o", types)
    try:
        before = loaded.totals()[: loaded.layout["cached"].start]
        time.sleep(0.1)
        after = loaded.totals()[: loaded.layout["cached"].start]
        assert (after >= before).all()
        switches = loaded.layout["switches"].start
        assert after[switches] > before[switches]
    finally:
        loaded.close()


def test_nothing_stays_in_the_kernel_after_many_loads(programs: Path) -> None:
    reload(programs, 20)


@pytest.mark.slow
def test_nothing_stays_in_the_kernel_after_a_thousand_loads(programs: Path) -> None:
    reload(programs, 1000)


def reload(programs: Path, times: int) -> None:
    before = settled(lambda counts: True)
    # A process of its own: what earlier tests left in this one may close files meanwhile.
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        descriptors, memory = process.submit(growth, programs / "process.bpf.o", times).result()
    after = settled(lambda counts: all(counts[kind] <= before[kind] for kind in counts))
    assert all(after[kind] <= before[kind] for kind in after), (before, after)
    assert descriptors == 0
    assert memory < 16 * 2**20


def growth(program: Path, times: int) -> tuple[int, int]:
    """By how many descriptors and bytes this process has grown after as many loads of a program."""

    def once() -> None:
        types = KernelTypes()
        BpfObject(program, types).close()
        types.close()

    once()
    memory, descriptors = resident(), open_files()
    for _ in range(times):
        once()
    return open_files() - descriptors, resident() - memory


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def settled(wanted: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """The counts once they are as ``wanted`` and still, or after a while of waiting.

    The kernel frees programs and maps a little later, when no CPU can be in them any more.
    """
    counts, end = in_kernel(), time.monotonic() + 20
    while time.monotonic() < end:
        time.sleep(0.3)
        before, counts = counts, in_kernel()
        if counts == before and wanted(counts):
            break
    return counts


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("length", [0, 1, 100, 1000, 3000])
def test_a_truncated_object_is_refused_in_a_clause(
    programs: Path, types: KernelTypes, tmp_path: Path, length: int
) -> None:
    broken = tmp_path / "broken.bpf.o"
    broken.write_bytes((programs / "tcp.bpf.o").read_bytes()[:length])
    before = in_kernel()
    with pytest.raises(BpfError, match="broken"):
        BpfObject(broken, types)
    assert in_kernel() == before


def test_a_missing_object_is_refused(types: KernelTypes, tmp_path: Path) -> None:
    with pytest.raises(BpfError, match="No such file"):
        BpfObject(tmp_path / "gone.bpf.o", types)


def test_a_hook_that_the_kernel_lacks_is_named(programs: Path, types: KernelTypes, tmp_path: Path) -> None:
    other = tmp_path / "process.bpf.o"
    content = (programs / "process.bpf.o").read_bytes()
    other.write_bytes(content.replace(b"tp_btf/sched_process_exec", b"tp_btf/sched_process_nope"))
    loaded = BpfObject(other, types)
    try:
        states = {state.name: state for state in loaded.states()}
        assert "no sched_process_nope" in states["on_exec"].reason
        assert states["on_fork"].attached
    finally:
        loaded.close()


def test_a_program_that_the_verifier_refuses_leaves_the_others(
    programs: Path, types: KernelTypes, tmp_path: Path
) -> None:
    other = tmp_path / "process.bpf.o"
    content = bytearray((programs / "process.bpf.o").read_bytes())
    start = section_start(content, b"tp_btf/sched_process_exec")
    content[start : start + 8] = READ_BEYOND_THE_STACK
    other.write_bytes(content)
    before = settled(lambda counts: True)
    loaded = BpfObject(other, types)
    try:
        states = {state.name: state for state in loaded.states()}
        assert states["on_exec"].reason.startswith("the kernel refused it: ")
        assert not states["on_exec"].attached
        assert states["on_fork"].attached
        assert states["on_exit"].attached
    finally:
        loaded.close()
    assert settled(lambda counts: counts == before) == before


READ_BEYOND_THE_STACK = struct.pack("<BBhi", 0x79, 0xA0, 512, 0)
"""r0 = *(u64 *)(r10 + 512): Documentation/bpf/standardization/instruction-set.rst."""


def section_start(elf: bytes, name: bytes) -> int:
    """Where the content of a section begins (ELF-64, little endian)."""
    table, size, count, names = (
        struct.unpack_from("<Q", elf, 40)[0],
        *struct.unpack_from("<HHH", elf, 58),
    )
    headers = [struct.unpack_from("<IIQQQQ", elf, table + number * size) for number in range(count)]
    strings = headers[names][4]
    for header in headers:
        begin = strings + header[0]
        if bytes(elf[begin : elf.index(b"\0", begin)]) == name:
            return int(header[4])
    raise LookupError(name)


def test_a_map_that_is_full_says_so(programs: Path, types: KernelTypes) -> None:
    loaded = BpfObject(programs / "sched.bpf.o", types)
    try:
        roles = loaded.map("roles")
        with pytest.raises(BpfError, match="map"):
            for number in range(1000):
                roles.put(struct.pack("=Q", 10**9 + number), struct.pack("=I", 0))
        assert len(roles.items()) == 256
        roles.remove(struct.pack("=Q", 10**9))
        assert len(roles.items()) == 255
    finally:
        loaded.close()


NOBODY = """
import sys
from pathlib import Path
from jepa.telemetry.collector.privileges import drop_capabilities
drop_capabilities()
from jepa.telemetry.roles import Roles
from jepa.telemetry.sources.kernel import KernelSource
source = KernelSource(Path("/"), Roles(Path("/")), Path(sys.argv[1]))
reading = source.read(1.0)
print(len(source.programs()), reading.reason)
"""


def test_without_capabilities_it_is_one_sentence_and_no_noise(programs: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, str(programs)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0 BPF programs: not permitted (it takes CAP_BPF and CAP_PERFMON)"
    assert done.stderr == ""


def test_the_log_of_the_library_is_told_with_the_error(programs: Path, types: KernelTypes) -> None:
    library = libbpf()
    library.forget_log()
    with pytest.raises(BpfError) as refused:
        BpfObject(programs / "none.bpf.o", types)
    assert "libbpf:" not in str(refused.value)


def test_totals_of_all_cpus_are_summed(programs: Path, types: KernelTypes) -> None:
    loaded = BpfObject(programs / "process.bpf.o", types)
    try:
        for cpu in os.sched_getaffinity(0):
            subprocess.run(["taskset", "-c", str(cpu), "true"], check=True)
        field = loaded.layout["executed"]
        assert loaded.totals()[field.start] >= len(os.sched_getaffinity(0))
        assert loaded.totals().dtype == np.uint64
    finally:
        loaded.close()
