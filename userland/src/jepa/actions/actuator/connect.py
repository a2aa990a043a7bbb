# SPDX-License-Identifier: Apache-2.0
"""Reaches the actuator: over its socket, or with the caller's own rights in this process."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from jepa.actions.client import ActuatorClient


def connect(
    local: bool = False, socket: Path | None = None, environ: Mapping[str, str] = os.environ
) -> ActuatorClient:
    """The actuator at ``socket``, $JEPA_ACTUATOR_SOCKET or the system's; with ``local`` this process.

    A person at a terminal is asked for a password where polkit wants one. The first call raises
    JepaError (503) when nobody listens there.
    """
    if local:
        from jepa.actions.actuator.assembly import local_actuator

        return local_actuator(environ)
    from jepa.actions.actuator.remote import RemoteActuator

    path = socket or socket_path(environ)
    if not sys.stdin or not sys.stdin.isatty():
        return RemoteActuator(path)
    from jepa.actions.actuator.agent import terminal_agent

    return RemoteActuator(path, terminal_agent)


def socket_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the actuator listens."""
    from jepa.actions.actuator.remote import SOCKET

    return Path(environ.get("JEPA_ACTUATOR_SOCKET") or SOCKET)
