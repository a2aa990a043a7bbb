# SPDX-License-Identifier: Apache-2.0
"""Whether a task may stand under the condition of its spec.

Apart from the model of a spec, without which the command line can do: to import that takes longer than all
else that `jepa do` needs.
"""

from collections.abc import Mapping
from typing import Any

from jepa.errors import JepaError


def refuse_condition(spec: Mapping[str, Any]) -> None:
    """JepaError (409) where a task would stand under a condition: nobody would watch whether it holds."""
    condition = spec.get("condition")
    if condition is not None:
        raise JepaError(
            f"No task stands under a condition yet, and this one holds only {condition['kind']}.".replace(
                "_", " "
            ),
            "Leave the condition out and end the task yourself: `jepa tasks end`.",
            status=409,
        )
