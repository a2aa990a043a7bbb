# SPDX-License-Identifier: Apache-2.0
"""Acts for one caller in this process: for each of the daemon's, or for whoever runs it."""

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from jepa.actions import request as requests
from jepa.actions.actuator.polkit import GRANT, TIERS
from jepa.actions.catalogue import ActionType, catalogue
from jepa.actions.change import Caller, Change
from jepa.actions.client import Availability, Progress
from jepa.actions.clock import HostClock
from jepa.actions.dead_man import DeadMan
from jepa.actions.executor import Executor
from jepa.actions.family import Host
from jepa.actions.guard.grants import shown as shown_grant
from jepa.actions.guard.guard import Guard
from jepa.actions.guard.policy_store import PolicyStore
from jepa.actions.messages import ActionRequest, Preview
from jepa.actions.registry import family_of
from jepa.actions.values import shown
from jepa.errors import JepaError

Permission = Callable[[Caller, str, str], None]
"""JepaError (403) unless the caller may do what an action of polkit is for; a person is shown the text."""


@dataclass(frozen=True, slots=True)
class ActionEngine:
    """What changes this machine, put together: one for each process."""

    host: Host
    guard: Guard
    policies: PolicyStore
    executor: Executor
    timers: DeadMan
    clock: HostClock
    opened: ExitStack = field(default_factory=ExitStack)
    """What is to be closed at the end."""
    granting: threading.Lock = field(default_factory=threading.Lock)
    """Held while the file of grants is read and written."""

    def availability(self) -> list[Availability]:
        """Every action of the catalogue, whether it works here."""
        return [self._availability(action) for action in catalogue().values()]

    def _availability(self, action: ActionType) -> Availability:
        try:
            missing = family_of(action).missing(self.host, action)
            return Availability(action.name, missing, "" if missing else self.guard.holder(action.setting))
        except JepaError as error:
            return Availability(action.name, error.problem)

    def close(self) -> None:
        """Let another process have the journal."""
        self.opened.close()


class LocalActuator:
    """A ``jepa.actions.client.ActuatorClient`` without a socket between."""

    def __init__(
        self,
        engine: ActionEngine,
        caller: Caller,
        permission: Permission | None = None,
        *,
        owns: bool = False,
    ) -> None:
        """Without ``permission`` nobody is asked: root may, and of others the kernel says what they may.

        ``owns``: the engine is closed with it.
        """
        self._engine = engine
        self._caller = caller
        self._permission = permission
        self._owns = owns

    def availability(self) -> Sequence[Availability]:
        """Every action of the catalogue."""
        return self._engine.availability()

    def understand(self, request: Mapping[str, Any]) -> ActionRequest:
        """The request in a message; one without a digest is made for this caller, here and now."""
        if request.get("digest"):
            return requests.from_dict(request)
        unbound = {"uid": -1, "id": "", "boot_id": "", "expires_s": 0, "digest": ""}
        bound = {key for key, empty in unbound.items() if request.get(key, empty) not in (empty, None)}
        if bound:
            raise JepaError(
                f"The request has {', '.join(sorted(bound))}, and no digest.",
                "Leave all of these out, or make it whole.",
                status=422,
            )
        given = {key: value for key, value in request.items() if value is not None}
        made = requests.from_dict(given)._replace(
            uid=self._caller.uid,
            id=secrets.token_hex(16),
            boot_id=self._engine.clock.boot_id,
            expires_s=self._engine.clock.boottime_s() + requests.VALID_S,
        )
        return made._replace(digest=requests.digest(made))

    def _whole(self, request: ActionRequest) -> ActionRequest:
        """``request`` with id, expiry and digest, where who made it left them to us."""
        return request if request.digest else self.understand(request._asdict())

    def check(self, request: ActionRequest) -> Preview:
        """What ``request`` would do and whether it is allowed; changes nothing."""
        return self._engine.executor.check(self._whole(request), self._caller)

    def act(self, request: ActionRequest, consent: bool, progress: Progress | None = None) -> Change:
        """Do it and return what came of it."""
        request = self._whole(request)
        if self._permission is not None and not self._caller.autonomous:
            # Only what the guard allows is worth anybody's password. What it denies ends here: it judges
            # again below, and a pause or a budget that ends in between would be a way past polkit.
            preview = self._engine.executor.require(request, self._caller, consent)
            action = catalogue().find(request.action)
            self._permission(self._caller, TIERS[action.tier], _told(preview))
        return self._engine.executor.act(request, self._caller, consent, progress)

    def undo(self, change: str = "", task: str = "") -> Sequence[Change]:
        """Take back one change, those of a task, or the last of the caller's own."""
        return self._engine.executor.undo(self._caller, change, task)

    def history(self, limit: int = 50) -> Sequence[Change]:
        """The newest changes, newest first."""
        return self._engine.executor.history(limit)

    def grant(self, grant: Mapping[str, Any]) -> str:
        """Keep a grant and return its id."""
        if self._permission is not None:
            self._permission(self._caller, GRANT, "")
        with self._engine.granting:
            return self._engine.guard.grant(grant, self._caller).id

    def policy(self) -> Mapping[str, Any]:
        """The policy in force, and why it is not what the files say."""
        policy = self._engine.policies.policy()
        rules = {} if policy is None else asdict(policy)
        return {**rules, "fault": self._engine.policies.fault}

    def grants(self) -> Sequence[Mapping[str, Any]]:
        """The grants in force."""
        return [shown_grant(each) for each in self._engine.guard.grants()]

    def revoke(self, grant: str) -> None:
        """End a grant."""
        with self._engine.granting:
            self._engine.guard.revoke(grant, self._caller)

    def expire(self, change: str) -> Change:
        """Take the change back if its time is over: what the dead-man's timer asks for."""
        if self._caller.uid != 0:
            raise JepaError(
                "Only root may have a change looked at by its timer.",
                "`jepa undo` takes it back.",
                status=403,
            )
        return self._engine.executor.expire(change)

    def close(self) -> None:
        """Let another process have the journal."""
        if self._owns:
            self._engine.close()


def _told(preview: Preview) -> str:
    """What a person is asked for a password for."""
    action = catalogue().find(preview.action)
    of = f" of {preview.target}" if preview.target else ""
    return f"Set {preview.action}{of} from {shown(action, preview.old)} to {shown(action, preview.new)}"
