# SPDX-License-Identifier: Apache-2.0
"""What may be asked of imagination, and what its answer holds."""

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recording
from jepa.world.controls import CONTROLS, HostSize
from jepa.world.model import WorldModel

SECOND = 1_000_000_000


@pytest.fixture
def model(pack: Pack, recording: Recording) -> WorldModel:
    model = WorldModel.load(pack, pack.schema, HostSize(service_manager=False))
    for number, values in enumerate(recording.values[:20]):
        model.tick(Frame(number * SECOND, values, ~np.isnan(values)))
    return model


def sequences(pack: Pack, count: int) -> np.ndarray:
    return np.zeros((count, pack.manifest.shape.imagined, len(CONTROLS)), np.float32)


def test_before_the_first_frame_there_is_nothing_to_imagine_from(pack: Pack) -> None:
    with pytest.raises(JepaError, match="no frame yet"):
        WorldModel.load(pack, pack.schema).imagine(sequences(pack, 1))


def test_sequences_of_another_shape_are_refused(model: WorldModel, pack: Pack) -> None:
    for wrong in (sequences(pack, 0), sequences(pack, pack.manifest.shape.candidates + 1)):
        with pytest.raises(ValueError, match="action sequences of shape"):
            model.imagine(wrong)
    with pytest.raises(ValueError, match="action sequences of shape"):
        model.imagine(sequences(pack, 2)[:, 1:])


def test_an_answer_is_of_as_many_as_were_asked_and_does_not_depend_on_the_others(
    model: WorldModel, pack: Pack
) -> None:
    two = sequences(pack, 2)
    two[1, :, 0] = 1.0
    both, alone = model.imagine(two), model.imagine(two[1:])
    assert len(both.latents) == len(both.mean) == len(both.event_probability) == 2
    np.testing.assert_allclose(both.latents[1], alone.latents[0], atol=1e-5)
    np.testing.assert_allclose(both.mean[1], alone.mean[0], rtol=1e-4, atol=1e-4)


def test_imagining_changes_no_forecast(pack: Pack, recording: Recording) -> None:
    asked, silent = (WorldModel.load(pack, pack.schema, HostSize()) for _ in range(2))
    for number, values in enumerate(recording.values[:10]):
        frame = Frame(number * SECOND, values, ~np.isnan(values))
        one, other = asked.tick(frame).forecast, silent.tick(frame).forecast
        np.testing.assert_array_equal(one.mean, other.mean)
        np.testing.assert_array_equal(one.event_probability, other.event_probability)
        asked.imagine(sequences(pack, 3))


def test_events_unknown_here_are_unknown_in_imagination(model: WorldModel, pack: Pack) -> None:
    imagined = model.imagine(sequences(pack, 2)).event_probability
    unit = pack.manifest.shape.events.index("unit_failure")
    assert np.isnan(imagined[:, unit]).all(), "no service manager runs"
    assert np.isfinite(np.delete(imagined, unit, axis=1)).all()
