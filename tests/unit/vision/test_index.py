# SPDX-License-Identifier: Apache-2.0
"""What was seen is found again, also after a crash in the middle of a write."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.telemetry.linelog import encode
from jepa.vision.index import IndexedClip, LatentIndex, pooled, unit

WIDTH = 16


def latent(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=WIDTH).astype(np.float32)


def filled(folder: Path, count: int) -> LatentIndex:
    index = LatentIndex(folder, "tiny", WIDTH)
    for number in range(count):
        index.add(IndexedClip("a.mp4", float(number), number + 1.0), latent(number))
    return index


def test_the_clip_itself_is_found_first_now_and_later(tmp_path: Path) -> None:
    for index in (filled(tmp_path / "i", 20), LatentIndex(tmp_path / "i", "tiny", WIDTH)):
        found = index.search(latent(7) * 3, 4)
        assert len(found) == 4
        assert found[0].clip == IndexedClip("a.mp4", 7.0, 8.0)
        assert found[0].cosine == pytest.approx(1, abs=1e-5)
        assert [each.cosine for each in found] == sorted((each.cosine for each in found), reverse=True)


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    assert LatentIndex(tmp_path / "i", "tiny", WIDTH).search(latent(0)) == []


@settings(max_examples=40, deadline=None)
@given(lost=st.integers(2, 400))
def test_a_clip_that_a_crash_cut_off_costs_only_itself(
    tmp_path_factory: pytest.TempPathFactory, lost: int
) -> None:
    folder = tmp_path_factory.mktemp("index") / "i"
    filled(folder, 6)
    lines = folder / "clips.lines"
    content = lines.read_bytes()
    lines.write_bytes(content[:-lost])
    ends = [place for place, byte in enumerate(content) if byte == ord("\n")]
    kept = sum(1 for end in ends if end <= len(content) - lost)
    index = LatentIndex(folder, "tiny", WIDTH)
    assert len(index) == kept
    index.add(IndexedClip("b.mp4", 0, 1), latent(99))
    again = LatentIndex(folder, "tiny", WIDTH)
    assert len(again) == kept + 1
    assert again.search(latent(99), 1)[0].clip.source == "b.mp4"
    assert again.search(latent(0), 1)[0].clip == IndexedClip("a.mp4", 0.0, 1.0)


def test_a_damaged_clip_is_passed_over_and_the_others_keep_their_latents(tmp_path: Path) -> None:
    filled(tmp_path / "i", 6)
    lines = tmp_path / "i/clips.lines"
    content = lines.read_bytes().split(b"\n")
    content[2] = content[2].replace(b"a.mp4", b"z.mp4")
    lines.write_bytes(b"\n".join(content))
    index = LatentIndex(tmp_path / "i", "tiny", WIDTH)
    assert len(index) == 5
    assert [index.search(latent(at), 1)[0].clip.start_s for at in (0, 1, 3, 4, 5)] == [0, 1, 3, 4, 5]


def test_one_process_adds_at_a_time_and_others_may_look(tmp_path: Path) -> None:
    first = filled(tmp_path / "i", 2)
    second = LatentIndex(tmp_path / "i", "tiny", WIDTH)
    assert len(second.search(latent(1))) == 2
    with pytest.raises(JepaError, match="Another process adds"):
        second.add(IndexedClip("b.mp4", 0, 1), latent(5))
    first.add(IndexedClip("a.mp4", 2, 3), latent(2))
    del first
    second.add(IndexedClip("b.mp4", 0, 1), latent(5))
    third = LatentIndex(tmp_path / "i", "tiny", WIDTH)
    assert len(third) == 4, "what the first added after the second had looked is there too"
    assert third.search(latent(2), 1)[0].clip.start_s == 2


def test_an_index_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    filled(tmp_path / "i", 1)
    index = LatentIndex(tmp_path / "i", "tiny", WIDTH)
    (tmp_path / "i/clips.lines").unlink()
    (tmp_path / "i/clips.lines").mkdir()
    with pytest.raises(JepaError, match="cannot be written"):
        index.add(IndexedClip("b.mp4", 0, 1), latent(5))


def test_an_index_of_another_pack_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "i", 3)
    with pytest.raises(JepaError, match="was made with tiny, not with vitl"):
        LatentIndex(tmp_path / "i", "vitl", WIDTH)
    (tmp_path / "i/clips.lines").write_bytes(encode({"source": "a", "latent": "AAAA"}))
    with pytest.raises(JepaError, match="cannot be used"):
        LatentIndex(tmp_path / "i", "tiny", WIDTH)
    filled(tmp_path / "old", 1)
    (tmp_path / "old/clips.jsonl").write_text("{}\n")
    with pytest.raises(JepaError, match="earlier version"):
        LatentIndex(tmp_path / "old", "tiny", WIDTH)
    (tmp_path / "file").write_text("")
    with pytest.raises(JepaError, match="cannot be used"):
        LatentIndex(tmp_path / "file", "tiny", WIDTH)


def test_latents_are_pooled_over_time_and_place_and_made_unit() -> None:
    assert pooled(np.ones((2, 3, WIDTH), np.float32)).shape == (WIDTH,)
    assert np.linalg.norm(unit(latent(3))) == pytest.approx(1)
    assert not unit(np.zeros(WIDTH, np.float32)).any()
