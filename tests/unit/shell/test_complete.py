# SPDX-License-Identifier: Apache-2.0
import pytest

from jepa.shell.candidates import candidates
from jepa.shell.complete import Vocabulary
from jepa.shell.prompt_line import actions, verbs

WORDS = Vocabulary(
    ["status", "forecast", "doctor"], ["system.cpu.utilization", "system.cpu.load", "hw.power"]
)


@pytest.mark.parametrize(
    ("typed", "extended", "left"),
    [
        ("st", "status ", 1),
        ("jepa do", "jepa doctor ", 1),
        ("forecast system.c", "forecast system.cpu.", 2),
        ("forecast power", "forecast hw.power ", 1),
        ("forecast cpu", "forecast cpu", 2),
        ("forecast hw.power s", "forecast hw.power system.cpu.", 2),
        ("forecast hw.power hw", "forecast hw.power hw", 0),
        ("forecast --h", "forecast --h", 0),
        ("status sys", "status sys", 0),
        ("nothing", "nothing", 0),
    ],
)
def test_a_line_is_completed_as_far_as_it_is_certain(typed: str, extended: str, left: int) -> None:
    line, found = WORDS.extend(typed)
    assert (line, len(found)) == (extended, left)


def test_an_empty_line_can_become_any_verb() -> None:
    assert WORDS.completions("") == ["doctor", "forecast", "status"]


def test_a_unit_behind_a_number_becomes_no_name() -> None:
    words = Vocabulary(["status"])
    words.names = ["backup", "hwrng"]
    assert words.completions("limit ba") == ["limit backup"]
    assert words.completions("limit backup to 20 % cpu for 1 h") == []
    assert words.completions("limit backup for 1.5 h") == []
    assert words.completions("restart h") == ["restart hwrng"]


def test_actions_follow_their_verb() -> None:
    words = Vocabulary(verbs(), ["system.cpu.utilization"], actions())
    assert words.extend("packs b") == ("packs build ", ["packs build"])
    assert words.completions("jepa vision re") == ["jepa vision reach"]
    assert words.completions("help fo") == ["help forecast"]
    assert words.completions("packs list l") == []


def test_what_a_verb_takes_is_looked_up() -> None:
    words = Vocabulary(verbs(), ["system.cpu.utilization"], actions(), candidates)
    assert words.extend("act vm.swap") == ("act vm.swappiness ", ["act vm.swappiness"])
    assert words.completions("jepa act net.core.default_qdisc fq_") == [
        "jepa act net.core.default_qdisc fq_codel"
    ]
    assert words.completions("status vm") == []
