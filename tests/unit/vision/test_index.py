# SPDX-License-Identifier: Apache-2.0
"""What was seen is found again, also after a crash in the middle of a write."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.errors import JepaError
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
@given(lost_vectors=st.integers(0, WIDTH * 4), lost_lines=st.integers(1, 60))
def test_what_a_crash_cut_off_is_written_over(
    tmp_path_factory: pytest.TempPathFactory, lost_vectors: int, lost_lines: int
) -> None:
    folder = tmp_path_factory.mktemp("index") / "i"
    filled(folder, 6)
    lines, vectors = folder / "clips.jsonl", folder / "latents.f32"
    lines.write_bytes(lines.read_bytes()[:-lost_lines])  # vectors are written first, so lines are lost first
    kept = lines.read_bytes().count(b"\n")
    if kept < 6:
        vectors.write_bytes(vectors.read_bytes()[: -lost_vectors or None])
    index = LatentIndex(folder, "tiny", WIDTH)
    assert len(index) == kept
    index.add(IndexedClip("b.mp4", 0, 1), latent(99))
    again = LatentIndex(folder, "tiny", WIDTH)
    assert len(again) == kept + 1
    assert again.search(latent(99), 1)[0].clip.source == "b.mp4"
    assert again.search(latent(0), 1)[0].clip == IndexedClip("a.mp4", 0.0, 1.0)


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
    index = filled(tmp_path / "i", 1)
    (tmp_path / "i/latents.f32").unlink()
    (tmp_path / "i/latents.f32").mkdir()
    with pytest.raises(JepaError, match="cannot be written"):
        index.add(IndexedClip("b.mp4", 0, 1), latent(5))


def test_an_index_of_another_pack_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "i", 3)
    with pytest.raises(JepaError, match="was made with tiny, not with vitl"):
        LatentIndex(tmp_path / "i", "vitl", WIDTH)
    (tmp_path / "i/latents.f32").write_bytes(b"short")
    with pytest.raises(JepaError, match="cannot be used"):
        LatentIndex(tmp_path / "i", "tiny", WIDTH)
    (tmp_path / "i/clips.jsonl").write_text("not json\n")
    with pytest.raises(JepaError, match="cannot be used"):
        LatentIndex(tmp_path / "i", "tiny", WIDTH)
    (tmp_path / "file").write_text("")
    with pytest.raises(JepaError, match="cannot be used"):
        LatentIndex(tmp_path / "file", "tiny", WIDTH)


def test_latents_are_pooled_over_time_and_place_and_made_unit() -> None:
    assert pooled(np.ones((2, 3, WIDTH), np.float32)).shape == (WIDTH,)
    assert np.linalg.norm(unit(latent(3))) == pytest.approx(1)
    assert not unit(np.zeros(WIDTH, np.float32)).any()
