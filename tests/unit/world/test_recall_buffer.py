# SPDX-License-Identifier: Apache-2.0
"""Each outcome lies where decode looks for it: at the frame on which its window ended."""

import numpy as np

from jepa.world.recall_buffer import RecallBuffer

WINDOW, COARSE, HORIZONS, CHANNELS = 8, 3, (1, 3), 2


def pushed(memory: RecallBuffer, number: int) -> None:
    stats = np.full((CHANNELS, len(HORIZONS), 2), float(number), np.float32)
    stats[:, 1, 0] += 100
    stats[:, 1, 1] += 200
    seen = np.ones((CHANNELS, len(HORIZONS)), np.float32)
    seen[1, 1] = 0
    memory.push(np.full(4, number, np.float32), stats, seen)


def test_an_outcome_holds_its_window_and_the_value_before_it() -> None:
    memory = RecallBuffer(WINDOW, COARSE, 4, HORIZONS, CHANNELS)
    for number in range(6):
        pushed(memory, number)
    assert list(memory.keys[:WINDOW, 0]) == [0, 0, 0, 1, 2, 3, 4, 5]
    # The window of 3 that ended with frame 5 began after frame 2.
    assert list(memory.outcomes[1, -1, :, 0]) == [105, 205, 1, 2]
    assert list(memory.outcomes[0, -2, :, 0]) == [4, 4, 1, 3]
    assert not memory.outcomes[1, :, :, 1].any(), "what was not observed weighs nothing"
    memory.clear()
    assert not memory.outcomes.any()
    assert not memory.keys.any()


def test_what_is_kept_beyond_the_window_keeps_what_followed_it() -> None:
    memory = RecallBuffer(WINDOW, COARSE, 4, HORIZONS, CHANNELS)
    for number in range(20):
        if number in (10, 15):  # frames 2 and 7 are about to leave the window
            memory.thin()
        pushed(memory, number)
    assert list(memory.keys[WINDOW:, 0]) == [0, 2, 7]
    assert list(memory.followed[0, -1, :, 0]) == [8, 8, 1, 7]
    assert list(memory.followed[1, -2, :, 0]) == [105, 205, 1, 2]
    assert not memory.followed[:, 0].any()
    memory.clear()
    assert not memory.followed.any()
