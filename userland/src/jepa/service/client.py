# SPDX-License-Identifier: Apache-2.0
"""The two ways to the service: over jepad's socket, or an engine in this process."""

import http.client
import os
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from jepa.errors import JepaError
from jepa.service.api import (
    AlertKind,
    ChannelInfo,
    Client,
    Doctor,
    EventOut,
    ForecastOut,
    FrameOut,
    GoalOut,
    PackOut,
    Problem,
    Sentence,
    Status,
    TaskRequest,
    TickOut,
)
from jepa.service.paths import socket_path, state_dir
from jepa.service.wire import decode, encode

if TYPE_CHECKING:
    from jepa.service.engine import Engine

Message = TypeVar("Message")

ANSWER_S = 60.0
"""How long to wait for an answer: a daemon that is starting accepts at once and answers once it is ready."""
SWITCH_S = 300.0
"""How long to wait until another pack is loaded and checked; an emulated machine takes a minute."""
FIRST_FRAMES = 2
"""A local client waits for so many frames, since the first has no rates."""
MODEL_S = 120.0
"""How long a local client waits for its model."""


def connect(*, local: bool = False, socket: Path | None = None) -> Client:
    """A client of jepad at ``socket`` ($JEPA_SOCKET, else the system's), or of this process's own engine.

    JepaError when jepad is not running or may not be reached.
    """
    if local:
        return LocalClient()
    path = socket_path() if socket is None else socket
    client = HttpClient(path)
    client.check()
    return client


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("jepad", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class HttpClient:
    """Asks jepad over its socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        """JepaError when nobody listens on the socket."""
        self._open().close()

    def status(self) -> Status:
        """State of each part, and the budget used."""
        return self._get(Status, "/v1/status")

    def doctor(self) -> Doctor:
        """Every check, with a remedy where one is not ok."""
        return self._get(Doctor, "/v1/doctor")

    def figures(self) -> str:
        """How the model does here, as a Prometheus page."""
        connection = self._open()
        try:
            with self._ask(connection, "/metrics/figures") as response:
                return _body(response).decode()
        except (OSError, http.client.HTTPException) as error:
            raise _broken(self._path, error) from error
        finally:
            connection.close()

    def channels(self) -> list[ChannelInfo]:
        """The channel schema."""
        return self._get(list[ChannelInfo], "/v1/channels")

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[FrameOut]:
        """The newest ``limit`` frames after ``since_ns``, oldest first."""
        return self._get(list[FrameOut], f"/v1/frames?since_ns={since_ns}&limit={limit}")

    def forecast(self, channels: Sequence[str] = (), horizon_s: int | None = None) -> ForecastOut:
        """The newest forecast, for all channels and horizons unless named."""
        query = [("channel", name) for name in channels]
        if horizon_s is not None:
            query.append(("horizon", str(horizon_s)))
        return self._get(ForecastOut, f"/v1/forecast?{urlencode(query)}")

    def events(self, *, since_ns: int = 0, limit: int = 100, after: int | None = None) -> list[EventOut]:
        """The newest ``limit`` events since ``since_ns``, or the first that follow number ``after``."""
        follow = "" if after is None else f"&after={after}"
        return self._get(list[EventOut], f"/v1/events?since_ns={since_ns}&limit={limit}{follow}")

    def stream(self, channels: Sequence[str] = (), after: int | None = None) -> Iterator[TickOut | EventOut]:
        """Ticks, of ``channels`` or all, and events as they happen, until jepad ends the stream.

        With ``after``, first the events that follow that number.
        """
        query = [("channel", name) for name in channels]
        if after is not None:
            query.append(("after", str(after)))
        connection = self._open()
        name = b""
        try:
            with self._ask(connection, f"/v1/stream?{urlencode(query)}") as response:
                while line := response.readline():
                    if line.startswith(b"event: "):
                        name = line[7:].strip()
                    elif line.startswith(b"data: ") and name == b"tick":
                        yield _read(TickOut, line[6:])
                    elif line.startswith(b"data: ") and name == b"event":
                        yield _read(EventOut, line[6:])
        except (OSError, http.client.HTTPException) as error:
            raise _broken(self._path, error) from error
        finally:
            connection.close()
        raise JepaError("jepad ended the stream.", "It is stopping or restarting; try again.", status=503)

    def history(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest ``limit`` changes of the machine, newest first."""
        return self._get(list[dict[str, Any]], f"/v1/history?limit={limit}")

    def alerts(self) -> list[AlertKind]:
        """Every kind of alert, what it came to so far, and whether it is muted."""
        return self._get(list[AlertKind], "/v1/alerts")

    def mute_alerts(self, kind: str, seconds: int | None = None) -> list[AlertKind]:
        """Raise no alerts of ``kind``, for ``seconds`` or until unmuted; answers as ``alerts``."""
        query = {"kind": kind} if seconds is None else {"kind": kind, "for_s": str(seconds)}
        return self._get(list[AlertKind], f"/v1/alerts/mute?{urlencode(query)}", method="POST")

    def unmute_alerts(self, kind: str) -> list[AlertKind]:
        """Raise alerts of ``kind`` again; answers as ``alerts``."""
        return self._get(list[AlertKind], f"/v1/alerts/unmute?{urlencode({'kind': kind})}", method="POST")

    def use_pack(self, name: str) -> PackOut:
        """Have the machine pack ``name`` forecast from now on."""
        target = f"/v1/pack?{urlencode({'name': name})}"
        return self._get(PackOut, target, method="POST", wait_s=SWITCH_S)

    def parse(self, text: str) -> dict[str, Any]:
        """The task spec of a sentence, as JSON has it."""
        return self._get(dict[str, Any], "/v1/parse", method="POST", body=encode(Sentence(text)).encode())

    def plan(self, spec: str) -> dict[str, Any]:
        """A plan for the task ``spec``, both as JSON has them."""
        return self._get(dict[str, Any], "/v1/plan", method="POST", body=spec.encode())

    def kept_plan(self, plan_id: str) -> dict[str, Any]:
        """A plan that was made and has not expired."""
        return self._get(dict[str, Any], f"/v1/plans/{quote(plan_id, safe='')}")

    def tasks(self) -> list[dict[str, Any]]:
        """Every task that is known, the oldest first."""
        return self._get(list[dict[str, Any]], "/v1/tasks")

    def task(self, task_id: str) -> dict[str, Any]:
        """One task with its changes."""
        return self._get(dict[str, Any], f"/v1/tasks/{quote(task_id, safe='')}")

    def start_task(self, wanted: TaskRequest) -> dict[str, Any]:
        """Have a task stand, with a grant of one's own."""
        return self._get(dict[str, Any], "/v1/tasks", method="POST", body=encode(wanted).encode())

    def end_task(self, task_id: str) -> dict[str, Any]:
        """End a task; what it did is taken back soon after."""
        return self._get(dict[str, Any], f"/v1/tasks/{quote(task_id, safe='')}", method="DELETE")

    def goals(self) -> list[GoalOut]:
        """The states that were captured."""
        return self._get(list[GoalOut], "/v1/goals")

    def capture_goal(self, name: str, over_s: int) -> GoalOut:
        """Capture the state of the last ``over_s`` seconds."""
        query = urlencode({"name": name, "over_s": over_s})
        return self._get(GoalOut, f"/v1/goals?{query}", method="POST")

    def remove_goal(self, name: str) -> GoalOut:
        """Forget a state."""
        return self._get(GoalOut, f"/v1/goals/{quote(name, safe='')}", method="DELETE")

    def learning(self) -> dict[str, Any]:
        """What was learned of the effects of settings, as JSON has it."""
        return self._get(dict[str, Any], "/v1/learning")

    def forget_learned(self) -> dict[str, Any]:
        """Forget all of it; answers as ``learning``."""
        return self._get(dict[str, Any], "/v1/learning", method="DELETE")

    def close(self) -> None:
        """Nothing is held between two questions."""

    def _get(
        self,
        kind: type[Message],
        target: str,
        method: str = "GET",
        body: bytes | None = None,
        wait_s: float = ANSWER_S,
    ) -> Message:
        connection = self._open(wait_s)
        try:
            with self._ask(connection, target, method, body) as response:
                return _read(kind, _body(response))
        except (OSError, http.client.HTTPException) as error:
            raise _broken(self._path, error) from error
        finally:
            connection.close()

    def _ask(
        self, connection: _Connection, target: str, method: str = "GET", body: bytes | None = None
    ) -> http.client.HTTPResponse:
        connection.request(method, target, body)
        response = connection.getresponse()
        if response.status != 200:
            problem = _read(Problem, _body(response))
            said = f"{problem.title} {problem.detail}".strip()
            raise JepaError(said, problem.remedy, status=problem.status)
        return response

    def _open(self, wait_s: float = ANSWER_S) -> _Connection:
        connection = _Connection(self._path, wait_s)
        try:
            connection.connect()
        except FileNotFoundError:
            raise JepaError(
                f"jepad is not running (no socket at {self._path}).",
                "Start it with systemctl start jepad, or use jepa --local.",
                status=503,
            ) from None
        except ConnectionRefusedError:
            raise JepaError(
                f"jepad is not running (nobody listens on {self._path}).",
                "Start it with systemctl start jepad, or use jepa --local.",
                status=503,
            ) from None
        except PermissionError:
            raise JepaError(
                f"You may not use the socket {self._path}.",
                "Ask whoever runs jepad to let you read and write it, or use jepa --local.",
                status=403,
            ) from None
        except OSError as error:
            raise _broken(self._path, error) from error
        return connection


class LocalClient:
    """Runs the engine in this process: the same data, with no daemon, while the client lives."""

    def __init__(self, engine: "Engine | None" = None) -> None:
        self._engine = _local_engine() if engine is None else engine
        self._engine.start()

    def __enter__(self) -> "LocalClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def status(self) -> Status:
        """State of each part, and the budget used, once there is a whole frame and the model is settled."""
        self._wait()
        self._engine.predictor.settled.wait(MODEL_S)
        return self._engine.status()

    def doctor(self) -> Doctor:
        """Every check, with a remedy where one is not ok."""
        self._wait()
        self._engine.predictor.settled.wait(MODEL_S)
        return self._engine.doctor()

    def channels(self) -> list[ChannelInfo]:
        """The channel schema."""
        return self._engine.channels()

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[FrameOut]:
        """The newest ``limit`` frames after ``since_ns``, oldest first."""
        self._wait()
        return self._engine.frames(since_ns=since_ns, limit=limit)

    def forecast(self, channels: Sequence[str] = (), horizon_s: int | None = None) -> ForecastOut:
        """The newest forecast, once there is one."""
        self._wait()
        self._engine.predictor.settled.wait(MODEL_S)
        return self._engine.forecast(channels, horizon_s)

    def events(self, *, since_ns: int = 0, limit: int = 100, after: int | None = None) -> list[EventOut]:
        """The newest ``limit`` events since ``since_ns``, or the first that follow number ``after``."""
        self._wait()
        return self._engine.events(since_ns=since_ns, limit=limit, after=after)

    def stream(self, channels: Sequence[str] = (), after: int | None = None) -> Iterator[TickOut | EventOut]:
        """Ticks, of ``channels`` or all, and events as they happen, until the client is closed."""
        return self._engine.stream(channels, after)

    def history(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest ``limit`` changes of the machine, newest first."""
        return self._engine.actuator.history(limit)

    def alerts(self) -> list[AlertKind]:
        """Every kind of alert, what it came to so far, and whether it is muted."""
        return self._engine.alert_kinds()

    def mute_alerts(self, kind: str, seconds: int | None = None) -> list[AlertKind]:
        """JepaError (409): what this process knows ends with it."""
        raise _only_in_jepad()

    def unmute_alerts(self, kind: str) -> list[AlertKind]:
        """JepaError (409), as ``mute_alerts``."""
        raise _only_in_jepad()

    def use_pack(self, name: str) -> PackOut:
        """JepaError (409): this process has the pack it was started with."""
        raise JepaError(
            "Packs are put in use in jepad, and this process is not it.", "Leave out --local.", status=409
        )

    def parse(self, text: str) -> dict[str, Any]:
        """The task spec of a sentence."""
        return self._engine.parse(text)

    def plan(self, spec: str) -> dict[str, Any]:
        """A plan for the task ``spec``, once the model has seen enough of the machine."""
        from jepa.service.plans import LEAST_CONTEXT

        self._wait()
        self._engine.predictor.settled.wait(MODEL_S)
        until = time.monotonic() + LEAST_CONTEXT + 5 * self._engine.period_s
        while 0 < self._engine.predictor.context[0] < LEAST_CONTEXT and time.monotonic() < until:
            time.sleep(self._engine.period_s / 4)
        return self._engine.plan(spec.encode())

    def kept_plan(self, plan_id: str) -> dict[str, Any]:
        """A plan that this process made and that has not expired."""
        return self._engine.kept_plan(plan_id)

    def tasks(self) -> list[dict[str, Any]]:
        """JepaError (409): tasks stand in jepad."""
        raise _no_tasks()

    def task(self, task_id: str) -> dict[str, Any]:
        """JepaError (409), as ``tasks``."""
        raise _no_tasks()

    def start_task(self, wanted: TaskRequest) -> dict[str, Any]:
        """JepaError (409), as ``tasks``."""
        raise _no_tasks()

    def end_task(self, task_id: str) -> dict[str, Any]:
        """JepaError (409), as ``tasks``."""
        raise _no_tasks()

    def goals(self) -> list[GoalOut]:
        """The states that were captured here."""
        return self._engine.goals.all()

    def capture_goal(self, name: str, over_s: int) -> GoalOut:
        """JepaError (409): this process has not seen the machine so long."""
        raise JepaError(
            "States are captured in jepad, and this process is not it.", "Leave out --local.", status=409
        )

    def remove_goal(self, name: str) -> GoalOut:
        """Forget a state."""
        return self._engine.goals.remove(name, os.getuid())

    def learning(self) -> dict[str, Any]:
        """JepaError (409), as ``tasks``."""
        raise _no_tasks()

    def forget_learned(self) -> dict[str, Any]:
        """JepaError (409), as ``tasks``."""
        raise _no_tasks()

    def close(self) -> None:
        """Stop the engine and close its log."""
        self._engine.stop()
        self._engine.predictor.close()

    def _wait(self) -> None:
        if not self._engine.ring.wait(FIRST_FRAMES, timeout_s=30.0):
            part = self._engine.status().parts[0]
            raise JepaError(part.reason or "No frame came within 30 s.", part.remedy, status=503)


def _local_engine() -> "Engine":
    from jepa.service.assembly import machine_engine

    try:
        return machine_engine(state_dir(), mode="local")
    except JepaError as error:
        if error.status != 409:
            raise
        return machine_engine(None, mode="local")  # another one keeps the history already


def _body(response: http.client.HTTPResponse) -> bytes:
    """The whole body; IncompleteRead when the answer broke off, be it before its length was given."""
    if response.length is None:
        raise http.client.IncompleteRead(b"")
    return response.read()


def _read(kind: type[Message], text: bytes) -> Message:
    try:
        return decode(kind, text)
    except ValueError as error:
        raise JepaError(
            f"jepad gave an answer that this jepa cannot read: {error}.",
            "Restart jepad, so that both are of one version: systemctl restart jepad.",
            status=502,
        ) from error


def _broken(path: Path, error: Exception) -> JepaError:
    reason = "it did not answer in time" if isinstance(error, TimeoutError) else str(error)
    return JepaError(
        f"The connection to jepad at {path} broke: {reason}.",
        "Look at systemctl status jepad, then try again.",
        status=502,
    )


def _only_in_jepad() -> JepaError:
    return JepaError(
        "Alerts are muted in jepad, and this process is not it.", "Leave out --local.", status=409
    )


def _no_tasks() -> JepaError:
    return JepaError("Tasks stand in jepad, and this process is not it.", "Leave out --local.", status=409)
