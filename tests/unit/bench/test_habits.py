# SPDX-License-Identifier: Apache-2.0
"""The rivals of the habits follow their definitions, and the data set is read as it is published."""

import json
from pathlib import Path

import pytest

from tests.bench.habits import FEWEST, PREDICTORS, main, participants, saved


@pytest.mark.parametrize(
    ("rule", "first"),
    [("most recent", "b"), ("most frequent", "a"), ("Markov", "c"), ("IPAM", "c")],
)
def test_each_rule_has_its_own_idea_of_what_comes(rule: str, first: str) -> None:
    predictor = PREDICTORS[rule]()
    for line in ["a", "b", "c", "a", "a", "b"]:
        predictor.learn(line)
    assert next(iter(predictor.verbs())) == next(iter(predictor.lines())) == first


def test_participants_are_read_in_the_order_of_time_and_short_ones_left_out(tmp_path: Path) -> None:
    game = tmp_path / "Locust/2022-04-25"
    game.mkdir(parents=True)
    rows = [
        {"timestamp_str": f"2022-04-25T10:{59 - n:02}:00+00:00", "cmd": f"ls  {n}"} for n in range(FEWEST)
    ]
    later = {"timestamp_str": "2022-04-25T13:00:00+02:00", "cmd": "exit"}
    lines = [json.dumps(later), *map(json.dumps, rows), '{"torn', json.dumps({"timestamp_str": "x"})]
    (game / "sandbox-1-useractions.json").write_text("\n".join(lines))
    (game / "sandbox-2-useractions.json").write_text(json.dumps(rows[0]))
    (found,) = participants(tmp_path)["Locust"]
    assert found == [f"ls {n}" for n in reversed(range(FEWEST))] + ["exit"]


def test_key_strokes_are_counted_until_the_offer_is_the_line() -> None:
    assert saved(["status"], habits=False) == 0
    # Of the second, one key is typed and one takes it: four of twelve are spared.
    assert saved(["status", "status"], habits=False) == pytest.approx(4 / 12)


def test_a_folder_without_the_data_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "useractions.json" in capsys.readouterr().err
