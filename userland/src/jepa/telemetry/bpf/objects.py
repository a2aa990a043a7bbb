# SPDX-License-Identifier: Apache-2.0
"""One object file of programs: loaded, attached, read; what this kernel lacks is left out and reported."""

import ctypes
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jepa.telemetry.bpf.layout import Layout, layout_of
from jepa.telemetry.bpf.libbpf import BpfError, Libbpf, libbpf, program_info

U64Array = npt.NDArray[np.uint64]
_KIND_TYPEDEF, _KIND_FUNCTION = 8, 12
_TARGETS = {"tp_btf": ("btf_trace_", _KIND_TYPEDEF), "fentry": ("", _KIND_FUNCTION)}
"""By kind of section: what the kernel's BTF must hold for a program to be loadable."""


@dataclass(frozen=True, slots=True)
class ProgramState:
    """One program: whether it runs, and what it cost while the kernel measured that."""

    name: str
    object: str
    hook: str
    attached: bool
    reason: str = ""
    runs: int = 0
    """Runs that were measured: the kernel counts them only while kernel.bpf_stats_enabled is 1."""
    run_ns: int = 0
    """Time they took together."""
    lost: int = 0
    """Runs that the kernel skipped because the program was running on that CPU already."""

    @property
    def ns_per_run(self) -> float | None:
        """Mean time of a run; None while none was measured."""
        return self.run_ns / self.runs if self.runs else None


class KernelTypes:
    """The kernel's BTF, opened to ask what it has; BpfError when there is none."""

    def __init__(self) -> None:
        self._library = libbpf()
        self._library.forget_log()
        self._btf = self._library.check_pointer(
            "this kernel publishes no types (CONFIG_DEBUG_INFO_BTF)", self._library.c.btf__load_vmlinux_btf()
        )

    def lacks(self, section: str) -> str:
        """Why a program of ``section`` cannot be loaded here, or empty."""
        kind, _, target = section.partition("/")
        if kind not in _TARGETS:
            return ""
        prefix, wanted = _TARGETS[kind]
        found = self._library.c.btf__find_by_name_kind(self._btf, (prefix + target).encode(), wanted)
        return "" if found > 0 else f"this kernel has no {target}"

    def close(self) -> None:
        """Free the types."""
        self._library.c.btf__free(self._btf)


class BpfObject:
    """The programs and maps of one ``.bpf.o``. For one thread; BpfError when nothing of it can run."""

    def __init__(self, path: Path, types: KernelTypes) -> None:
        self.name = path.name.removesuffix(".bpf.o")
        self._library: Libbpf = libbpf()
        self._links: list[int] = []
        self._programs: dict[str, tuple[int, ProgramState]] = {}
        self._memory: mmap.mmap | None = None
        self._object = 0
        refused: dict[str, str] = {}
        try:
            while not self._load(path, types, refused):
                self.close()
            self._attach()
            self._map_totals()
        except BaseException:
            self.close()
            raise

    def _load(self, path: Path, types: KernelTypes, refused: dict[str, str]) -> bool:
        """Open and load, without the programs in ``refused``; False when the verifier refused one more."""
        c = self._library.c
        self._library.forget_log()
        self._object = self._library.check_pointer(
            self.name, c.bpf_object__open_file(os.fsencode(path), None)
        )
        for program in self._iterate(c.bpf_object__next_program):
            section = c.bpf_program__section_name(program).decode()
            name = c.bpf_program__name(program).decode()
            lacking = types.lacks(section) or refused.get(name, "")
            if lacking:
                c.bpf_program__set_autoload(program, False)
            self._programs[name] = (program, ProgramState(name, self.name, section, False, lacking))
        if all(state.reason for _, state in self._programs.values()):
            raise BpfError(f"{self.name}: {next(iter(self._programs.values()))[1].reason}")
        totals = c.bpf_object__find_map_by_name(self._object, b"totals")
        if totals:
            cpus = self._library.check("possible CPUs", c.libbpf_num_possible_cpus())
            self._library.check(self.name, c.bpf_map__set_max_entries(totals, cpus))
        self._library.forget_log()
        result = c.bpf_object__load(self._object)
        name = self._library.refused()
        if result < 0 and name in self._programs and name not in refused:
            # An object cannot be loaded twice: it is opened anew without that program.
            refused[name] = str(self._library.error("the kernel refused it", result))
            return False
        self._library.check(self.name, result)
        return True

    def _attach(self) -> None:
        for name, (program, state) in self._programs.items():
            if state.reason:
                continue
            self._library.forget_log()
            link = self._library.c.bpf_program__attach(program)
            if link:
                self._links.append(link)
                state = replace(state, attached=True)
            else:
                reason = str(self._library.error("attach", ctypes.get_errno()))
                state = replace(state, reason=reason)
            self._programs[name] = (program, state)
        if not self._links:
            raise BpfError(f"{self.name}: {next(iter(self._programs.values()))[1].reason}")

    def _map_totals(self) -> None:
        c = self._library.c
        totals = c.bpf_object__find_map_by_name(self._object, b"totals")
        if not totals:
            raise BpfError(f"{self.name}: the object has no map of totals")
        size, entries = c.bpf_map__value_size(totals), c.bpf_map__max_entries(totals)
        btf = self._library.check_pointer(self.name, c.bpf_object__btf(self._object))
        self.layout: Layout = layout_of(self._library, btf, c.bpf_map__btf_value_type_id(totals), size)
        length = -(-size * entries // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            self._memory = mmap.mmap(c.bpf_map__fd(totals), length, mmap.MAP_SHARED, mmap.PROT_READ)
        except OSError as error:
            raise BpfError(f"{self.name}: its totals cannot be mapped: {error.strerror}") from error
        words = np.frombuffer(self._memory, np.uint64, size * entries // 8)
        self._totals = words.reshape(entries, size // 8)

    def totals(self) -> U64Array:
        """(N,) Every counter now, summed over the CPUs, in the order of ``layout``."""
        summed: U64Array = self._totals.sum(axis=0, dtype=np.uint64)
        return summed

    def attached(self, name: str) -> bool:
        """Whether the program ``name`` runs."""
        return name in self._programs and self._programs[name][1].attached

    def states(self) -> list[ProgramState]:
        """Each program now, with what it cost."""
        return [self._measured(program, state) for program, state in self._programs.values()]

    def _measured(self, program: int, state: ProgramState) -> ProgramState:
        if not state.attached:
            return state
        try:
            info = program_info(self._library, self._library.c.bpf_program__fd(program))
        except BpfError:
            return state
        return replace(state, runs=info.run_cnt, run_ns=info.run_time_ns, lost=info.recursion_misses)

    def map(self, name: str) -> "BpfMap":
        """The map ``name``; BpfError when there is none."""
        found = self._library.c.bpf_object__find_map_by_name(self._object, name.encode())
        return BpfMap(self._library, self._library.check_pointer(f"map {name}", found))

    def maps_bytes(self) -> int:
        """What the maps hold at most, by their entries, with the kernel's own word for each hash entry."""
        c = self._library.c
        return sum(
            c.bpf_map__max_entries(each)
            * (-(-c.bpf_map__key_size(each) // 8) * 8 + -(-c.bpf_map__value_size(each) // 8) * 8 + _ENTRY)
            for each in self._iterate(c.bpf_object__next_map)
        )

    def _iterate(self, following: "ctypes._NamedFuncPointer") -> Iterator[int]:
        each = following(self._object, None)
        while each:
            yield each
            each = following(self._object, each)

    def close(self) -> None:
        """Detach and unload everything; nothing stays in the kernel."""
        for link in self._links:
            self._library.c.bpf_link__destroy(link)
        self._links.clear()
        if self._memory is not None:
            del self._totals
            self._memory.close()
            self._memory = None
        if self._object:
            self._library.c.bpf_object__close(self._object)
            self._object = 0


_ENTRY = 48
"""Bytes of struct htab_elem beside key and value."""


class BpfMap:
    """One map of an object, as long as that is open."""

    def __init__(self, library: Libbpf, pointer: int) -> None:
        self._library = library
        self._fd: int = library.c.bpf_map__fd(pointer)
        self._entries: int = library.c.bpf_map__max_entries(pointer)
        self._key_size: int = library.c.bpf_map__key_size(pointer)
        self._value_size: int = library.c.bpf_map__value_size(pointer)
        self._keys = ctypes.create_string_buffer(self._key_size * self._entries)
        self._values = ctypes.create_string_buffer(self._value_size * self._entries)

    def items(self) -> list[tuple[bytes, bytes]]:
        """Every key and value now, in one call. Raises BpfError."""
        position = ctypes.create_string_buffer(max(8, self._key_size))
        count = ctypes.c_uint32(self._entries)
        result = self._library.c.bpf_map_lookup_batch(
            self._fd, None, position, self._keys, self._values, ctypes.byref(count), None
        )
        # -ENOENT says that the end was reached, which is what is wanted.
        if result < 0 and result != -2:
            raise self._library.error("map", result)
        key, value = self._key_size, self._value_size
        return [
            (self._keys.raw[n * key : (n + 1) * key], self._values.raw[n * value : (n + 1) * value])
            for n in range(count.value)
        ]

    def put(self, key: bytes, value: bytes) -> None:
        """Set one entry; BpfError when the map is full."""
        self._sized(key, value)
        result = self._library.c.bpf_map_update_elem(self._fd, key, value, 0)
        self._library.check("map", result)

    def remove(self, key: bytes) -> None:
        """Remove one entry, if it is there."""
        self._sized(key, bytes(self._value_size))
        self._library.c.bpf_map_delete_elem(self._fd, key)

    def _sized(self, key: bytes, value: bytes) -> None:
        if len(key) != self._key_size or len(value) != self._value_size:
            raise ValueError(
                f"an entry of {len(key)} and {len(value)} bytes in a map of "
                f"{self._key_size} and {self._value_size}"
            )
