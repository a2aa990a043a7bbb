# SPDX-License-Identifier: Apache-2.0
"""The table of the API: its paths, what each takes, and the engine's answer as a message."""

import difflib
import time

from jepa.actions.summary import KEPT as CHANGES
from jepa.errors import JepaError
from jepa.planning.captured import LONGEST_S, SHORTEST_S
from jepa.service import api, api_records, metrics
from jepa.service.engine import Engine
from jepa.service.events import KEPT
from jepa.service.ring import RING_FRAMES
from jepa.service.route import BODY, EVENTS, WHO, Parameter, Query, Route
from jepa.service.wire import decode, encode


def _openapi(engine: Engine, query: Query) -> str:
    # Asked for rarely, and pydantic, which derives it, takes longer to import than the server.
    from jepa.service.openapi import document

    return encode(document(ROUTES))


def _no_text(engine: Engine, query: Query) -> str:
    raise AssertionError("a stream is not answered with a text")


def _mute(engine: Engine, query: Query) -> str:
    until_ns = None if query["for_s"] is None else time.time_ns() + query["for_s"] * 1_000_000_000
    engine.alerting.mute(_kind(query), until_ns)
    return encode(engine.alert_kinds())


def _unmute(engine: Engine, query: Query) -> str:
    engine.alerting.unmute(_kind(query))
    return encode(engine.alert_kinds())


def _kind(query: Query) -> str:
    given: list[str] = query["kind"]
    if len(given) != 1:
        raise JepaError("One kind of alert is wanted.", "GET /v1/alerts lists the kinds.", status=422)
    return given[0]


def _use_pack(engine: Engine, query: Query) -> str:
    given: list[str] = query["name"]
    if len(given) != 1:
        raise JepaError("One name of a pack is wanted.", "`jepa packs list` lists them.", status=422)
    return encode(engine.use_pack(given[0]))


def _start_task(engine: Engine, query: Query) -> str:
    try:
        wanted = decode(api.TaskRequest, query[BODY])
    except ValueError as error:
        raise JepaError(
            f"The task is not valid: {error}.", "/openapi.json says what POST /v1/tasks takes.", status=422
        ) from error
    return encode(engine.tasks.accept(wanted, query[WHO]))


def _sentence(query: Query) -> str:
    try:
        return decode(api.Sentence, query[BODY]).text
    except ValueError as error:
        raise JepaError(
            f"The sentence is not valid: {error}.", 'For instance {"text": "free memory"}.', status=422
        ) from error


def _capture(engine: Engine, query: Query) -> str:
    given: list[str] = query["name"]
    if len(given) != 1:
        raise JepaError("One name is wanted.", "POST /v1/goals?name=calm, for instance.", status=422)
    return encode(engine.goals.capture(given[0], query["over_s"], query[WHO]))


KIND = Parameter(name="kind", description="A kind of alert.", kind="string")
ROUTES: tuple[Route, ...] = (
    Route(
        path="/v1/status",
        summary="State of each part, and the budget used",
        body=api.Status,
        answer=lambda engine, query: encode(engine.status()),
    ),
    Route(
        path="/v1/doctor",
        summary="Every check, with its remedy",
        body=api.Doctor,
        answer=lambda engine, query: encode(engine.doctor()),
    ),
    Route(
        path="/v1/channels",
        summary="The channel schema",
        body=list[api.ChannelInfo],
        answer=lambda engine, query: encode(engine.channels()),
    ),
    Route(
        path="/v1/frames",
        summary="The newest frames, oldest first",
        body=list[api.FrameOut],
        parameters=(
            Parameter(
                name="since_ns", description="Only frames after this time, ns since the epoch.", default=0
            ),
            Parameter(
                name="limit",
                description="The newest so many of them.",
                low=1,
                high=RING_FRAMES,
                default=300,
            ),
        ),
        answer=lambda engine, query: encode(engine.frames(since_ns=query["since_ns"], limit=query["limit"])),
    ),
    Route(
        path="/v1/forecast",
        summary="The newest forecast",
        body=api.ForecastOut,
        parameters=(
            Parameter(
                name="channel",
                description="Name of a channel; may be repeated. All when absent.",
                kind="string",
                repeated=True,
            ),
            Parameter(name="horizon", description="One horizon, in seconds. All when absent.", low=1),
        ),
        answer=lambda engine, query: encode(engine.forecast(query["channel"], query["horizon"])),
    ),
    Route(
        path="/v1/events",
        summary="The newest discrete events, oldest first",
        body=list[api.EventOut],
        parameters=(
            Parameter(
                name="since_ns", description="Only events after this time, ns since the epoch.", default=0
            ),
            Parameter(
                name="after", description="Only events that follow this number; then the first so many."
            ),
            Parameter(
                name="limit", description="The newest so many of them.", low=1, high=KEPT, default=100
            ),
        ),
        answer=lambda engine, query: encode(
            engine.events(since_ns=query["since_ns"], limit=query["limit"], after=query["after"])
        ),
    ),
    Route(
        path="/v1/alerts",
        summary="The kinds of alerts, and what they came to on this machine",
        body=list[api.AlertKind],
        answer=lambda engine, query: encode(engine.alert_kinds()),
    ),
    Route(
        path="/v1/alerts/mute",
        method="POST",
        for_root=True,
        summary="Raise no alerts of a kind; answers as GET /v1/alerts",
        body=list[api.AlertKind],
        parameters=(
            KIND,
            Parameter(
                name="for_s",
                description="For so many seconds; until unmuted when absent.",
                low=1,
                high=10**9,
            ),
        ),
        answer=_mute,
    ),
    Route(
        path="/v1/alerts/unmute",
        method="POST",
        for_root=True,
        summary="Raise alerts of a kind again; answers as GET /v1/alerts",
        body=list[api.AlertKind],
        parameters=(KIND,),
        answer=_unmute,
    ),
    Route(
        path="/v1/pack",
        method="POST",
        for_root=True,
        summary="Forecast with another machine pack of this machine; the one in use stays if it is not fit",
        body=api.PackOut,
        parameters=(
            Parameter(
                name="name",
                description="NAME_VERSION of an installed pack, or the name of one of the system.",
                kind="string",
            ),
        ),
        answer=_use_pack,
    ),
    Route(
        path="/v1/history",
        summary="The newest changes of the machine, newest first",
        body=list[api_records.ChangeOut],
        parameters=(
            Parameter(
                name="limit", description="The newest so many of them.", low=1, high=CHANGES, default=50
            ),
        ),
        answer=lambda engine, query: encode(engine.actuator.history(query["limit"])),
    ),
    Route(
        path="/v1/actions",
        summary="What can be set, and what this machine lacks",
        body=list[api_records.ActionOut],
        answer=lambda engine, query: encode(engine.actuator.actions()),
    ),
    Route(
        path="/v1/parse",
        method="POST",
        summary="The task spec of a sentence; none, with a question, where it is not understood",
        takes="Sentence",
        body="TaskSpec",
        answer=lambda engine, query: encode(engine.parse(_sentence(query))),
    ),
    Route(
        path="/v1/plan",
        method="POST",
        summary="A plan for a task spec: steps, their imagined effect, a verdict; changes nothing",
        takes="TaskSpec",
        body=api_records.PlanOut,
        answer=lambda engine, query: encode(engine.plan(query[BODY])),
    ),
    Route(
        path="/v1/plans/{id}",
        summary="A plan that was made, until it expires",
        body=api_records.PlanOut,
        answer=lambda engine, query: encode(engine.kept_plan(query["id"])),
    ),
    Route(
        path="/v1/tasks",
        summary="The tasks that stand, and those that stood lately, oldest first",
        body=list[api_records.TaskOut],
        answer=lambda engine, query: encode(engine.tasks.all()),
    ),
    Route(
        path="/v1/tasks",
        method="POST",
        summary="Have a task stand, with a grant that whoever asks has given",
        takes="TaskRequest",
        body=api_records.TaskOut,
        answer=_start_task,
    ),
    Route(
        path="/v1/tasks/{id}",
        summary="A task and its changes, predicted beside observed",
        body=api_records.TaskDetail,
        answer=lambda engine, query: encode(engine.tasks.detail(query["id"])),
    ),
    Route(
        path="/v1/tasks/{id}",
        method="DELETE",
        summary="End a task, for whoever began it and root; what it did is taken back soon after",
        body=api_records.TaskOut,
        answer=lambda engine, query: encode(engine.tasks.end(query["id"], query[WHO])),
    ),
    Route(
        path="/v1/goals",
        summary="The states of the machine that were captured, by name",
        body=list[api.GoalOut],
        answer=lambda engine, query: encode(engine.goals.all()),
    ),
    Route(
        path="/v1/goals",
        method="POST",
        summary="Capture the state of the last seconds as a goal of whoever asks",
        body=api.GoalOut,
        parameters=(
            Parameter(name="name", description="What to call it.", kind="string"),
            Parameter(
                name="over_s",
                description="Seconds that it is the mean of.",
                low=SHORTEST_S,
                high=LONGEST_S,
                default=30,
            ),
        ),
        answer=_capture,
    ),
    Route(
        path="/v1/goals/{id}",
        method="DELETE",
        summary="Forget a captured state, for whoever captured it and root",
        body=api.GoalOut,
        answer=lambda engine, query: encode(engine.goals.remove(query["id"], query[WHO])),
    ),
    Route(
        path="/v1/learning",
        summary="What was learned of the effects of settings on this machine, and whether plans use it",
        body=api_records.LearningOut,
        answer=lambda engine, query: encode(engine.learned()),
    ),
    Route(
        path="/v1/learning",
        method="DELETE",
        for_root=True,
        summary="Forget all that was learned; answers as GET /v1/learning",
        body=api_records.LearningOut,
        answer=lambda engine, query: encode(engine.forget_learned()),
    ),
    Route(
        path="/v1/signals",
        summary="A person's own numbers, and whether each can be trusted",
        body=list[api_records.SignalOut],
        answer=lambda engine, query: encode(engine.signals()),
    ),
    Route(
        path="/v1/stream",
        summary="What happens: server-sent events named tick (a TickOut) and event (an EventOut)",
        body=api.TickOut | api.EventOut,
        media=EVENTS,
        parameters=(
            Parameter(
                name="channel",
                description="Name of a channel that ticks give; may be repeated. All when absent.",
                kind="string",
                repeated=True,
            ),
            Parameter(
                name="after",
                description="Begin with the events that follow this number; so does Last-Event-ID.",
            ),
        ),
        answer=_no_text,
    ),
    Route(
        path="/metrics",
        summary="Prometheus text format 0.0.4",
        body=None,
        media=metrics.CONTENT_TYPE,
        answer=lambda engine, query: metrics.render(engine),
    ),
    Route(
        path="/metrics/figures",
        summary="Of /metrics how the model does here, and nothing of what the machine does",
        body=None,
        media=metrics.CONTENT_TYPE,
        answer=lambda engine, query: metrics.render_figures(engine),
    ),
    Route(path="/openapi.json", summary="This description, OpenAPI 3.1", body=None, answer=_openapi),
)


def _methods(route: Route) -> tuple[str, ...]:
    return ("GET", "HEAD") if route.method == "GET" else (route.method,)


class NotAllowed(JepaError):
    """The path is there, but not for this method."""

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method[:20]} is not allowed.", f"Here {allowed} is.", status=405)
        self.allowed = allowed


def find(path: str, method: str = "GET") -> Route:
    """The route of ``path``; JepaError (404) with near paths when there is none, NotAllowed (405)."""
    found = [route for route in ROUTES if route.matches(path)]
    for route in found:
        if method in _methods(route):
            return route
    if found:
        raise NotAllowed(method, ", ".join(each for route in found for each in _methods(route)))
    near = difflib.get_close_matches(path, [route.path for route in ROUTES], n=2)
    remedy = f"Did you mean {' or '.join(near)}?" if near else "/openapi.json lists the paths."
    raise JepaError(f"There is no {path[:200]!r}.", remedy, status=404)
