# SPDX-License-Identifier: Apache-2.0
"""A linear layer of several inputs that broadcast, such as features of a channel and of a whole frame."""

import torch.nn.functional as F
from torch import Tensor, nn


def linear_of_parts(layer: nn.Module, *parts: Tensor) -> Tensor:
    """What ``layer``, linear, makes of the concatenation of ``parts`` (..., F_i) along their last dimension.

    It is never made: each part is multiplied at its own size, and the products are added as they broadcast.
    """
    assert isinstance(layer, nn.Linear)
    start = 0
    result: Tensor = layer.bias
    for part in parts:
        weight = layer.weight[:, start : start + part.shape[-1]]
        result, start = result + F.linear(part, weight), start + part.shape[-1]
    return result
