# SPDX-License-Identifier: Apache-2.0
"""A film of a terminal: what was sent, and when, becomes frames and pictures."""

from pathlib import Path

import pytest

from tools.film import cast, draw, frames
from tools.film.cast import Cast
from tools.film.take import Recorder


def made(*written: tuple[float, str], marks: tuple[tuple[float, str], ...] = ((0.0, "all"),)) -> Cast:
    return Cast(10, 3, written, marks)


def film(recording: Cast, **longest: float) -> list[frames.Frame]:
    return frames.frames(recording, frames.parts(recording, longest))


def text(frame: frames.Frame) -> str:
    return "\n".join("".join(cell.data for cell in row).rstrip() for row in frame.screen).strip()


def test_frames_show_what_the_terminal_showed_when_it_did() -> None:
    recording = made((0.0, "a"), (1.0, "b"), (2.0, "\x1b[2J\x1b[Hnew"), (3.0, "!"))
    found = film(recording)
    assert [text(frame) for frame in found] == ["a", "ab", "new"]
    assert [frame.lasts for frame in found] == [1.0, 1.0, 1.0]
    assert [frame.at for frame in found] == [0.0, 1.0, 2.0]


def test_a_screen_is_looked_at_when_it_is_drawn_whole() -> None:
    recording = made((0.0, "old"), (0.5, "\x1b[2J\x1b[Hha"), (0.54, "lf"), (1.0, ""))
    assert [text(frame) for frame in film(recording)] == ["old", "half"]


def test_a_long_part_is_shown_faster_and_says_so() -> None:
    written = [(float(second), "." if second else "go") for second in range(9)]
    recording = made(*written, marks=((0.0, "type"), (2.0, "wait"), (8.0, "come")))
    found = film(recording, wait=2.0, come=5.0)
    speeds = {frame.speed for frame in found}
    assert speeds == {1.0, 3.0}
    assert sum(frame.lasts for frame in found if frame.speed == 3.0) == 2.0
    assert sum(frame.lasts for frame in found if frame.speed == 1.0) == pytest.approx(2.25)
    assert max(frame.at for frame in found) == 8.0, "times are those of the recording"
    assert text(found[-1]).count(".") == 8


def test_a_recording_is_kept_as_it_was(tmp_path: Path) -> None:
    recording = made((0.5, "█ a\r\n\x1b[31m"), (0.75, "⣿"), marks=((0.25, "type"), (0.5, "wait")))
    cast.save(recording, tmp_path / "one.cast")
    assert cast.load(tmp_path / "one.cast") == recording


def test_a_character_may_come_in_two_pieces() -> None:
    whole = "│".encode()
    assert cast.decoded([(0.0, b"a" + whole[:1]), (1.0, whole[1:2]), (2.0, whole[2:] + b"b")]) == (
        (0.0, "a"),
        (2.0, "│b"),
    )


def test_times_of_a_recording_do_not_go_back() -> None:
    with pytest.raises(ValueError, match="go back"):
        made((1.0, "a"), (0.5, "b"))


@pytest.mark.parametrize(
    ("character", "lit"),
    [("█", 128), ("▄", 64), ("▌", 64), ("▂", 32), ("⣿", 32), ("⠁", 4), ("│", 16), ("─", 8), (" ", 0)],
)
def test_lines_blocks_and_braille_fill_what_they_say(character: str, lit: int) -> None:
    (frame,) = film(made((0.0, f"\x1b[97m{character}\x1b[?25l"), (0.2, "")))
    image = draw.picture(frame, "")
    left, top = draw.MARGIN, draw.MARGIN
    cell = image.crop((left, top, left + draw.WIDTH, top + draw.HEIGHT))
    pixels = list(cell.get_flattened_data())
    assert sum(pixel == (255, 255, 255) for pixel in pixels) == lit


def test_letters_are_drawn_in_the_colours_that_were_sent() -> None:
    (frame,) = film(made((0.0, "\x1b[38;2;1;2;3;48;2;200;100;50mM\x1b[0;7mW"), (0.2, "")))
    image = draw.picture(frame, "x")
    assert image.size == draw.size(10, 3)
    assert draw.colours(frame.screen[0][0]) == ("#010203", "#c86432")
    assert draw.colours(frame.screen[0][1]) == (draw.PAPER, draw.INK)
    assert image.getpixel((draw.MARGIN, draw.MARGIN)) == (200, 100, 50)


def test_a_sequence_with_more_parameters_than_it_takes_does_not_end_the_film() -> None:
    (frame,) = film(made((0.0, "\x1b[2;3;9Hx"), (0.2, "")))
    assert frame.screen[1][2].data == "x"


def test_a_recorder_keeps_what_it_hears_with_its_times_and_shows_it() -> None:
    now = iter([10.0, 10.5, 11.0, 11.25, 12.0])
    recorder = Recorder(lambda: next(now))
    recorder.hear("│ a".encode()[:2])
    recorder.mark("type")
    recorder.hear("│ a".encode()[2:])
    assert "│ a" in recorder.shown
    assert recorder.cast.written == ((1.25, "│ a"),)
    assert recorder.cast.marks == ((1.0, "type"),)
