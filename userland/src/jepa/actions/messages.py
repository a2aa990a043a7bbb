# SPDX-License-Identifier: Apache-2.0
"""What the actuator is asked and what it answers before anything is changed: request, verdict, preview.

Named tuples, as in ``jepa.actions.catalogue``: the command line imports both, and what dataclasses import
takes longer than all else of a dry run.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from jepa.actions.catalogue import Value

Decision = Literal["allow", "ask", "deny"]


class ActionRequest(NamedTuple):
    """One typed action that somebody asks for."""

    action: str
    target: str = ""
    value: Value = None
    """As written, such as ``40%``."""
    for_s: float | None = None
    """Taken back after so many seconds; None: it stays until undone."""
    watch_s: float = 0.0
    """How long the assessor watches before the change is kept."""
    keep_if: str = ""
    """A condition that must hold over the watched window, such as ``system.cpu.utilization below 90``."""
    why: str = ""
    task: str = ""
    """The task it belongs to, and with it the grant."""
    plan: str = ""
    """The hash of the plan it is a step of."""
    expected: Value = None
    """With ``plan``: the value that the plan was made for; the request is refused when it is another."""
    predicted: Mapping[str, tuple[float, float, float]] = {}
    """For each channel the 5 %, 50 % and 95 % quantile of what the model expects."""
    uid: int = -1
    """The user that made it."""
    id: str = ""
    """Made anew for each request, so that one that is sent twice is done once."""
    boot_id: str = ""
    expires_s: float = 0.0
    """CLOCK_BOOTTIME in seconds after which it is void."""
    digest: str = ""
    """SHA-256 of all the rest, see ``jepa.actions.request``."""


class Verdict(NamedTuple):
    """What the guard says of a proposal."""

    decision: Decision
    reasons: tuple[str, ...] = ()
    """One sentence each: the rules that decided."""


class Preview(NamedTuple):
    """What a request would do."""

    action: str
    target: str
    old: Value
    new: Value
    verdict: Verdict
