# SPDX-License-Identifier: Apache-2.0
"""The ring numbers frames in the order they came and gives the model only those without a gap."""

import threading

import numpy as np

from jepa.service.ring import RING_FRAMES, Entry, Ring
from jepa.telemetry.frame import Frame

SECOND = 1_000_000_000


def frame(second: int) -> Frame:
    return Frame(ts_ns=second * SECOND, values=np.zeros(1, np.float32), valid=np.ones(1, np.bool_))


def append(ring: Ring, second: int) -> None:
    ring.append(Entry(ring.next_sequence, frame(second), None))


def test_numbers_go_on_after_restored_frames_which_do_not_count_as_taken() -> None:
    ring = Ring()
    assert (ring.next_sequence, ring.taken) == (0, 0)
    ring.restore([frame(1), frame(2)])
    append(ring, 3)
    assert [entry.sequence for entry in ring.newest()] == [0, 1, 2]
    assert ring.taken == 1


def test_numbers_are_not_used_again_when_the_oldest_frames_leave() -> None:
    ring = Ring()
    for second in range(RING_FRAMES + 2):
        append(ring, second)
    assert len(ring.newest()) == RING_FRAMES
    assert [entry.sequence for entry in ring.newest(1)] == [RING_FRAMES + 1]
    assert ring.taken == RING_FRAMES + 2


def test_the_contiguous_frames_end_at_a_gap() -> None:
    ring = Ring()
    for second in (1, 2, 500, 501):
        append(ring, second)
    assert [(number, each.ts_ns // SECOND) for number, each in ring.contiguous(10)] == [(2, 500), (3, 501)]
    assert [number for number, _ in ring.contiguous(1)] == [3]


def test_a_waiter_is_woken_by_the_frame_it_waits_for() -> None:
    ring = Ring()
    assert not ring.wait(1, 0.0)
    appender = threading.Timer(0.05, append, (ring, 1))
    appender.start()
    assert ring.wait(1, 20.0)
    appender.join()
