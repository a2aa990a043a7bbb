# SPDX-License-Identifier: Apache-2.0
"""What describes one path of the API: its method, its parameters and the function that answers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jepa.service.engine import Engine

INT64 = 2**63 - 1
JSON = "application/json"
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One name that may stand in a query."""

    name: str
    description: str
    kind: Literal["integer", "string"] = "integer"
    low: int = 0
    high: int = INT64
    default: int | None = None
    repeated: bool = False


Query = Mapping[str, Any]
BODY = ""
"""The name in a query of what the request carries; no parameter is called so."""
WHO = "@uid"
"""The name in a query of the user who asks, as the kernel says; no parameter is called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path and what is asked of it."""

    path: str
    """A last part in braces, such as ``{id}``, stands for any one word, and is a parameter of that name."""
    method: Literal["GET", "POST", "DELETE"] = "GET"
    for_root: bool = False
    """Whether it changes something for everybody, such as which alerts jepad raises."""
    takes: str = ""
    """The schema of the JSON that a request carries; empty where it carries none."""
    summary: str
    body: Any
    """The type of the answer's message, or the name of its schema; None where it is no JSON message."""
    media: str = JSON
    parameters: tuple[Parameter, ...] = ()
    answer: Callable[[Engine, Query], str]
    """What a request carries is the value of ``BODY`` in the query."""

    @property
    def variable(self) -> str:
        """The name of the parameter that the path ends with; empty where it ends with none."""
        last = self.path.rpartition("/")[2]
        return last[1:-1] if last.startswith("{") else ""

    def matches(self, path: str) -> bool:
        """Whether ``path`` is this one."""
        if not self.variable:
            return path == self.path
        head, _, last = path.rpartition("/")
        return head == self.path.rpartition("/")[0] and last != ""
