# SPDX-License-Identifier: Apache-2.0
"""A setting that has just changed may move a forecast; one that has not, or changed long ago, may not."""

import pytest
import torch
from torch import Tensor

from jepa.telemetry.schema import load_schema
from jepa.world.controls import RECENT_S
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.decoder import Decoder
from jepa_lab.model.parts import linear_of_parts

FRAMES = 4


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return ModelConfig.of(load_schema())


@pytest.fixture(scope="module")
def decoder(config: ModelConfig) -> Decoder:
    torch.manual_seed(0)
    flat = torch.full((config.channels,), 0.1)
    made = Decoder(config, flat * 3, flat, flat / 10)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        made.control.weight.zero_()  # what is in force tells nothing by itself here
    return made.eval()


@pytest.fixture(scope="module")
def state(config: ModelConfig) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)

    def made(*shape: int) -> Tensor:
        return torch.rand(FRAMES, *shape, generator=generator)

    horizons, heads = len(config.horizons_s), config.recall_heads
    recalled = made(config.channels, horizons, 2, heads)
    return made(config.width), made(config.channels, len(config.windows_s), 2), recalled, recalled.clone()


def medians(
    decoder: Decoder, state: tuple[Tensor, Tensor, Tensor, Tensor], control: Tensor, recent: Tensor
) -> Tensor:
    h, stats, recalled, changed = state
    with torch.no_grad():
        situation = decoder.effect.situation(stats)
        quantiles, _ = decoder(h, control, recent, stats, recalled, changed, situation=situation)
    assert (quantiles.diff(dim=-1) >= 0).all(), "in order"
    assert ((quantiles >= 0) & (quantiles <= 1)).all()
    return quantiles[..., 2]


def test_what_was_set_long_ago_moves_nothing_and_what_was_set_just_now_does(
    decoder: Decoder, config: ModelConfig, state: tuple[Tensor, Tensor, Tensor, Tensor]
) -> None:
    nothing = torch.zeros(FRAMES, config.controls)
    never = torch.zeros(FRAMES, len(RECENT_S), config.controls)
    paused = nothing.clone()
    paused[:, 4] = 1
    long_ago = paused[:, None].expand(-1, len(RECENT_S), -1)
    usual = medians(decoder, state, nothing, never)
    torch.testing.assert_close(medians(decoder, state, paused, long_ago), usual)
    now = medians(decoder, state, paused, never)
    assert (now - usual).abs().max() > 0.01
    undone = medians(decoder, state, nothing, long_ago)
    assert (undone - usual).abs().max() > 0.01
    assert (undone - now).abs().max() > 0.01, "taking back is not the same as setting"


def test_a_channel_that_is_forgotten_has_nothing_of_its_own(
    decoder: Decoder, config: ModelConfig, state: tuple[Tensor, Tensor, Tensor, Tensor]
) -> None:
    h, stats, recalled, changed = state
    control = torch.zeros(FRAMES, config.controls)
    never = torch.zeros(FRAMES, len(RECENT_S), config.controls)
    forget = torch.ones(FRAMES, config.channels, 1)
    same = torch.ones_like(stats) * 0.3
    with torch.no_grad():
        told, _ = decoder(
            h,
            control,
            never,
            same,
            torch.ones_like(recalled) * 0.3,
            torch.ones_like(changed) * 0.3,
            None,
            forget,
        )
    spread = told[0, :, 0, 0, 2]
    assert (spread - spread[0]).abs().max() < 1e-5, "channels differ by what is their own alone"


def test_medians_of_one_moment_are_those_among_the_quantiles(
    decoder: Decoder, config: ModelConfig, state: tuple[Tensor, Tensor, Tensor, Tensor]
) -> None:
    h, stats, recalled, changed = state
    control = torch.linspace(-1, 1, FRAMES * config.controls).reshape(FRAMES, config.controls)
    recent = torch.zeros(1, len(RECENT_S), config.controls)
    moment = stats[:1]
    situation = decoder.effect.situation(moment)
    with torch.no_grad():
        quantiles, events = decoder(
            h, control, recent, moment.expand_as(stats), recalled, changed, situation=situation
        )
        found = decoder.decode(h, control, recent, moment, recalled, changed, situation=situation)
    torch.testing.assert_close(found.median.clamp(0, 1), quantiles[..., 2])
    torch.testing.assert_close(found.event_logits, events)


def test_a_layer_of_parts_is_one_of_their_concatenation() -> None:
    layer = torch.nn.Linear(9, 5)
    one, some, shared = torch.randn(3, 1, 2), torch.randn(3, 7, 4), torch.randn(7, 3)
    whole = torch.cat([one.expand(3, 7, 2), some, shared.expand(3, 7, 3)], -1)
    torch.testing.assert_close(linear_of_parts(layer, one, some, shared), layer(whole))
