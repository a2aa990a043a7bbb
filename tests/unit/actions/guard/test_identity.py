# SPDX-License-Identifier: Apache-2.0
"""Spelling evades no rule that forbids, and widens none that permits."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jepa.actions.guard.identity import folded, matches_exactly, matches_widely, names_of, plain


@pytest.mark.parametrize(
    "spelled",
    [
        "sshd.service", "SSHD.service", "sshd.service.", " sshd.service", "sshd\u200b.service",
        "s\u0455hd.service", "ｓｓｈｄ.service", "sshd\\x2eservice", "sshd.servi\u0441e", "ßhd.service",
        "sshd\u0301.service", "\u202esshd.service", "\\x73shd.service",
        "\\x2fsshd.service", "../sshd.service",
        "sshd\\xcc\\x81.service", "sshd\\x\\x632\\x99.service", "s\\xd1\\x95hd.service",
        "sshd.service\n", "sshd\0.service",
    ],
)  # fmt: skip
def test_what_looks_alike_is_alike(spelled: str) -> None:
    assert folded(spelled) == "sshd.service"
    assert matches_widely(("sshd.*",), [spelled])


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing(name: str) -> None:
    assert folded(folded(name)) == folded(name)


@given(st.text(alphabet="ab*?[]!.-@", max_size=12), st.text(alphabet="ab.-@", max_size=12))
@example("?", ".")
@example("*", "")
def test_a_forbid_matches_whatever_a_permit_of_the_same_pattern_does(pattern: str, name: str) -> None:
    if pattern and matches_exactly(pattern, name):
        assert matches_widely((pattern,), [name])


def test_a_name_with_wildcards_is_no_pattern() -> None:
    assert not matches_exactly("backup.service", "*")
    assert not matches_exactly("backup.service", "backup.servic?")


@pytest.mark.parametrize(
    "name", ["Backup.service", "backup.service.", "backup.service\n", "xbackup.service"]
)
def test_a_permit_is_for_the_name_as_written(name: str) -> None:
    assert matches_exactly("backup.service", "backup.service")
    assert not matches_exactly("backup.service", name)


def test_an_instance_is_known_by_its_template() -> None:
    assert set(names_of("getty@tty1.service")) == {
        "getty@tty1.service", "getty@tty1", "getty@.service", "getty",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["", "a b", "../x.service", "é.service", "a/b.service", "x\n", "x" * 256])
def test_what_is_no_unit_name_is_not_plain(name: str) -> None:
    assert not plain(name)
