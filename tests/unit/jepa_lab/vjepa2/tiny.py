# SPDX-License-Identifier: Apache-2.0
"""Small V-JEPA 2 checkpoints with seeded weights, written in both public layouts."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import VJEPA2Config, VJEPA2Model

CROP, FRAMES = 64, 8


def model() -> VJEPA2Model:
    """Encoder and predictor of masked tokens, every weight well away from where it starts."""
    torch.manual_seed(0)
    config = VJEPA2Config(
        crop_size=CROP,
        frames_per_clip=FRAMES,
        hidden_size=128,
        num_attention_heads=2,
        num_hidden_layers=3,
        pred_hidden_size=64,
        pred_num_attention_heads=2,
        pred_num_hidden_layers=2,
    )
    made = VJEPA2Model(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.08)
    return made


def original_layout(made: VJEPA2Model) -> dict[str, dict[str, Tensor]]:
    """The same weights as Meta's own files have them, with what those hold besides."""
    state = made.state_dict()
    parts: dict[str, dict[str, Tensor]] = {"encoder": {}, "predictor": {}}
    for key, value in state.items():
        part, _, rest = key.partition(".")
        prefix = "predictor_" if part == "predictor" else ""
        rest = rest.replace("embeddings.patch_embeddings.", "patch_embed.")
        rest = rest.replace("embeddings.predictor_embeddings.", "predictor_embed.")
        rest = rest.replace("layernorm.", f"{prefix}norm.")
        rest = rest.replace("layer.", f"{prefix}blocks.").replace(".attention.", ".attn.")
        if rest == "proj.weight" or rest == "proj.bias":
            rest = f"predictor_{rest}"
        if rest == "embeddings.mask_tokens":
            for number, token in enumerate(value):
                parts[part][f"module.backbone.mask_tokens.{number}"] = token
        elif ".query." in rest:
            three = [state[key.replace("query", each)] for each in ("query", "key", "value")]
            parts[part][f"module.backbone.{rest.replace('query', 'qkv')}"] = torch.cat(three)
        elif ".key." not in rest and ".value." not in rest:
            parts[part][f"module.backbone.{rest}"] = value
    parts["encoder"]["module.backbone.pos_embed"] = torch.zeros(1, 8, 128)
    parts["predictor"]["module.backbone.predictor_pos_embed"] = torch.zeros(1, 8, 64)
    return {**parts, "target_encoder": parts["encoder"]}


def write_file(content: dict[str, dict[str, Tensor]], path: Path) -> Path:
    """Write the original layout to one ``.pt`` file."""
    torch.save({**content, "epoch": 3, "loss": 0.5}, path)
    return path
