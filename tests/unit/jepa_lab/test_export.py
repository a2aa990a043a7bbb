# SPDX-License-Identifier: Apache-2.0
"""What the graphs say frame by frame is what PyTorch says of the whole window at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from jepa.packs.pack import Pack, load_pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recorder, Recording, describe_host, load_recording
from jepa.telemetry.schema import Schema, load_schema
from jepa.world.context import Context
from jepa.world.controls import CONTROLS, RECENT_S, HostSize, host_of
from jepa.world.event_probabilities import EventProbabilities
from jepa.world.forecast import Forecast
from jepa.world.forecast_decoder import ForecastDecoder
from jepa.world.imagination import Imagination
from jepa.world.scale import Scale
from jepa.world.sessions import open_session
from jepa_lab.build import build_pack, mflop_per_tick, seen_in
from jepa_lab.data import batch_of, to_stretch
from jepa_lab.facts import channel_facts
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.world import MachineModel, Pick

FRAMES = 200
SECOND = 1_000_000_000


def made_up(schema: Schema) -> np.ndarray:
    """Periods, steps and absences: (T, C) in the channels' units."""
    rng = np.random.default_rng(5)
    time = np.arange(FRAMES)[:, None]
    period = rng.integers(4, 60, len(schema.channels))
    share = (
        0.3
        + 0.2 * np.sin(2 * np.pi * time / period)
        + 0.1 * (time // 40 % 2)
        + rng.normal(0, 0.02, (FRAMES, 1))
    )
    scale = Scale(schema)
    values = scale.from_unit(share.clip(0, 1).astype(np.float32))
    values[:, -3:] = np.nan
    values[rng.random(values.shape) < 0.05] = np.nan
    return values


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_schema()


@pytest.fixture(scope="module")
def recording(schema: Schema, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    root = tmp_path_factory.mktemp("recordings")
    values = made_up(schema)
    for split in ("validation", "train"):
        meta = describe_host(schema, labels={"split": split, "kind": "busy"})
        recorder = Recorder(root / split, schema, meta)
        for number, frame in enumerate(values):
            recorder.append(Frame(number * SECOND, frame, ~np.isnan(frame)))
        recorder.close()
    return load_recording(root / "validation", schema)


@pytest.fixture(scope="module")
def model(schema: Schema, recording: Recording) -> MachineModel:
    """Not trained, but with every weight well away from where it started."""
    torch.manual_seed(0)
    # Every step imagined is written out in its graph, and the exporter takes long over nodes.
    config = replace(ModelConfig.of(schema), imagined=3, candidates=8)
    facts = channel_facts([to_stretch(recording, config)], Scale(schema))
    model = MachineModel(config, facts.center, facts.spread, facts.floor)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
        model.decoder.widen.uniform_(0.5, 2)
        model.encoder.norm.running_mean.normal_(0, 0.1)
        model.encoder.norm.running_var.uniform_(0.5, 2)
        model.encoder.readout.normal_(0, 0.1)
    return model.eval()


@pytest.fixture(scope="module")
def folder(
    model: MachineModel,
    recording: Recording,
    schema: Schema,
    tmp_path_factory: pytest.TempPathFactory,
    made_once: Callable[[str, Callable[[Path], object]], Path],
) -> Path:
    recordings = tmp_path_factory.getbasetemp() / "recordings0"
    report: dict[str, object] = {"trained": "2000-01-01", "data": "made up", "seed": 0}
    seen = seen_in(recordings, schema)
    return made_once("export", lambda out: build_pack(model, report, *seen, schema, "0.0.9", out))


@pytest.fixture(scope="module")
def pack(folder: Path, schema: Schema) -> Pack:
    return load_pack(folder, schema)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def test_streaming_equals_the_full_window(
    model: MachineModel, pack: Pack, recording: Recording, schema: Schema
) -> None:
    batch = batch_of([to_stretch(recording, model.config)])
    with torch.no_grad():
        whole = model(batch, Pick(torch.arange(FRAMES), torch.arange(len(schema.channels))))
        strange = model.encoder.novelty(batch.frame[0], batch.valid[0], whole.z[0]).numpy()
    scale, shape = Scale(schema), pack.manifest.shape
    context = Context(pack, HostSize())
    decoder = ForecastDecoder(pack, EventProbabilities(pack, HostSize(), adapt=False), adapt=False)
    for number, values in enumerate(recording.values):
        step = context.take(Frame(number * SECOND, values, ~np.isnan(values)))
        assert cosine(step.latent[0], whole.z[0, number].numpy()) >= 0.9999
        np.testing.assert_allclose(step.novelty, strange[number], rtol=1e-3, atol=1e-5)
        assert cosine(step.state[0], whole.h[0, number].numpy()) >= 0.9999
        said, probability = decoder.decode(context, step.state)
        wanted, seen = whole.quantiles[0, number].numpy(), ~step.unseen
        np.testing.assert_allclose(said[seen], wanted[seen], atol=2e-5)
        expected = torch.sigmoid(whole.event_logits[0, number]).numpy()
        np.testing.assert_allclose(probability, expected, atol=2e-5)
    within, beyond = context.cache.counts
    assert within == shape.window < FRAMES, "the ring must have gone round"
    assert beyond == (FRAMES - shape.window) // shape.coarse_s, "and some of it kept for longer"
    assert scale.noise_floor.min() > 0


@dataclass(frozen=True, slots=True)
class Past:
    """A context after some frames, in the last of which a quota was set, and the forecast then."""

    context: Context
    imagination: Imagination
    forecast: Forecast


def past(pack: Pack, recording: Recording, frames: int) -> Past:
    host = host_of(recording.meta)
    context, events = Context(pack, host), EventProbabilities(pack, host, adapt=False)
    decoder = ForecastDecoder(pack, events, adapt=False)
    for number, values in enumerate(recording.values[:frames]):
        if number == frames - 1 - RECENT_S[0]:
            assert context.controls.act("cpu.max", {"role": "background", "value": 25})
        frame = Frame(number * SECOND, values, ~np.isnan(values))
        forecast = decoder.forecast(frame.ts_ns, context.take(frame), events.holding(frame), context)
    return Past(context, Imagination(pack, events), forecast)


@pytest.mark.parametrize("frames", [8, 200])
def test_what_is_imagined_of_settings_that_stay_is_what_is_forecast(
    pack: Pack, recording: Recording, frames: int
) -> None:
    now = past(pack, recording, frames)
    assert now.context.next_latent is not None
    sequences = np.zeros((3, pack.manifest.shape.imagined, len(CONTROLS)), np.float32)
    sequences[1] = now.context.controls.vector
    imagined = now.imagination.imagine(now.context, sequences)
    middle = pack.manifest.shape.quantiles.index(0.5)
    seen = np.isfinite(now.forecast.mean[:, 0, 0])
    np.testing.assert_allclose(
        imagined.mean[1][seen], now.forecast.mean[seen, :, middle], rtol=2e-3, atol=1e-3
    )
    np.testing.assert_allclose(imagined.event_probability[1], now.forecast.event_probability, atol=2e-5)
    np.testing.assert_allclose(imagined.latents[1, 0], now.context.next_latent[0], atol=2e-4)
    assert np.abs(imagined.mean[1] - imagined.mean[0])[seen].max() > 0.01, "and otherwise it differs"


def test_each_imagined_second_follows_from_the_one_before(pack: Pack, recording: Recording) -> None:
    now = past(pack, recording, 200)
    shape, cache, wanted = pack.manifest.shape, now.context.cache, now.context.next_latent
    rng = np.random.default_rng(1)
    sequences = rng.uniform(-1, 1, (2, shape.imagined, len(CONTROLS))).astype(np.float32)
    sequences[:, 0] = now.context.controls.vector
    latents = now.imagination.imagine(now.context, sequences).latents
    advance, window = open_session(pack.graphs["advance"], "advance"), cache.window
    assert wanted is not None
    for second in range(shape.imagined):
        np.testing.assert_allclose(latents[0, second], wanted[0], atol=5e-4)
        if second + 1 < shape.imagined:
            _, wanted, _, window = advance.run(
                None,
                {
                    "latent": wanted,
                    "control": sequences[0, second + 1][None],
                    "caches": window,
                    "coarse": cache.coarse,
                    "count": cache.counts,
                },
            )


def test_graphs_carry_their_facts_and_nothing_of_this_machine(folder: Path, schema: Schema) -> None:
    for path in folder.glob("*.onnx"):
        proto = onnx.load(path)
        facts = {entry.key: entry.value for entry in proto.metadata_props}
        assert facts["jepa.graph"] == path.stem
        assert facts["jepa.schema_digest"] == schema.digest
        for value in (*proto.graph.input, *proto.graph.output):
            assert all(dim.dim_value > 0 for dim in value.type.tensor_type.shape.dim), "static shapes"
        assert str(Path(__file__).parents[3]).encode() not in path.read_bytes()


def test_a_tick_costs_a_few_mflop(model: MachineModel) -> None:
    assert 0.5 < mflop_per_tick(model) < 10
    assert sum(parameter.numel() for parameter in model.parameters()) <= 1_500_000
