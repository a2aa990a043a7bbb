# SPDX-License-Identifier: Apache-2.0
"""The one error a person is meant to read."""

from functools import partial
from typing import Any


class JepaError(Exception):
    """Names the thing that is wrong and the remedy, in one sentence each.

    The CLI prints it and exits 1; the API answers with problem+json and ``status``.
    """

    def __init__(self, problem: str, remedy: str, *, status: int = 500) -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        """How another process makes it again: by default it would be given the one joined text."""
        return partial(type(self), status=self.status), (self.problem, self.remedy)
