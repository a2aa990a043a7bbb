# SPDX-License-Identifier: Apache-2.0
"""What a verb is given: its arguments, where to write, and the service, reached only if it is asked."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from jepa.service.api import Client
from jepa.shell.output import Output


@dataclass(frozen=True)
class Request:
    """One verb line."""

    args: argparse.Namespace
    out: Output
    connect: Callable[[], Client]
    """Reaches the service; JepaError when it is not running."""
    prompt: bool
    """Whether the line came from the shell's prompt, where a verb must end by itself."""

    @cached_property
    def client(self) -> Client:
        """The service."""
        return self.connect()
