# SPDX-License-Identifier: Apache-2.0
"""The streaming model: what it says, what it refuses, what it forgets."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world.controls import HostSize
from jepa.world.forecast import SCALE_FRAMES
from jepa.world.model import WorldModel

SECOND = 1_000_000_000


def frames_of(recording: Recording, count: int = 90) -> list[Frame]:
    return [
        Frame(number * SECOND, values, ~np.isnan(values))
        for number, values in enumerate(recording.values[:count])
    ]


@pytest.fixture
def model(pack: Pack, schema: Schema) -> WorldModel:
    return WorldModel.load(pack, schema)


def test_quantiles_ascend_within_the_channels_range(
    model: WorldModel, recording: Recording, schema: Schema
) -> None:
    for frame in frames_of(recording):
        tick = model.tick(frame)
    forecast = tick.forecast
    shape = model.pack.manifest.shape
    wanted = (len(schema.channels), len(shape.horizons_s), len(shape.quantiles))
    assert forecast.mean.shape == forecast.p90.shape == wanted
    low = np.array([channel.low for channel in schema.channels])[:, None, None]
    high = np.array([channel.high for channel in schema.channels])[:, None, None]
    for values in (forecast.mean, forecast.p90):
        known = values[frame.valid]
        assert np.isfinite(known).all()
        assert (np.diff(known, axis=-1) >= 0).all()
        slack = 1e-3 * (1 + np.abs(high[frame.valid]))
        assert (known >= low[frame.valid] - slack).all()
        assert (known <= high[frame.valid] + slack).all()


def test_the_next_frame_has_one_value_not_a_mean_and_a_peak(model: WorldModel, recording: Recording) -> None:
    forecast = model.tick(frames_of(recording, 1)[0]).forecast
    np.testing.assert_array_equal(forecast.mean[:, 0], forecast.p90[:, 0])


def test_a_channel_this_machine_lacks_has_no_forecast(model: WorldModel, recording: Recording) -> None:
    frames = frames_of(recording)
    never = ~np.any([frame.valid for frame in frames], axis=0)
    assert never.any(), "the recording was made without a battery or swap"
    for frame in frames:
        forecast = model.tick(frame).forecast
    assert np.isnan(forecast.mean[never]).all()


def test_a_frame_with_nothing_observed_is_no_error(model: WorldModel, schema: Schema) -> None:
    empty = np.full(len(schema.channels), np.nan, np.float32)
    tick = model.tick(Frame(0, empty, ~np.isnan(empty)))
    assert np.isnan(tick.forecast.mean).all()


def test_an_invalid_value_is_not_looked_at(pack: Pack, schema: Schema, recording: Recording) -> None:
    frame = frames_of(recording, 1)[0]
    valid = frame.valid.copy()
    valid[0] = False
    said = []
    for hidden in (7.0, 99.0):
        values = frame.values.copy()
        values[0] = hidden
        said.append(WorldModel.load(pack, schema).tick(Frame(0, values, valid)).forecast.mean)
    np.testing.assert_array_equal(*said)


def test_surprise_starts_with_the_second_frame(model: WorldModel, recording: Recording) -> None:
    first, second = (model.tick(frame) for frame in frames_of(recording, 2))
    assert first.surprise is None
    assert second.surprise is not None
    assert 0 <= second.surprise.probability <= 1
    assert second.surprise.distance > 0


def test_the_scale_of_surprise_counts_what_was_ticked_and_begins_anew_after_a_long_gap(
    model: WorldModel, recording: Recording
) -> None:
    frames = frames_of(recording, 40)
    model.replay(frames[:30])
    after = [model.tick(frame).surprise for frame in frames[30:35]]
    later = [dataclasses.replace(frame, ts_ns=frame.ts_ns + 3600 * SECOND) for frame in frames[35:]]
    anew = [model.tick(frame).surprise for frame in later]
    assert [each and each.frames for each in after] == [1, 2, 3, 4, 5]
    assert [each and each.frames for each in anew] == [None, 2, 3, 4, 5]
    assert after[-1] is not None and not after[-1].scaled
    assert dataclasses.replace(after[-1], frames=SCALE_FRAMES).scaled


def test_where_no_unit_can_fail_none_is_predicted(pack: Pack, schema: Schema, recording: Recording) -> None:
    probability = {}
    for manager in (True, False):
        model = WorldModel.load(pack, schema, HostSize(service_manager=manager))
        (first,) = frames_of(recording, 1)
        forecast = model.tick(first).forecast
        probability[manager] = dict(zip(forecast.events, forecast.event_probability, strict=True))
    assert np.isfinite(probability[True]["unit_failure"]).all()
    assert np.isnan(probability[False]["unit_failure"]).all()
    assert np.isfinite(probability[False]["cpu_saturation"]).all()


def test_a_wild_frame_surprises_more_than_the_one_that_came(
    pack: Pack, schema: Schema, recording: Recording
) -> None:
    *past, present = frames_of(recording, 60)
    wild = np.where(present.valid, np.array([c.high for c in schema.channels]), np.nan).astype(np.float32)
    said = []
    for values in (present.values, wild):
        model = WorldModel.load(pack, schema)
        for frame in past:
            model.tick(frame)
        said.append(model.tick(dataclasses.replace(present, values=values)).surprise)
    usual, odd = said
    assert usual is not None
    assert odd is not None
    assert odd.size > usual.size
    assert odd.probability > 0.99
    assert odd.channels
    assert odd.channels[0][1] > 0


def test_replay_leaves_the_same_context_as_ticking(pack: Pack, schema: Schema, recording: Recording) -> None:
    *past, present = frames_of(recording, 140)
    # What it learned of the machine by forecasting is not in the frames: that starts anew.
    ticked, replayed = (WorldModel.load(pack, schema, adapt=False) for _ in range(2))
    for frame in past:
        ticked.tick(frame)
    replayed.replay(past)
    assert ticked.context_frames == replayed.context_frames == replayed.context_limit == 128
    np.testing.assert_array_equal(ticked.tick(present).forecast.mean, replayed.tick(present).forecast.mean)


def test_a_short_gap_is_counted_and_a_long_one_empties_the_context(
    model: WorldModel, recording: Recording
) -> None:
    frames = frames_of(recording, 30)
    model.replay(frames[:10])
    model.tick(dataclasses.replace(frames[10], ts_ns=frames[9].ts_ns + 5 * SECOND))
    assert (model.gaps, model.context_frames) == (1, 11)
    tick = model.tick(dataclasses.replace(frames[11], ts_ns=frames[9].ts_ns + 500 * SECOND))
    assert (model.gaps, model.context_frames) == (2, 1)
    assert tick.surprise is None


def test_a_frame_of_other_channels_is_refused(model: WorldModel) -> None:
    values = np.zeros(3, np.float32)
    with pytest.raises(JepaError, match="does not fit"):
        model.tick(Frame(0, values, values == 0))


def test_a_pack_for_other_channels_is_refused(pack: Pack, schema: Schema) -> None:
    with pytest.raises(JepaError, match="other channels"):
        WorldModel.load(pack, dataclasses.replace(schema, channels=schema.channels[1:]))


def test_a_graph_that_cannot_run_is_refused(pack: Pack, schema: Schema) -> None:
    broken = dataclasses.replace(pack, graphs={**pack.graphs, "decode": pack.graphs["decode"][:1000]})
    with pytest.raises(JepaError, match="decode cannot be run"):
        WorldModel.load(broken, schema)


def test_channels_the_pack_does_not_know_change_nothing(pack: Pack, recording: Recording) -> None:
    unknown = dataclasses.replace(pack.schema.channels[0], name="system.new")
    wider = dataclasses.replace(pack.schema, channels=(unknown, *pack.schema.channels))
    plain, wide = WorldModel.load(pack, pack.schema), WorldModel.load(pack, wider)
    for ts_ns, values in zip(recording.ts_ns[:20], recording.values[:20], strict=True):
        more = np.concatenate([np.array([7.0], np.float32), values])
        expected = plain.tick(Frame(int(ts_ns), values, ~np.isnan(values)))
        given = wide.tick(Frame(int(ts_ns), more, ~np.isnan(more)))
        np.testing.assert_array_equal(given.forecast.mean, expected.forecast.mean)
        assert given.surprise == expected.surprise


@pytest.mark.parametrize(
    "update", [{"events": ("flood",), "untrained_events": ()}, {"controls": ("pause.background",)}]
)
def test_a_pack_made_for_other_events_or_actions_is_refused(
    pack: Pack, schema: Schema, update: dict[str, Any]
) -> None:
    shape = pack.manifest.shape.model_copy(update=update)
    other = dataclasses.replace(pack, manifest=pack.manifest.model_copy(update={"shape": shape}))
    with pytest.raises(JepaError, match="made for other actions or events"):
        WorldModel.load(other, schema)


def test_probabilities_of_untrained_events_are_absent(
    pack: Pack, schema: Schema, recording: Recording
) -> None:
    model = WorldModel.load(pack, schema, HostSize())
    told = [model.tick(frame).forecast for frame in frames_of(recording, 5)][-1]
    assert "cpu_saturation" not in pack.manifest.shape.untrained_events
    for name, probability in zip(told.events, told.event_probability, strict=True):
        assert np.isnan(probability).all() == (name in pack.manifest.shape.untrained_events)
