# SPDX-License-Identifier: Apache-2.0
"""A linear layer of several inputs that broadcast, such as features of a channel and of a whole frame."""

import torch.nn.functional as F
from torch import Tensor, nn


def linear_of_parts(layer: nn.Linear, *parts: Tensor) -> Tensor:
    """What ``layer`` makes of the concatenation of ``parts`` (..., F_i) along their last dimension.

    It is never made: each part is multiplied at its own size, and the products are added as they broadcast.
    """
    result, start = layer.bias, 0
    for part in parts:
        weight = layer.weight[:, start : start + part.shape[-1]]
        result, start = result + F.linear(part, weight), start + part.shape[-1]
    return result
