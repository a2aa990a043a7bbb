# SPDX-License-Identifier: Apache-2.0
"""Builds a pack folder from a trained model: graphs, calibration and the manifest."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.flop_counter import FlopCounterMode

from jepa.packs.machine import Calibration, MachineManifest, ModelShape
from jepa.packs.manifest import GraphFile
from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recording, load_recording
from jepa.telemetry.schema import Schema
from jepa.world.controls import CONTROL_NAMES, ActionReplay, host_of
from jepa.world.event_definitions import EVENT_DEFINITIONS, held
from jepa.world.model import WorldModel
from jepa.world.surprise import Sizes
from jepa_lab.data import find_recordings
from jepa_lab.export import export, graph_modules
from jepa_lab.files import OPSET, write_manifest
from jepa_lab.model.world import MachineModel
from jepa_lab.weights import save_weights

Onsets = npt.NDArray[np.float64]
"""(E,), in the order of EVENT_DEFINITIONS."""
_CALIBRATION_POINTS = 41
_LEAST_ONSETS = 10


def build_pack(
    model: MachineModel,
    report: dict[str, object],
    onsets: Onsets,
    validation: Sequence[Recording],
    schema: Schema,
    version: str,
    out: Path,
    written_by: str = "jepa-lab train",
) -> MachineManifest:
    """Write the machine pack into ``out``, its surprise calibrated on ``validation`` recordings.

    ``onsets`` says how often each event began in what it was trained on.
    """
    provenance = {
        "trained": str(report["trained"]),
        "data": str(report["data"]),
        "seed": int(str(report["seed"])),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    paths = export(model, schema, out, {"jepa.pack": f"machine {version}"})
    size = model.config
    shape = ModelShape(
        width=size.width,
        window=size.window,
        coarse=size.coarse,
        coarse_s=size.coarse_s,
        layers=size.layers,
        heads=size.heads,
        key_width=size.recall_heads * size.recall_width,
        horizons_s=size.horizons_s,
        longer_s=size.longer_s,
        quantiles=size.quantiles,
        controls=CONTROL_NAMES,
        events=tuple(each.name for each in EVENT_DEFINITIONS),
        untrained_events=untrained_events(onsets),
        candidates=size.candidates,
        imagined=size.imagined,
    )
    content = {
        "name": "machine",
        "version": version,
        "kind": "machine",
        "licence": "Apache-2.0",
        "card": "CARD.md",
        "results": "results/heldout.json",
        "channels": {
            "version": schema.version,
            "digest": schema.digest,
            "names": schema.names,
        },
        "shape": shape,
        "budget": {
            "tick_ms_p99": 10.0,
            "rss_mib": 150.0,
            "mflop_per_tick": math.ceil(mflop_per_tick(model) * 10) / 10,
        },
        "calibration": Calibration(usual_distance=1.0, usual_novelty=1.0, surprise=(0.0, 1.0)),
        "provenance": provenance,
        "graphs": {
            name: GraphFile(
                file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), opset=OPSET
            )
            for name, path in paths.items()
        },
    }
    graphs = {name: path.read_bytes() for name, path in paths.items()}
    pack = Pack(out, MachineManifest.model_validate(content), graphs, schema)
    content["calibration"] = calibrate(pack, validation, schema)
    manifest = MachineManifest.model_validate(content)
    write_manifest(out, manifest, written_by)
    save_weights(model, out)
    return manifest


def seen_in(recordings: Path, schema: Schema) -> tuple[Onsets, list[Recording]]:
    """How often events began in the training recordings below ``recordings``, and its validation ones."""
    train, validation = (
        (load_recording(folder, schema) for folder in find_recordings(recordings, split))
        for split in ("train", "validation")
    )
    return sum(map(onsets_in, train), np.zeros(len(EVENT_DEFINITIONS))), list(validation)


def onsets_in(recording: Recording) -> Onsets:
    """How often each event began in ``recording``."""
    on = np.nan_to_num(held(recording)) > 0
    return np.asarray((on[1:] & ~on[:-1]).sum(axis=0), np.float64)


def untrained_events(onsets: Onsets) -> tuple[str, ...]:
    """The events that began too seldom for a model to learn what precedes them."""
    return tuple(
        each.name for each, times in zip(EVENT_DEFINITIONS, onsets, strict=True) if times < _LEAST_ONSETS
    )


def calibrate(pack: Pack, recordings: Sequence[Recording], schema: Schema) -> Calibration:
    """What is usual, and quantiles of the surprise, over recordings that were not trained on."""
    runs: list[list[tuple[float, float]]] = []
    for recording in recordings:
        parts: list[tuple[float, float]] = []
        world = WorldModel.load(pack, schema, host_of(recording.meta))
        actions = ActionReplay(recording.actions)
        for ts_ns, values in zip(recording.ts_ns, recording.values, strict=True):
            actions.up_to(int(ts_ns), world)
            tick = world.tick(Frame(int(ts_ns), values, ~np.isnan(values)))
            if tick.surprise is not None and tick.context_frames > 5:
                parts.append((tick.surprise.distance, tick.surprise.novelty))
        runs.append(parts)
    usual = np.maximum(np.median([each for parts in runs for each in parts], axis=0), 1e-6).round(6)
    sizes = []
    for parts in runs:
        scale = Sizes(*usual)
        sizes += [scale.push(*each) for each in parts]
    points = np.quantile(sizes, np.linspace(0, 1, _CALIBRATION_POINTS))
    return Calibration(
        usual_distance=float(usual[0]),
        usual_novelty=float(usual[1]),
        surprise=tuple(round(float(point), 6) for point in points),
    )


def mflop_per_tick(model: MachineModel) -> float:
    """Millions of floating-point operations in the matrix products of one tick."""
    total = 0
    for name, (module, inputs) in graph_modules(model).items():
        if name == "imagine":
            continue
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(*inputs)
        total += counter.get_total_flops()
    return total / 1e6
