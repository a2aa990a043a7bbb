# SPDX-License-Identifier: Apache-2.0
"""Requests: made once, bound to a person, a boot and a time, and recognised when they were altered.

The digest finds what was damaged or changed on the way, such as a plan that is no longer what was shown.
It is no signature: who asks is known from the kernel, see ``jepa.actions.guard``.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any, Final

from jepa.actions.clock import HostClock
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError

VALID_S: Final = 120.0
"""How long a request may be on its way."""
FOR_LONGEST_S: Final = 30 * 86400.0
WATCH_LONGEST_S: Final = 3600.0
_LONGEST: Final = {"action": 64, "target": 256, "keep_if": 256, "why": 500, "task": 64, "plan": 64, "id": 32}
"""Characters: a row of the journal has to have room for all of them."""
_PREDICTED_MOST: Final = 32
_AGAIN: Final = "Send a new request."


def make(clock: HostClock, **what: Any) -> ActionRequest:
    """A request of this process's user that is valid for ``VALID_S``; ``what`` are the fields of Request."""
    request = ActionRequest(
        **what,
        uid=os.getuid(),
        id=os.urandom(16).hex(),
        boot_id=clock.boot_id,
        expires_s=clock.boottime_s() + VALID_S,
    )
    return request._replace(digest=digest(request))


def digest(request: ActionRequest) -> str:
    """SHA-256 over the canonical JSON of everything but the digest: sorted keys, no spaces, ASCII."""
    content = request._asdict()
    del content["digest"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def from_dict(content: Mapping[str, Any]) -> ActionRequest:
    """The request in a message. JepaError (422) for fields that are unknown or of a wrong type."""
    for name, value in content.items():
        if name not in ActionRequest._fields:
            raise _malformed(f"has a field {name[:40]!r} that requests do not have")
        if not _fits(name, value):
            raise _malformed(f"has a field {name!r} of a wrong type or size")
    if not content.get("action"):
        raise _malformed("names no action")
    made = dict(content)
    made["predicted"] = {name: tuple(each) for name, each in content.get("predicted", {}).items()}
    return ActionRequest(**made)


def verify(request: ActionRequest, uid: int, clock: HostClock) -> None:
    """Refuse a request that is not what its maker made, here and now.

    JepaError (403) when it was altered, has expired, is of another boot or of another user than ``uid``;
    JepaError (422) when a field is out of its range.
    """
    if digest(request) != request.digest:
        raise JepaError("The request was altered after it was made.", _AGAIN, status=403)
    if request.boot_id != clock.boot_id:
        raise JepaError("The request was made before this machine was last started.", _AGAIN, status=403)
    if request.uid != uid:
        raise JepaError(f"The request is of user {request.uid}, and user {uid} sent it.", _AGAIN, status=403)
    late_s = clock.boottime_s() - request.expires_s
    if late_s > 0:
        raise JepaError(f"The request expired {late_s:.0f} s ago.", _AGAIN, status=403)
    if -late_s > VALID_S + 1:
        raise JepaError(f"The request is valid for longer than {VALID_S:.0f} s.", _AGAIN, status=403)
    for name, most in _LONGEST.items():
        if len(getattr(request, name)) > most:
            raise _malformed(f"has a field {name!r} of more than {most} characters")
    if not request.id:
        raise _malformed("has no id")
    if request.for_s is not None and not 1 <= request.for_s <= FOR_LONGEST_S:
        raise JepaError(
            f"{request.for_s:g} s is no time that a change can be in force for.",
            f"Give between 1 s and {FOR_LONGEST_S / 86400:.0f} d.",
            status=422,
        )
    if not 0 <= request.watch_s <= WATCH_LONGEST_S:
        raise JepaError(
            f"A change cannot be watched for {request.watch_s:g} s.",
            f"Give at most {WATCH_LONGEST_S / 3600:.0f} h.",
            status=422,
        )


def _fits(name: str, value: Any) -> bool:
    if name in ("value", "expected"):
        return value is None or (isinstance(value, str) and len(value) <= 256) or _number(value)
    if name == "for_s":
        return value is None or _number(value)
    if name in ("watch_s", "expires_s"):
        return _number(value)
    if name == "uid":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "predicted":
        return (
            isinstance(value, dict)
            and len(value) <= _PREDICTED_MOST
            and all(isinstance(key, str) and len(key) <= 96 for key in value)
            and all(isinstance(each, list | tuple) and len(each) == 3 for each in value.values())
            and all(_number(number) for each in value.values() for number in each)
        )
    return isinstance(value, str)


def _number(value: Any) -> bool:
    if isinstance(value, bool):
        return True
    return (
        math.isfinite(value) if isinstance(value, float) else isinstance(value, int) and abs(value) < 2**64
    )


def _malformed(problem: str) -> JepaError:
    return JepaError(f"The request {problem}.", "`jepa act --help` shows what it takes.", status=422)
