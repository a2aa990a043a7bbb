# SPDX-License-Identifier: Apache-2.0
"""Which part of the CPUs each role would get under other settings, by the kernel's own rules.

Roles that want more than there is share it by their weights; none gets more than its quota, and a paused one
gets nothing (kernel documentation: cgroup-v2, CPU; sched-bwc). What is learned of effects starts from that,
so that a quota nobody has tried is one between others, and not another thing.
"""

import torch
from torch import Tensor

from jepa.telemetry.roles import PLAYED
from jepa.world.controls import CONTROLS, QUOTA_SPAN, WEIGHT_SPAN

CHANGE_FEATURES = 6
"""Numbers that describe a change."""
GAINED = 4
"""The first of them: shares gained."""
_CONTENT, _HUNGRY = 0.1, 0.4
"""Of the time, in which some task of a role waits for a CPU: it has all it wants, or wants all there is."""
_PAUSED = 0.5
_WEIGHT, _QUOTA, _PAUSE = (
    [CONTROLS.index((action, role)) for role in PLAYED] for action in ("cpu.weight", "cpu.max", "pause")
)


def gains(before: Tensor, after: Tensor, used: Tensor, waiting: Tensor, busy: Tensor) -> Tensor:
    """What foreground and background gain when settings (N, A) change, in shares of all CPUs: (N, 6).

    That is what each would gain on what it has used of late (N, 2); what it would gain by the rules alone;
    and how much it wants more, 0..1. ``waiting`` (N, 2) is the part of the time in which some task of it
    waited, ``busy`` (N, 1) the share that all of the machine used.
    """
    hungry = ((waiting - _CONTENT) / (_HUNGRY - _CONTENT)).clamp(0, 1)
    # Nobody saw what one that was paused wants.
    hungry = torch.maximum(hungry, (before[:, _PAUSE] > _PAUSED).float())
    wanted = used + hungry * (1 - used).clamp(min=0)
    there = 1 - (busy - used.sum(-1, keepdim=True)).clamp(0, 1)
    then, now = (_given(wanted, each, there) for each in (after, before))
    return torch.cat([then - used, then - now, hungry], -1)


def _given(wanted: Tensor, settings: Tensor, there: Tensor) -> Tensor:
    """What each gets (N, 2) of what it wants (N, 2) under settings (N, A), of what is there (N, 1)."""
    quota = torch.exp(-QUOTA_SPAN * settings[:, _QUOTA].clamp(min=0))
    weight = torch.exp(WEIGHT_SPAN * settings[:, _WEIGHT])
    running = (settings[:, _PAUSE] <= _PAUSED).float()
    wanted = torch.minimum(wanted, quota) * running
    fair = there * weight / weight.sum(-1, keepdim=True)
    # Its fair part, or what the other leaves: of two there is no more to it.
    return torch.minimum(wanted, torch.maximum(fair, there - wanted.flip(-1))).clamp(min=0)
