# SPDX-License-Identifier: Apache-2.0
"""The energy of what was observed is that of the plan's own terms."""

import numpy as np

from jepa.planning.energy import AtMost, Energy, LatentTarget
from jepa.planning.measured import observed_energy
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import Schema
from tests.unit.planning.conftest import WAIT

GOAL = Energy((AtMost(WAIT, 5.0),))


def frame(schema: Schema, wait: float | None) -> Frame:
    values = np.zeros(len(schema.channels), np.float32)
    values[schema.index(WAIT)] = np.nan if wait is None else wait
    return Frame(0, values, ~np.isnan(values))


def test_what_is_too_much_counts(schema: Schema) -> None:
    calm = observed_energy(GOAL, schema, [frame(schema, 4.0), frame(schema, 5.0)])
    some, more = (observed_energy(GOAL, schema, [frame(schema, wait)]) for wait in (30.0, 80.0))
    assert calm is not None and 0 < calm < 0.005, "what is little is hardly anything"
    assert some is not None and more is not None and 0 < some < more


def test_the_mean_of_what_was_observed_is_taken(schema: Schema) -> None:
    frames = [frame(schema, wait) for wait in (20.0, None, 40.0)]
    assert observed_energy(GOAL, schema, frames) == observed_energy(GOAL, schema, [frame(schema, 30.0)])


def test_what_is_not_observed_has_no_energy(schema: Schema) -> None:
    assert observed_energy(GOAL, schema, [frame(schema, None)]) is None
    assert observed_energy(GOAL, schema, []) is None
    assert (
        observed_energy(Energy(latent=LatentTarget(np.zeros(2), 0.1)), schema, [frame(schema, 1.0)]) is None
    )
