# SPDX-License-Identifier: Apache-2.0
"""Small V-JEPA 2 checkpoints with seeded weights, written in both public layouts.

transformers is imported by those alone who make one: it takes longer than PyTorch, and every worker reads
every test.
"""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import VJEPA2ForVideoClassification, VJEPA2Model

Made = TypeVar("Made", bound=torch.nn.Module)
CROP, FRAMES = 64, 8


_SIZES = {
    "crop_size": CROP,
    "frames_per_clip": FRAMES,
    "hidden_size": 128,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "pred_hidden_size": 64,
    "pred_num_attention_heads": 2,
    "pred_num_hidden_layers": 2,
    "num_pooler_layers": 2,
}


def model() -> "VJEPA2Model":
    """Encoder and predictor of masked tokens, every weight well away from where it starts."""
    from transformers import VJEPA2Config, VJEPA2Model

    torch.manual_seed(0)
    return _moved(VJEPA2Model(VJEPA2Config(**_SIZES)).eval())


def classifier(**others: float) -> "VJEPA2ForVideoClassification":
    """The same with a probe of three labels."""
    from transformers import VJEPA2Config, VJEPA2ForVideoClassification

    torch.manual_seed(0)
    labels = {0: "waving", 1: "falling", 2: "nothing"}
    config = VJEPA2Config(**{**_SIZES, **others}, id2label=labels, label2id={})
    return _moved(VJEPA2ForVideoClassification(config).eval())


def _moved(made: Made) -> Made:
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.08)
    return made


def original_probe(made: "VJEPA2ForVideoClassification") -> dict[str, Tensor]:
    """The probe's weights as Meta's own files have them."""
    state = made.state_dict()
    probe: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.startswith("vjepa2."):
            continue
        renamed = f"module.{key}".replace("module.classifier.", "module.linear.")
        renamed = renamed.replace("cross_attention_layer.", "cross_attention_block.")
        renamed = renamed.replace("self_attention_layers.", "blocks.").replace("layer_norm", "norm")
        renamed = renamed.replace("self_attn.out_proj.", "attn.proj.")
        if "self_attn.q_proj." in key:
            three = [state[key.replace("q_proj", f"{each}_proj")] for each in "qkv"]
            probe[renamed.replace("self_attn.q_proj", "attn.qkv")] = torch.cat(three)
        elif "cross_attn.k_proj." in key:
            both = [state[key.replace("k_proj", f"{each}_proj")] for each in "kv"]
            probe[renamed.replace("cross_attn.k_proj", "xattn.kv")] = torch.cat(both)
        elif "cross_attn.q_proj." in key:
            probe[renamed.replace("cross_attn.q_proj", "xattn.q")] = value
        elif "_attn.k_proj." not in key and "_attn.v_proj." not in key:
            probe[renamed] = value
    return probe


def original_layout(made: "VJEPA2Model") -> dict[str, dict[str, Tensor]]:
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
