# SPDX-License-Identifier: Apache-2.0
"""The trained weights beside a machine pack's graphs, which hold them only as they are run.

They are needed to train on; no image has them.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch

from jepa.errors import JepaError
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.world import MachineModel

TRAINED: Final = "trained.safetensors"


def save_weights(model: MachineModel, folder: Path) -> None:
    """Write the weights and the sizes of ``model`` beside the graphs in ``folder``."""
    from safetensors.torch import save_file

    # The encoder and the decoder may share what they know of channels; files hold each by itself.
    state = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    save_file(state, folder / TRAINED, {"config": json.dumps(asdict(model.config))})


def load_weights(folder: Path) -> MachineModel:
    """The model whose graphs are in ``folder``, ready to use; JepaError when its weights are not there."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / TRAINED, "pt") as opened:
            told = json.loads((opened.metadata() or {})["config"])
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118, no mapping
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in told.items()
        }
        config = ModelConfig(**fields)
        blank = torch.ones(config.channels)
        model = MachineModel(config, blank, blank, blank)
        model.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise JepaError(
            f"{folder / TRAINED} cannot be trained on: {error}", "Name a pack that was built from this tree."
        ) from error
    return model.eval()
