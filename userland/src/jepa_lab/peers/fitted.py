# SPDX-License-Identifier: Apache-2.0
"""Fits the peers by name on the recordings that the world model was trained on."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from jepa.evaluation.replay import NO_ADAPTATION, SCHEDULE_ORACLE, Forecaster
from jepa.packs.pack import Pack
from jepa.telemetry.recording import load_recording
from jepa_lab.data import find_recordings, with_twins


def fit_peers(names: Sequence[str], recordings: Path, pack: Pack) -> dict[str, Forecaster]:
    """Each peer of ``names``, fitted on the channels of ``pack``; JepaError when there are no recordings."""
    if not names:
        return {}
    # Imported only here: these libraries take seconds to load.
    from jepa_lab.peers.ets import Ets
    from jepa_lab.peers.features import table
    from jepa_lab.peers.no_adaptation import NoAdaptation
    from jepa_lab.peers.ridge import Ridge
    from jepa_lab.peers.trees import Trees

    horizons = pack.manifest.shape.horizons_s
    train, validation = (
        [table(load_recording(folder, pack.schema), horizons) for folder in folders]
        for folders in (
            with_twins(find_recordings(recordings, "train")),
            find_recordings(recordings, "validation"),
        )
    )
    makers: dict[str, Callable[[], Forecaster]] = {
        NO_ADAPTATION: lambda: NoAdaptation(pack),
        "ridge": lambda: Ridge(train, validation),
        "trees": lambda: Trees(train, validation),
        SCHEDULE_ORACLE: lambda: Trees(train, validation, schedule=True),
        "ets": Ets,
    }
    peers: dict[str, Forecaster] = {}
    for name in names:
        print(f"fitting {name}", file=sys.stderr)
        peers[name] = makers[name]()
    return peers
