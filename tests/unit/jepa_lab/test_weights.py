# SPDX-License-Identifier: Apache-2.0
"""The weights beside the shipped graphs are those that the graphs were made of."""

import inspect
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from jepa.packs.pack import Pack
from jepa_lab.export import graph_modules
from jepa_lab.weights import load_weights

SETTINGS = ("control", "controls", "recent")
FREE = ("latent", "context", "keys", "caches", "coarse")


def an_input(name: str, shape: torch.Size, rng: np.random.Generator) -> Tensor:
    match name:
        case "count":
            return torch.tensor([40.0, 3.0])
        case "valid":
            return torch.ones(shape)
        case _ if name in SETTINGS:
            return torch.tensor(rng.choice([0.0, 0.5, 1.0], shape), dtype=torch.float32)
        case _ if name in FREE:
            return torch.tensor(rng.normal(size=shape), dtype=torch.float32)
    return torch.tensor(rng.uniform(0, 1, shape), dtype=torch.float32)


@pytest.mark.parametrize("name", ["encode", "advance", "decode", "imagine"])
def test_they_give_what_the_graphs_give(pack: Pack, name: str) -> None:
    module, blanks = graph_modules(load_weights(Path(pack.folder)))[name]
    rng = np.random.default_rng(1)
    names = list(inspect.signature(module.forward).parameters)
    inputs = {each: an_input(each, blank.shape, rng) for each, blank in zip(names, blanks, strict=True)}
    with torch.no_grad():
        ours = module(*inputs.values())
    session = onnxruntime.InferenceSession(pack.graphs[name])
    taken = [each.name for each in session.get_inputs()]
    theirs = session.run(None, {each: inputs[each].numpy() for each in taken})
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-4, atol=1e-5)
