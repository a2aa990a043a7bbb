# SPDX-License-Identifier: Apache-2.0
"""Roles: rules fit groups, the last rule wins, and changes are seen while running."""

import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.telemetry.roles import LARGEST, RESCAN_S, ROLES, SCAN_SHARE, Roles, parse_rules

RUN = "run/jepa-roles/roles.toml"


def tree(root: Path, *groups: str) -> Path:
    top = root / "sys/fs/cgroup"
    for group in ("", *groups):
        (top / group).mkdir(parents=True, exist_ok=True)
    return top


def assign(root: Path, role: str, *groups: str) -> None:
    file = root / RUN
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[[role]]\nrole = {role!r}\ncgroups = {list(groups)!r}\n")


def test_without_any_file_people_are_the_foreground(tmp_path: Path) -> None:
    top = tree(tmp_path, "user.slice", "system.slice", "machine.slice")
    assert Roles(tmp_path).at(0).groups == {
        top / "user.slice": "foreground",
        top / "machine.slice": "background",
    }


def test_a_star_stands_for_one_part(tmp_path: Path) -> None:
    deep = "user.slice/user-1000.slice/user@1000.service/background.slice"
    top = tree(tmp_path, deep, "user.slice/background.slice")
    assert Roles(tmp_path).at(0).groups == {top / "user.slice": "foreground", top / deep: "background"}


def test_a_group_is_known_by_its_number(tmp_path: Path) -> None:
    top = tree(tmp_path, "user.slice")
    number = (top / "user.slice").stat().st_ino
    assert Roles(tmp_path).at(0).ids == {number: ROLES.index("foreground")}


def test_the_last_rule_wins_and_a_change_is_seen_at_once(tmp_path: Path) -> None:
    top = tree(tmp_path, "user.slice")
    roles = Roles(tmp_path)
    assert roles.at(0).groups[top / "user.slice"] == "foreground"
    assign(tmp_path, "background", "user.slice")
    assert roles.at(0.1).groups[top / "user.slice"] == "background"
    (tmp_path / RUN).unlink()
    assert roles.at(0.2).groups[top / "user.slice"] == "foreground"


def test_a_new_group_is_seen_after_a_while(tmp_path: Path) -> None:
    top = tree(tmp_path)
    roles = Roles(tmp_path)
    assert roles.at(0).groups == {}
    tree(tmp_path, "user.slice")
    assert roles.at(RESCAN_S + 0.1).groups == {top / "user.slice": "foreground"}


def test_a_broken_file_is_told_and_what_was_before_goes_on(tmp_path: Path) -> None:
    top = tree(tmp_path, "a.slice")
    assign(tmp_path, "background", "a.slice")
    roles = Roles(tmp_path)
    roles.at(0)
    (tmp_path / RUN).write_text("[[role]]\nrole = 'boss'\ncgroups = []\n")
    after = roles.at(1)
    assert after.groups[top / "a.slice"] == "background"
    assert "'boss' is not one of" in after.reason


def test_too_many_groups_are_told(tmp_path: Path) -> None:
    tree(tmp_path, *(f"a.slice/{number}" for number in range(300)))
    assign(tmp_path, "background", "a.slice/*")
    after = Roles(tmp_path).at(0)
    assert len(after.groups) == LARGEST
    assert "300 groups" in after.reason


def test_ten_thousand_groups_cost_little_while_nothing_changes(tmp_path: Path) -> None:
    tree(tmp_path, *(f"user.slice/u{n}/s{m}" for n in range(100) for m in range(100)))
    roles = Roles(tmp_path)
    start = time.process_time()
    roles.at(0)
    first = time.process_time() - start
    start = time.process_time()
    for second in range(100):
        roles.at(second * RESCAN_S / 200)
    assert (time.process_time() - start) / 100 < max(0.001, first / 10)


def test_where_a_look_through_is_dear_it_is_rare_but_a_changed_rule_counts_at_once(tmp_path: Path) -> None:
    top = tree(tmp_path, "a.slice")
    spent = itertools.count(0.0, 0.05)
    roles = Roles(tmp_path, cpu_s=lambda: next(spent))
    roles.at(0)
    tree(tmp_path, "user.slice")
    rest = 0.05 / SCAN_SHARE
    assert roles.at(rest - 1).groups == {}
    assert top / "user.slice" in roles.at(rest + 1).groups
    assign(tmp_path, "background", "a.slice")
    assert roles.at(rest + 2).groups[top / "a.slice"] == "background"


@pytest.mark.parametrize(
    "text",
    [
        "role = 1",
        "[[role]]\nrole = 'system'",
        "[[role]]\nrole = 'system'\ncgroups = 'a'",
        "[[role]]\nrole = 'system'\ncgroups = ['../x']",
        "[[role]]\nrole = 'system'\ncgroups = [1]",
        "[[role]]\nrole = 'system'\ncgroups = ['/']",
        "[[role]]\nrole = 'system'\ncgroups = ['user.slice/user-*.slice']",
        "a = " + "[" * 100_000,
    ],
)
def test_a_bad_rule_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(JepaError, match="cannot be used"):
        parse_rules(text, Path("roles.toml"))


@given(st.text(max_size=200))
def test_any_text_is_rules_or_refused(text: str) -> None:
    try:
        rules = parse_rules(text, Path("roles.toml"))
    except JepaError:
        return
    assert all(rule.role in ROLES for rule in rules)


def test_a_file_that_is_no_text_is_told_once_and_what_was_before_goes_on(tmp_path: Path) -> None:
    top = tree(tmp_path, "a.slice")
    assign(tmp_path, "background", "a.slice")
    roles = Roles(tmp_path)
    roles.at(0)
    (tmp_path / RUN).write_bytes(b"\xff\xfe")
    after = roles.at(1)
    assert after.groups[top / "a.slice"] == "background"
    assert RUN in after.reason
    assert roles.at(1.1) is after, "nothing changed, so nothing is looked at again"
