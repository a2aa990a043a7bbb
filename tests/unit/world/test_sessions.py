# SPDX-License-Identifier: Apache-2.0
"""Running a graph changes nothing else in the process."""

import numpy as np

from jepa.packs.pack import Pack
from jepa.telemetry.schema import Schema
from jepa.world.model import WorldModel


def test_arithmetic_stays_as_it_was(pack: Pack, schema: Schema) -> None:
    WorldModel.load(pack, schema)
    smallest = np.nextafter(np.float32(0), np.float32(1))
    assert smallest > 0, "subnormal numbers were switched off for the whole thread"
