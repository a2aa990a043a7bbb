# SPDX-License-Identifier: Apache-2.0
"""`jepa signal` keeps signals in a file, and says what their reader says of them."""

import json
from pathlib import Path

import pytest

from jepa.shell.cli import main
from jepa.signals import published, store
from jepa.signals.signal import SignalReading
from jepa.telemetry.clocks import boot_s

READING = SignalReading("ok", 3.0, "", {15: {"mean": (2.0, 3.0, 4.0), "p90": (2.0, 4.0, 5.0)}})
AHEAD = {"forecast": {"15": {"mean": [2.0, 3.0, 4.0], "p90": [2.0, 4.0, 5.0]}}}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "FILE", tmp_path / "signals.toml")
    monkeypatch.setattr(published, "FILE", tmp_path / "signals.json")
    monkeypatch.setattr("jepa.shell.verbs.signal.TAKEN_UP_S", 0.0)


def test_a_signal_is_added_listed_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signal", "list"]) == 0
    assert "There is no signal" in capsys.readouterr().out
    assert main(["signal", "add", "queue", "file:/run/queue"]) == 1
    assert "jepa-signals is not running" in capsys.readouterr().out
    published.publish(published.FILE, {"queue": "file:/run/queue"}, {"queue": READING}, boot_s())
    assert main(["signal", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "queue", "source": "file:/run/queue", "state": "ok", "value": 3.0, "reason": "", **AHEAD}
    ]
    assert main(["signal", "list"]) == 0
    assert "2 .. 4" in capsys.readouterr().out
    assert main(["signal", "remove", "queue"]) == 0
    assert not store.FILE.exists()


@pytest.mark.parametrize(
    "words", [("add", "Queue", "file:/x"), ("add", "queue", "nowhere"), ("remove", "other")]
)
def test_what_cannot_be_is_refused_in_one_sentence(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["signal", *words]) == 1
    assert capsys.readouterr().err
    assert not store.FILE.exists()
