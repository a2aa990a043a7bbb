# SPDX-License-Identifier: Apache-2.0
"""The predictor shows the model every frame once and in order, and says why there is no forecast."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.service.predictor import Loaded, Predictor
from jepa.telemetry.frame import Frame
from jepa.world.forecast import Forecast, Tick


def frame(number: int) -> Frame:
    return Frame(ts_ns=number, values=np.zeros(1, np.float32), valid=np.ones(1, np.bool_))


FRAMES = [(number, frame(number)) for number in range(10)]


class Noting:
    """Notes the frames it saw; fails at those in ``fails``, and foretells ``told`` at the others."""

    context_limit = 4
    unfamiliar = False

    def __init__(self, fails: Sequence[int] = (), told: float = 1.0) -> None:
        self.seen: list[int] = []
        self._fails = fails
        self._told = told

    @property
    def context_frames(self) -> int:
        return min(len(self.seen), self.context_limit)

    def replay(self, frames: Sequence[Frame]) -> None:
        self.seen += [each.ts_ns for each in frames]

    def tick(self, frame: Frame) -> Tick:
        if frame.ts_ns in self._fails:
            raise FloatingPointError("NaN")
        self.replay([frame])
        bands = np.full((1, 1, 1), self._told, np.float32)
        return Tick(
            Forecast(frame.ts_ns, ("a",), (1,), (0.5,), bands, bands), None, self.context_frames, 2.0
        )


def known_until(newest: int) -> list[tuple[int, Frame]]:
    return FRAMES[max(0, newest - 3) : newest + 1]


def loaded(model: Noting, newest: int = 3) -> Predictor:
    """A predictor whose model was shown the frames up to ``newest``."""
    predictor = Predictor(lambda: Loaded("noting 1", model))
    predictor.start(lambda count: known_until(newest)[-count:])
    predictor.close()
    return predictor


def test_frames_that_came_while_it_loaded_are_replayed_before_the_next_tick() -> None:
    model = Noting()
    predictor = loaded(model)
    tick = predictor.tick(6, frame(6), lambda count: known_until(6)[-count:])
    assert tick is not None
    assert model.seen == [0, 1, 2, 3, 4, 5, 6]
    assert predictor.settled.is_set()
    assert predictor.part().state == "ok"
    assert predictor.context == (4, 4)
    assert predictor.times.quantile(0.5) is not None


def test_there_is_no_tick_while_the_model_loads() -> None:
    go = threading.Event()

    def slow() -> Loaded:
        go.wait(20)
        return Loaded("noting 1", Noting())

    predictor = Predictor(slow)
    predictor.start(lambda count: [])
    assert predictor.tick(0, frame(0), lambda count: []) is None
    assert predictor.part().reason == "The model is being loaded."
    assert predictor.context == (0, 0)
    go.set()
    predictor.close()
    assert predictor.pack == "noting 1"
    assert predictor.why_not().problem == "There is no forecast yet."


def test_a_failed_tick_is_counted_and_the_next_good_one_ends_the_fault() -> None:
    predictor = loaded(Noting(fails=(4, 5)))
    for number in (4, 5):
        assert predictor.tick(number, frame(number), lambda count: []) is None
    part = predictor.part()
    assert (part.state, part.reason) == ("degraded", "The model failed: FloatingPointError: NaN. (2 times)")
    assert predictor.why_not().status == 503
    assert predictor.tick(6, frame(6), lambda count: []) is not None
    assert predictor.part().state == "ok"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (JepaError("The pack is damaged.", "Install it again."), "The pack is damaged."),
        (MemoryError("no room"), "The model failed: MemoryError: no room."),
    ],
)
def test_a_model_that_does_not_load_is_settled_with_its_reason(error: Exception, reason: str) -> None:
    def refuse() -> Loaded:
        raise error

    predictor = Predictor(refuse)
    predictor.start(lambda count: [])
    assert predictor.settled.wait(20)
    part = predictor.part()
    assert (part.state, part.reason) == ("degraded", reason)
    assert part.remedy


def test_without_a_pack_the_model_is_off() -> None:
    predictor = Predictor(None)
    predictor.start(lambda count: [])
    assert predictor.settled.is_set()
    assert predictor.part().state == "off"


def switch(predictor: Predictor, model: Noting, newest: int = 5) -> tuple[str, str | None]:
    return predictor.switch(
        lambda: Loaded("noting 2", model), lambda count: known_until(newest)[-count:], ["a"]
    )


def test_another_model_takes_over_with_the_same_past_and_no_frame_is_lost() -> None:
    old, new = Noting(), Noting()
    predictor = loaded(old)
    for number in (4, 5):
        assert predictor.tick(number, frame(number), lambda count: []) is not None
    assert switch(predictor, new) == ("noting 2", "noting 1")
    assert new.seen == [2, 3, 4, 5]
    # Number 6 came while it was loaded: it is shown before the next one is forecast from.
    assert predictor.tick(7, frame(7), lambda count: known_until(7)[-count:]) is not None
    assert new.seen == [2, 3, 4, 5, 6, 7]
    assert old.seen == [0, 1, 2, 3, 4, 5]


def test_nobody_asks_a_model_that_has_not_forecast_since_it_took_over() -> None:
    predictor = loaded(Noting())
    predictor.tick(4, frame(4), lambda count: [])
    switch(predictor, Noting(), newest=4)
    with pytest.raises(JepaError, match="There is no forecast yet"), predictor.borrowed():
        pass
    predictor.tick(5, frame(5), lambda count: [])
    with predictor.borrowed() as held:
        assert held.pack == "noting 2"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Noting(fails=(5,)), r"failed its check: FloatingPointError: NaN\. noting 1 stays in use"),
        (Noting(told=np.nan), r"forecasts no number for a\. noting 1 stays in use"),
    ],
)
def test_a_model_that_cannot_forecast_leaves_the_old_one_in_use(model: Noting, reason: str) -> None:
    predictor = loaded(Noting())
    predictor.tick(4, frame(4), lambda count: [])
    with pytest.raises(JepaError, match=reason):
        switch(predictor, model)
    assert predictor.pack == "noting 1"
    assert predictor.tick(5, frame(5), lambda count: []) is not None
    assert predictor.part().state == "ok"


def test_without_a_frame_no_model_can_be_checked() -> None:
    predictor = loaded(Noting())
    with pytest.raises(JepaError, match="No frame is there"):
        predictor.switch(lambda: Loaded("noting 2", Noting()), lambda count: [], ["a"])


def test_a_model_in_place_of_the_chosen_one_says_so() -> None:
    fault = JepaError("The pack is made for other channels.", "Install another.")
    predictor = Predictor(lambda: Loaded("noting 1", Noting(), fault))
    predictor.start(lambda count: [])
    predictor.close()
    assert predictor.tick(0, frame(0), lambda count: []) is not None
    part = predictor.part()
    assert (part.state, part.reason) == (
        "degraded",
        "The pack is made for other channels. noting 1 is used instead.",
    )
