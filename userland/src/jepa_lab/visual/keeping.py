# SPDX-License-Identifier: Apache-2.0
"""Keeps trained visual world models, so that one machine can train and another build and judge the pack."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from jepa.errors import JepaError
from jepa_lab.visual.model import VisualConfig, VisualModel

_HELPERS = ("inverse", "sketch")
"""Parts that only training needs; they are not kept."""


@dataclass(frozen=True, slots=True)
class KeptWeights:
    """A model, and what is worth remembering of its making."""

    model: VisualModel
    report: dict[str, Any]


def keep(path: Path, trained: KeptWeights) -> None:
    """Write it; ``path`` is never half a file."""
    state = trained.model.state_dict().items()
    content = {
        "report": trained.report,
        "state": {name: each.cpu() for name, each in state if name.split(".")[0] not in _HELPERS},
    }
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


def kept(path: Path) -> KeptWeights:
    """What `keep` wrote; JepaError when it cannot be read."""
    try:
        content = torch.load(path, weights_only=True)
        model = VisualModel(VisualConfig(**content["report"]["config"]))
        absent = model.load_state_dict(content["state"], strict=False)
    except Exception as error:  # PyTorch's errors share no base class
        raise JepaError(f"{path} is no trained model: {error}.", "Train it with --keep.") from error
    if absent.unexpected_keys or any(name.split(".")[0] not in _HELPERS for name in absent.missing_keys):
        raise JepaError(f"{path} is not whole.", "Train it with --keep.")
    return KeptWeights(model.eval(), content["report"])
