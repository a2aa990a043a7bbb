# SPDX-License-Identifier: Apache-2.0
"""Reaches the actuator: over its socket, or with the caller's own rights in this process."""

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jepa.actions.client import ActuatorClient


def connect(local: bool = False, environ: Mapping[str, str] = os.environ) -> "ActuatorClient":
    """The actuator at $JEPA_ACTUATOR_SOCKET or the system's; with ``local`` this process.

    A person at a terminal is asked for a password where polkit wants one. The first call raises
    JepaError (503) when nobody listens there.
    """
    if local:
        from jepa.actions.actuator.assembly import local_actuator

        return local_actuator(environ)
    from jepa.actions.actuator.remote import RemoteActuator

    person = sys.stdin and sys.stdin.isatty()
    return RemoteActuator(socket_path(environ), _agent if person else None)


def _agent() -> AbstractContextManager[object]:
    from jepa.actions.actuator.agent import terminal_agent  # what asks for nothing needs none

    return terminal_agent()


def socket_path(environ: Mapping[str, str] = os.environ) -> str:
    """Where the actuator listens."""
    from jepa.actions.actuator.remote import SOCKET

    return environ.get("JEPA_ACTUATOR_SOCKET") or SOCKET
