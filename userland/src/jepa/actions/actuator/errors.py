# SPDX-License-Identifier: Apache-2.0
"""Errors of the actuator on their way over the socket: typed for programs, two sentences for people."""

from collections.abc import Mapping
from typing import Any, Final

from jepa.actions.actuator.varlink import SERVICE, VarlinkError
from jepa.errors import JepaError

INTERFACE: Final = "io.jepa.Actuator"
_NAMES: Final = {
    403: "Refused",
    404: "NotFound",
    409: "Conflict",
    422: "Invalid",
    429: "Busy",
    503: "Unavailable",
    507: "NoRoom",
}


def to_varlink(error: JepaError) -> VarlinkError:
    """The reply that tells of ``error``."""
    name = _NAMES.get(error.status, "Failed")
    told = {"problem": error.problem, "remedy": error.remedy, "status": error.status}
    return VarlinkError(f"{INTERFACE}.{name}", told)


def from_varlink(name: str, parameters: Mapping[str, Any]) -> JepaError:
    """The error that an error reply tells of."""
    problem, remedy, status = (parameters.get(key) for key in ("problem", "remedy", "status"))
    if isinstance(problem, str) and isinstance(remedy, str) and isinstance(status, int):
        return JepaError(problem, remedy, status=status)
    what = name.removeprefix(f"{SERVICE}.")
    which = ", ".join(str(value) for value in parameters.values())
    return JepaError(
        f"The actuator does not understand the call: {what}{f' ({which})' if which else ''}.",
        "It is of another version than this program: restart it with `systemctl restart jepa-actuator`.",
        status=422,
    )
