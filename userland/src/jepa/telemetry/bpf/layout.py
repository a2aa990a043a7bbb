# SPDX-License-Identifier: Apache-2.0
"""Where each counter lies in an entry of a map, read from the object's own BTF: it cannot disagree."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

from jepa.telemetry.bpf.libbpf import BpfError, Libbpf

_KIND_ARRAY, _KIND_STRUCT, _KIND_TYPEDEF = 3, 4, 8
_WORD = 8


@dataclass(frozen=True, slots=True)
class Field:
    """Counters of 64 bits: the first word's place in the entry, and the shape, () for a single one."""

    start: int
    shape: tuple[int, ...]

    @property
    def words(self) -> int:
        """How many words it takes."""
        total = 1
        for length in self.shape:
            total *= length
        return total


Layout = Mapping[str, Field]


def layout_of(library: Libbpf, btf: int, type_id: int, size: int) -> Layout:
    """The fields of the struct ``type_id``; BpfError when it is not ``size`` bytes of 64-bit words."""
    kind, members, struct_size = _described(library, btf, type_id)
    if kind != _KIND_STRUCT or struct_size != size:
        raise BpfError(f"a map entry of {size} bytes is no struct of that size")
    address = library.c.btf__type_by_id(btf, type_id) + 12
    fields: dict[str, Field] = {}
    for number in range(members):
        name_offset, member_type, bits = (ctypes.c_uint32 * 3).from_address(address + 12 * number)
        name = library.c.btf__name_by_offset(btf, name_offset).decode()
        fields[name] = Field(bits // (8 * _WORD), _shape(library, btf, member_type))
    if sum(field.words for field in fields.values()) * _WORD != size:
        raise BpfError("a map entry has counters of other than 64 bits")
    return fields


def _described(library: Libbpf, btf: int, type_id: int) -> tuple[int, int, int]:
    """Kind, number of members, and size (or the type referred to) of one type (struct btf_type)."""
    address = library.check_pointer("BTF type", library.c.btf__type_by_id(btf, type_id))
    _, info, size_or_type = (ctypes.c_uint32 * 3).from_address(address)
    return info >> 24 & 0x1F, info & 0xFFFF, size_or_type


def _shape(library: Libbpf, btf: int, type_id: int) -> tuple[int, ...]:
    kind, _, referred = _described(library, btf, type_id)
    while kind == _KIND_TYPEDEF:
        type_id = referred
        kind, _, referred = _described(library, btf, type_id)
    if kind != _KIND_ARRAY:
        return ()
    address = library.c.btf__type_by_id(btf, type_id) + 12
    element, _, length = (ctypes.c_uint32 * 3).from_address(address)
    return (length, *_shape(library, btf, element))
