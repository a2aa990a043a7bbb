# SPDX-License-Identifier: Apache-2.0
"""The part of libbpf.so.1 that the collector uses, by ctypes; errors carry libbpf's own words.

Only functions that libbpf 1.1 and later have. See https://docs.kernel.org/bpf/libbpf/ and <bpf/libbpf.h>.
"""

import ctypes
import errno
import os
import re
from collections.abc import Sequence
from ctypes import POINTER, c_bool, c_char_p, c_int, c_long, c_size_t, c_uint32, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

_KEPT_LINES = 40
_DEBUG = 2

_FUNCTIONS: dict[str, tuple[Any, Sequence[Any]]] = {
    "bpf_object__open_file": (c_void_p, [c_char_p, c_void_p]),
    "bpf_object__load": (c_int, [c_void_p]),
    "bpf_object__close": (None, [c_void_p]),
    "bpf_object__next_program": (c_void_p, [c_void_p, c_void_p]),
    "bpf_object__find_map_by_name": (c_void_p, [c_void_p, c_char_p]),
    "bpf_object__next_map": (c_void_p, [c_void_p, c_void_p]),
    "bpf_object__btf": (c_void_p, [c_void_p]),
    "bpf_program__name": (c_char_p, [c_void_p]),
    "bpf_program__section_name": (c_char_p, [c_void_p]),
    "bpf_program__set_autoload": (c_int, [c_void_p, c_bool]),
    "bpf_program__attach": (c_void_p, [c_void_p]),
    "bpf_program__fd": (c_int, [c_void_p]),
    "bpf_link__destroy": (c_int, [c_void_p]),
    "bpf_map__fd": (c_int, [c_void_p]),
    "bpf_map__max_entries": (c_uint32, [c_void_p]),
    "bpf_map__set_max_entries": (c_int, [c_void_p, c_uint32]),
    "bpf_map__key_size": (c_uint32, [c_void_p]),
    "bpf_map__value_size": (c_uint32, [c_void_p]),
    "bpf_map__btf_value_type_id": (c_uint32, [c_void_p]),
    "btf__load_vmlinux_btf": (c_void_p, []),
    "btf__find_by_name_kind": (c_int, [c_void_p, c_char_p, c_uint32]),
    "btf__type_by_id": (c_void_p, [c_void_p, c_uint32]),
    "btf__name_by_offset": (c_char_p, [c_void_p, c_uint32]),
    "btf__free": (None, [c_void_p]),
    "libbpf_num_possible_cpus": (c_int, []),
    "libbpf_set_print": (c_void_p, [c_void_p]),
    "bpf_map_update_elem": (c_int, [c_int, c_void_p, c_void_p, ctypes.c_uint64]),
    "bpf_map_delete_elem": (c_int, [c_int, c_void_p]),
    "bpf_map_get_next_key": (c_int, [c_int, c_void_p, c_void_p]),
    "bpf_map_lookup_batch": (
        c_int,
        [c_int, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_uint32), c_void_p],
    ),
    "bpf_obj_get_info_by_fd": (c_int, [c_int, c_void_p, POINTER(c_uint32)]),
}


NOT_PERMITTED = "not permitted (it takes CAP_BPF and CAP_PERFMON)"
_CAP_PERFMON, _CAP_BPF = 38, 39


def may_load() -> bool:
    """Whether this thread holds both capabilities that loading programs takes."""
    for line in Path("/proc/thread-self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
            return bool(held >> _CAP_BPF & 1 and held >> _CAP_PERFMON & 1)
    return False


class BpfError(Exception):
    """What libbpf or the kernel refused, in one clause."""


class Libbpf:
    """libbpf.so.1, with the newest lines of its log. For one thread."""

    def __init__(self) -> None:
        try:
            self.c = ctypes.CDLL("libbpf.so.1", use_errno=True)
            for name, (result, arguments) in _FUNCTIONS.items():
                function = getattr(self.c, name)
                function.restype, function.argtypes = result, arguments
            self._libc = ctypes.CDLL(None)
        except (OSError, AttributeError) as error:
            raise BpfError(f"libbpf.so.1 cannot be used: {error}") from error
        self._lines: list[str] = []
        # Kept for as long as libbpf may call it.
        self._print = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)(self._log)
        self.c.libbpf_set_print(ctypes.cast(self._print, c_void_p))

    def _log(self, level: int, form: bytes, arguments: int | None) -> int:
        if level < _DEBUG:
            buffer = ctypes.create_string_buffer(4096)
            self._libc.vsnprintf(buffer, c_size_t(len(buffer)), form, c_void_p(arguments))
            self._lines += buffer.value.decode(errors="replace").splitlines()
            del self._lines[:-_KEPT_LINES]
        return 0

    def forget_log(self) -> None:
        """Start anew, before a step whose failure is to be explained."""
        self._lines.clear()

    def error(self, what: str, number: int) -> BpfError:
        """The error of the step ``what``: the system's word for it, and what the log says of it."""
        number = abs(number)
        said = os.strerror(number) if number else "failed"
        if number == errno.EPERM and not may_load():
            return BpfError(f"{what}: {NOT_PERMITTED}")
        reason = _best_explanation(self._lines)
        return BpfError(f"{what}: {said}" + (f" ({reason})" if reason else ""))

    def refused(self) -> str:
        """The program that, by the log, the kernel's verifier would not take; empty when it names none."""
        named = [found[1] for line in self._lines if (found := _REFUSED.search(line))]
        return named[-1] if named else ""

    def check(self, what: str, result: int) -> int:
        """``result`` of a call that answers a negative error number."""
        if result < 0:
            raise self.error(what, result)
        return result

    def check_pointer(self, what: str, result: int | None) -> int:
        """``result`` of a call that answers NULL and sets errno."""
        if not result:
            raise self.error(what, ctypes.get_errno())
        return result


@cache
def libbpf() -> Libbpf:
    """The library, loaded once; BpfError when this machine has none that fits."""
    return Libbpf()


_REFUSED = re.compile(r"prog '([^']+)': (?:BPF program load failed|failed to load)")
_NOISE = re.compile(
    r"permission error while running as root|(?:BEGIN|END) PROG LOAD LOG"
    r"|^processed \d+ insns|failed to load|^$"
)


def _best_explanation(lines: Sequence[str]) -> str:
    """The last line that says more than that it failed."""
    for line in reversed(lines):
        line = line.strip().removeprefix("libbpf: ")
        if not _NOISE.search(line):
            return line[:200]
    return ""


class ProgramInfo(ctypes.Structure):
    """The start of struct bpf_prog_info in <linux/bpf.h>, up to what is read here."""

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("tag", ctypes.c_uint8 * 8),
        ("jited_prog_len", c_uint32),
        ("xlated_prog_len", c_uint32),
        ("jited_prog_insns", ctypes.c_uint64),
        ("xlated_prog_insns", ctypes.c_uint64),
        ("load_time", ctypes.c_uint64),
        ("created_by_uid", c_uint32),
        ("nr_map_ids", c_uint32),
        ("map_ids", ctypes.c_uint64),
        ("name", ctypes.c_char * 16),
        ("ifindex", c_uint32),
        ("flags", c_uint32),
        ("netns_dev", ctypes.c_uint64),
        ("netns_ino", ctypes.c_uint64),
        ("nr_jited_ksyms", c_uint32),
        ("nr_jited_func_lens", c_uint32),
        ("jited_ksyms", ctypes.c_uint64),
        ("jited_func_lens", ctypes.c_uint64),
        ("btf_id", c_uint32),
        ("func_info_rec_size", c_uint32),
        ("func_info", ctypes.c_uint64),
        ("nr_func_info", c_uint32),
        ("nr_line_info", c_uint32),
        ("line_info", ctypes.c_uint64),
        ("jited_line_info", ctypes.c_uint64),
        ("nr_jited_line_info", c_uint32),
        ("line_info_rec_size", c_uint32),
        ("jited_line_info_rec_size", c_uint32),
        ("nr_prog_tags", c_uint32),
        ("prog_tags", ctypes.c_uint64),
        ("run_time_ns", ctypes.c_uint64),
        ("run_cnt", ctypes.c_uint64),
        ("recursion_misses", ctypes.c_uint64),
    )


def program_info(library: Libbpf, fd: int) -> ProgramInfo:
    """What the kernel knows of the loaded program ``fd``; takes no capability. Raises BpfError."""
    info = ProgramInfo()
    size = c_uint32(ctypes.sizeof(info))
    library.check(
        "program info", library.c.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size))
    )
    return info


assert ctypes.sizeof(c_long) == 8, "BPF's layouts are those of a 64-bit machine"
