# SPDX-License-Identifier: Apache-2.0
"""`jepa vision` keeps clips, finds them again, and tells what comes next, from the command line."""

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jepa.shell.cli import main
from jepa.shell.prompt_line import run_line
from jepa.telemetry.events.reports import SOCKET_NAME, Reports
from jepa_lab.vjepa2.checkpoint import open_checkpoint
from jepa_lab.vjepa2.convert import Wanted, convert
from tests.unit.jepa_lab.vjepa2 import tiny
from tests.unit.vision.conftest import video, vision_pack

__all__ = ["video", "vision_pack"]


@pytest.fixture
def answer(
    vision_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    def ask(action: str, *words: str) -> tuple[int, str, str]:
        fixed = ["--pack", str(vision_pack)]
        if action in ("embed", "search"):
            fixed += ["--index", str(tmp_path / "index")]
        status = main(["vision", action, *words, *fixed])
        return status, *capsys.readouterr()

    return ask


def test_what_was_seen_is_found_again(
    answer: Callable[..., tuple[int, str, str]], video: Callable[..., Path]
) -> None:
    bright, dark = str(video("bright.mp4")), str(video("dark.mp4", dark=True))
    status, out, _ = answer("embed", bright)
    assert status == 0
    assert "6 clips kept, 6 in the index" in out
    status, out, _ = answer("embed", dark, "--json")
    assert (status, json.loads(out)["in_index"]) == (0, 12)
    status, out, _ = answer("search", dark, "--json", "--most", "3")
    found = json.loads(out)
    assert len(found) == 3
    assert found[0]["source"] == dark
    assert found[0]["cosine"] == pytest.approx(1, abs=1e-4)
    status, out, _ = answer("search", bright)
    assert bright in out.splitlines()[0]


def test_what_comes_next_is_predicted_and_compared_with_what_came(
    answer: Callable[..., tuple[int, str, str]], video: Callable[..., Path]
) -> None:
    status, out, _ = answer("anticipate", str(video(frames=12)), "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [row["step"] for row in rows] == [1, 2, 1, 2]
    assert all(-1 <= row[key] <= 1.0001 for row in rows for key in ("predicted", "last"))
    status, out, _ = answer("anticipate", str(video(frames=12)), "--clips", "2")
    assert out.count("predicted") == 2


@pytest.mark.parametrize("action", ["embed", "search", "anticipate"])
def test_a_source_that_is_none_is_one_sentence(
    answer: Callable[..., tuple[int, str, str]], tmp_path: Path, video: Callable[..., Path], action: str
) -> None:
    answer("embed", str(video()))
    status, out, err = answer(action, str(tmp_path / "nothing.mp4"))
    assert status == 1
    assert "There is no" in err
    assert "Traceback" not in out + err


def test_an_empty_index_and_a_short_video_are_said(
    answer: Callable[..., tuple[int, str, str]], video: Callable[..., Path]
) -> None:
    status, _, err = answer("search", str(video()))
    assert (status, "is empty" in err) == (1, True)
    answer("embed", str(video()))
    status, _, err = answer("search", str(video(frames=2)))
    assert (status, "shorter than a clip" in err) == (1, True)
    assert answer("embed", str(video()), "--fps", "0")[0] == 2


def test_a_probe_names_what_comes_next(
    video: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.classifier().save_pretrained(tmp_path / "hf")
    convert(open_checkpoint(tmp_path / "hf"), Wanted(frames=4, crop=32), tmp_path / "pack", lambda _: None)
    words = ["vision", "anticipate", str(video(frames=8)), "--pack", str(tmp_path / "pack")]
    assert main([*words, "--json"]) == 0
    row = json.loads(capsys.readouterr().out.splitlines()[0])
    assert {row["next"], row["was"]} <= {"waving", "falling", "nothing"}
    assert 1 / 3 <= row["sure"] <= 1
    assert main(words) == 0
    assert ", was " in capsys.readouterr().out


def test_at_the_prompt_a_camera_needs_an_end(vision_pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(where: str) -> None:
        raise AssertionError(f"{where} is opened")

    importlib.import_module("jepa.vision.camera_watch")  # what it is given when imported it keeps
    monkeypatch.setattr("jepa.vision.source.open_source", refuse)
    for action in ("embed", "watch"):
        words = f"vision {action} /dev/video0 --pack {vision_pack}"
        assert "needs an end" in run_line(None, words)  # type: ignore[arg-type]


@pytest.fixture
def listener(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reports]:
    """What the collector hears of reports."""
    monkeypatch.setenv("JEPA_TELEMETRY_SOCKET", str(place / "t.sock"))
    reports = Reports(place / SOCKET_NAME)
    yield reports
    reports.close()


def test_what_surprises_is_shown_and_told_to_the_event_stream(
    video: Callable[..., Path], listener: Reports, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["vision", "watch", str(video(frames=120, dark_from=100))]
    assert main([*words, "--json"]) == 0
    *events, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [each["kind"] for each in events] == ["anomaly", "anomaly_over"]
    assert events[0]["unit"] == words[-1]
    assert last["counts"]["clips"] == 30
    assert last["unreported"] == 0
    assert [each.kind for each in listener.ready()] == ["anomaly", "anomaly_over"]


def test_an_end_without_listeners_is_said(
    video: Callable[..., Path],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JEPA_TELEMETRY_SOCKET", str(place / "t.sock"))
    assert main(["vision", "watch", str(video(frames=120, dark_from=100)), "--clips", "26"]) == 0
    out = capsys.readouterr().out
    assert "Plain changes of coarse pictures: There is no vision pack here." in out
    assert "anomaly" in out
    assert "26 clips" in out
    assert "1 events are not in `jepa events`" in out


def test_latents_are_watched_where_there_is_a_pack(
    answer: Callable[..., tuple[int, str, str]], video: Callable[..., Path], listener: Reports
) -> None:
    status, out, _ = answer("watch", str(video(frames=24)))
    assert status == 0
    assert out.startswith("6 clips, 0 unchanged"), "nothing is said of plain changes"


@pytest.mark.parametrize("where", ["/nowhere.mp4", "/dev/video99"])
def test_a_source_to_watch_that_is_none_is_one_sentence(
    where: str, listener: Reports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vision", "watch", where]) == 1
    said = capsys.readouterr().err
    assert where in said
    assert "Traceback" not in said
