# SPDX-License-Identifier: Apache-2.0
"""Which blocks of another version of /usr are here already, maybe at another place, and which are not."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Final

from jepa.updates.verity import BLOCK, Hashes

GAP: Final = 16
"""So many blocks between two that are fetched are fetched too: a request costs more than 64 KiB."""


class Origin(Enum):
    """Where a block comes from."""

    NOWHERE = "all zeros"
    HERE = "the version that runs"
    THERE = "the channel"


@dataclass(frozen=True, slots=True)
class Piece:
    """Blocks from one origin, the first of which is number `at` there."""

    origin: Origin
    at: int
    count: int


def pieces(wanted: Hashes, here: Hashes) -> Iterator[Piece]:
    """What `wanted` is put together from, in its order. With another salt nothing that is here is known."""
    origins = list(_origins(wanted, here))
    fetched = [number for number, (origin, _) in enumerate(origins) if origin is Origin.THERE]
    for one, following in pairwise(fetched):
        if following - one <= GAP:
            origins[one:following] = [(Origin.THERE, number) for number in range(one, following)]
    begin = 0
    for number in range(1, len(origins) + 1):
        before = origins[number - 1]
        if number < len(origins) and origins[number] == (before[0], before[1] + 1):
            continue
        yield Piece(*origins[begin], number - begin)
        begin = number


def _origins(wanted: Hashes, here: Hashes) -> Iterator[tuple[Origin, int]]:
    """The origin of each block, and its number there."""
    zeros = hashlib.sha256(wanted.salt + bytes(BLOCK)).digest()
    places = {digest: at for at, digest in enumerate(here.digests)} if here.salt == wanted.salt else {}
    following = -1
    for number, digest in enumerate(wanted.digests):
        if digest == zeros:
            yield Origin.NOWHERE, number
        elif digest in places:
            # of several places the one behind the last block: one piece instead of two
            on = 0 <= following < len(here.digests) and here.digests[following] == digest
            at = following if on else places[digest]
            following = at + 1
            yield Origin.HERE, at
        else:
            yield Origin.THERE, number
