# SPDX-License-Identifier: Apache-2.0
"""The shipped pack and a held-out recording, for every test of the world model."""

from pathlib import Path

import pytest

from jepa.packs.pack import Pack, load_pack
from jepa.telemetry.recording import Recording, load_recording
from jepa.telemetry.schema import Schema

SOURCE = Path(__file__).parents[3] / "model-packs" / "machine"


@pytest.fixture(scope="session")
def pack() -> Pack:
    return load_pack(SOURCE)


@pytest.fixture(scope="session")
def schema(pack: Pack) -> Schema:
    return pack.schema


@pytest.fixture(scope="session")
def recording(pack: Pack) -> Recording:
    return load_recording(SOURCE / "heldout/h01-shop", pack.schema)
