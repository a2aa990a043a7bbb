# SPDX-License-Identifier: Apache-2.0
"""`jepa vision` keeps clips, finds them again, and tells what comes next, from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from jepa.shell.cli import main, run_line
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
        fixed = ["--pack", str(vision_pack), "--index", str(tmp_path / "index")]
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
    assert found[0]["alike"] == pytest.approx(1, abs=1e-4)
    status, out, _ = answer("search", bright)
    assert bright in out.splitlines()[0]


def test_what_comes_next_is_told_and_held_against_what_came(
    answer: Callable[..., tuple[int, str, str]], video: Callable[..., Path]
) -> None:
    status, out, _ = answer("anticipate", str(video(frames=12)), "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [row["step"] for row in rows] == [1, 2, 1, 2]
    assert all(-1 <= row[key] <= 1.0001 for row in rows for key in ("told", "last"))
    status, out, _ = answer("anticipate", str(video(frames=12)), "--clips", "2")
    assert out.count("as told") == 2


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


def test_at_the_prompt_a_camera_needs_an_end(
    vision_pack: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Endless:
        live, damaged = True, 0
        closed = False

        def __iter__(self) -> object:
            raise AssertionError("nothing is read")

        def close(self) -> None:
            self.closed = True

    camera = Endless()
    monkeypatch.setattr("jepa.vision.source.open_source", lambda _: camera)
    words = f"vision embed /dev/video0 --pack {vision_pack} --index {tmp_path / 'index'}"
    assert "needs an end" in run_line(None, words)  # type: ignore[arg-type]
    assert camera.closed
