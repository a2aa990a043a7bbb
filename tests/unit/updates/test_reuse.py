# SPDX-License-Identifier: Apache-2.0
"""The hashes of two versions say which blocks of one the other has, and where."""

import hashlib
import io

import pytest

from jepa.updates.reuse import GAP, Origin, Piece, pieces
from jepa.updates.verity import Hashes, read_hashes
from tests.unit.updates.verity_files import BLOCK, SALT, hashes


def known(*blocks: bytes, salt: bytes = SALT) -> Hashes:
    return read_hashes(io.BytesIO(hashes(b"".join(each.ljust(BLOCK, b"\0") for each in blocks), salt)))


def test_the_hashes_of_each_block_are_found_below_those_of_hashes() -> None:
    for count in (1, 128, 129, 128 * 128 + 1):
        content = b"".join(number.to_bytes(4, "big").ljust(BLOCK, b"x") for number in range(count))
        found = read_hashes(io.BytesIO(hashes(content)))
        assert found.salt == SALT
        assert len(found.digests) == count
        assert found.digests[-1] == hashlib.sha256(SALT + content[-BLOCK:]).digest()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no hashes".ljust(2 * BLOCK, b"\0"),
        hashes(b"x" * BLOCK)[: BLOCK + 31],
        hashes(b"x" * BLOCK).replace(b"sha256", b"sha512"),
        hashes(b"x" * BLOCK).replace(b"verity\0\0\1", b"verity\0\0\2"),
    ],
)
def test_what_is_no_such_partition_is_not_taken_for_one(content: bytes) -> None:
    with pytest.raises(ValueError, match="dm-verity"):
        read_hashes(io.BytesIO(content))


def test_a_block_is_taken_from_where_it_is_and_only_what_is_new_is_fetched() -> None:
    here = known(b"a", b"b", b"c", b"d", b"a")
    wanted = known(b"c", b"d", b"a", b"", b"", b"new", b"b")
    assert list(pieces(wanted, here)) == [
        Piece(Origin.HERE, 2, 3),  # of the two that hold "a" the one that goes on
        Piece(Origin.NOWHERE, 3, 2),
        Piece(Origin.THERE, 5, 1),
        Piece(Origin.HERE, 1, 1),
    ]
    assert list(pieces(known(b"a", b"", salt=b"other"), here)) == [
        Piece(Origin.THERE, 0, 1),
        Piece(Origin.NOWHERE, 1, 1),
    ]


def test_few_blocks_between_two_that_are_fetched_are_fetched_with_them() -> None:
    here = known(b"a")
    near, far = (known(b"1", *[b"a"] * count, b"2") for count in (GAP - 1, GAP))
    assert list(pieces(near, here)) == [Piece(Origin.THERE, 0, GAP + 1)]
    assert [piece.origin for piece in pieces(far, here)][:: GAP + 1] == [Origin.THERE, Origin.THERE]
