# SPDX-License-Identifier: Apache-2.0
"""What healing may ask of the actuator: to act, and to take back what was changed lately."""

import time
from collections.abc import Callable, Sequence

from jepa.actions.change import Change, State
from jepa.actions.client import ActuatorClient
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError
from jepa.healing.healer import TASK

_RECENT_NS = 600 * 10**9


class ActuatorRepairHands:
    """Asks over a connection that is kept, so that the actuator runs already when memory is short."""

    def __init__(
        self, connect: Callable[[], ActuatorClient], wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._connect, self._wall_ns = connect, wall_ns
        self._client: ActuatorClient | None = None

    def hold(self) -> bool:
        """Connect when there is no connection; whether there is one now."""
        try:
            self._client = self._client or self._connect()
        except JepaError:
            return False
        return True

    def release(self) -> None:
        """End the connection, so that the actuator may end too."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def act(self, request: ActionRequest, consent: bool) -> Change:
        """Make one change; one attempt more over a new connection when the actuator was restarted."""
        if not self.hold() or self._client is None:
            raise JepaError(
                "The actuator cannot be reached.", "See `systemctl status jepa-actuator`.", status=503
            )
        try:
            return self._client.act(request, consent)
        except JepaError as error:
            if error.status != 503:
                raise
        self.release()
        client = self._client = self._connect()
        return client.act(request, consent)

    def may(self, request: ActionRequest) -> bool:
        """Whether a grant allows ``request`` now."""
        if not self.hold() or self._client is None:
            return False
        try:
            return self._client.check(request).verdict.decision == "allow"
        except JepaError:
            return False

    def recent(self, subject: str) -> Sequence[Change]:
        """What was changed of ``subject`` in the last ten minutes, is in force and is not healing's own."""
        if not self.hold() or self._client is None:
            return ()
        since_ns = self._wall_ns() - _RECENT_NS
        return [
            change
            for change in self._client.history()
            if change.ts_ns > since_ns
            and change.state is State.COMMITTED
            and change.in_force
            and change.target == subject
            and change.task != TASK
        ]

    def undo(self, change: Change) -> None:
        """Take ``change`` back. JepaError (403) where only a person may."""
        if not self.hold() or self._client is None:
            raise JepaError(
                "The actuator cannot be reached.", "See `systemctl status jepa-actuator`.", status=503
            )
        self._client.undo(change.id)
