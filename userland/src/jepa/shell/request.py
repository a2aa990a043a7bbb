# SPDX-License-Identifier: Apache-2.0
"""What a verb is given: its arguments, where to write, and the daemons, reached only if they are asked."""

import argparse
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from jepa.shell.output import Output

if TYPE_CHECKING:
    from jepa.actions.client import ActuatorClient
    from jepa.service.api import Client
    from jepa.shell.conversation import Conversation
    from jepa.shell.listener import Listener


def reach_actuator(local: bool) -> "ActuatorClient":
    """The actuator, or with ``local`` this process in its place."""
    from jepa.actions.actuator.connect import connect

    return connect(local)


class Request:
    """One verb line."""

    def __init__(
        self,
        args: argparse.Namespace,
        out: Output,
        connect: "Callable[[], Client]",
        prompt: bool,
        reach: "Callable[[bool], ActuatorClient]" = reach_actuator,
        conversation: "Conversation | None" = None,
        listener: "Listener | None" = None,
    ) -> None:
        """``connect`` reaches the service, ``reach`` the actuator; JepaError when they are not running."""
        self.args = args
        self.out = out
        self.connect = connect
        self.prompt = prompt
        """Whether the line came from the shell's prompt, where a verb must end by itself."""
        self.reach = reach
        self.conversation = conversation
        """What the shell remembers of its last sentence; None for a command line by itself."""
        self.listener = listener
        """The full screen, which shows more of an answer than its text; None elsewhere."""

    @cached_property
    def client(self) -> "Client":
        """The service."""
        return self.connect()

    @cached_property
    def actuator(self) -> "ActuatorClient":
        """Who changes the machine."""
        return self.reach("local" in self.args)

    def close(self) -> None:
        """End the connection to the actuator, if there is one."""
        if "actuator" in self.__dict__:
            self.actuator.close()
