# SPDX-License-Identifier: Apache-2.0
"""The encoder of V-JEPA 2.1 in plain PyTorch, after its public description, with its checkpoint's names."""

import torch
from torch import Tensor, nn

from tests.unit.jepa_lab.vjepa2.acting_reference import Block


class NewerEncoder(nn.Module):
    """For clips; what it has for single pictures is there, and not used."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(3, width, (2, 16, 16), (2, 16, 16))})
        self.patch_embed_img = nn.ModuleDict({"proj": nn.Conv3d(3, width, (1, 16, 16), (1, 16, 16))})
        self.img_mod_embed = nn.Parameter(torch.randn(1, 1, width))
        self.video_mod_embed = nn.Parameter(torch.randn(1, 1, width))
        self.blocks = nn.ModuleList(Block(width, heads, tiled=False) for _ in range(depth))
        self.norms_block = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(4))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.08)

    def forward(self, clip: Tensor) -> Tensor:
        """(B, F, 3, H, W) -> (B, N, D)."""
        patches = self.patch_embed["proj"](clip.transpose(1, 2))  # (B, D, T, rows, columns)
        time, rows, columns = patches.shape[2:]
        x = patches.flatten(2).transpose(1, 2) + self.video_mod_embed
        # However many rows and columns there are, they lie between those of 256 pixels.
        axes = torch.arange(time), torch.linspace(0, 15, rows), torch.linspace(0, 15, columns)
        at = torch.cartesian_prod(*(axis.float() for axis in axes))
        allowed = torch.ones(len(at), len(at), dtype=torch.bool)
        for block in self.blocks:
            x = block(x, at, allowed)
        result: Tensor = self.norms_block[-1](x)
        return result
