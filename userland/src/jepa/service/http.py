# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: the engine's answers as JSON, problem+json, server-sent events and Prometheus text."""

import asyncio
import difflib
from collections.abc import AsyncIterator
from dataclasses import is_dataclass
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from jepa import __version__
from jepa.errors import JepaError
from jepa.service import api, metrics
from jepa.service.engine import RING_FRAMES, Engine, Entry
from jepa.service.subscription import Subscription
from jepa.service.wire import encode

HEARTBEAT_S = 15.0
"""A stream with nothing to say sends a comment this often, so that a dead reader is noticed."""
_INT64 = 2**63 - 1


class NoQuery(BaseModel):
    """The query of a path that takes none."""

    model_config = ConfigDict(extra="forbid")


class FramesQuery(NoQuery):
    """The query of /v1/frames."""

    since_ns: int = Field(0, ge=0, le=_INT64, description="Only frames after this time, ns since the epoch.")
    limit: int = Field(300, ge=1, le=RING_FRAMES, description="The newest so many of them.")


class ForecastQuery(NoQuery):
    """The query of /v1/forecast."""

    channel: list[str] = Field([], description="Names of channels; may be repeated. All when absent.")
    horizon: int | None = Field(
        None, ge=1, le=_INT64, description="One horizon, in seconds. All when absent."
    )


class _Ticks:
    """The newest ticks as server-sent events, encoded once for all streams."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sequence = -1
        self._event = b""

    def event(self, entry: Entry) -> bytes:
        """``entry`` as one event."""
        if entry.sequence != self._sequence:
            body = encode(self._engine.tick_out(entry))
            self._event = f"id: {entry.sequence}\nevent: tick\ndata: {body}\n\n".encode()
            self._sequence = entry.sequence
        return self._event


def _describe_fields() -> None:
    """Let the docstring below each field of the messages be its description in the OpenAPI document."""
    config = ConfigDict(use_attribute_docstrings=True, extra="forbid")
    for kind in vars(api).values():
        if isinstance(kind, type) and is_dataclass(kind):
            setattr(kind, "__pydantic_config__", config)  # noqa: B010  (unknown to the type)


def make_app(engine: Engine) -> FastAPI:
    """The application that answers from ``engine``."""
    problems: dict[int | str, dict[str, Any]] = {
        "4XX": {"description": "What is wrong with the request, and the remedy.", **_PROBLEM},
        "5XX": {"description": "Why there is no answer, and the remedy.", **_PROBLEM},
    }
    _describe_fields()
    app = FastAPI(
        title="JEPA OS",
        version=__version__,
        summary="What the world model of this machine sees and foretells. Read only.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses=problems,
    )
    ticks = _Ticks(engine)

    @app.get("/v1/status", response_model=api.Status, summary="State of each part, and the budget used")
    async def status(query: Annotated[NoQuery, Query()]) -> Response:
        return _json(engine.status())

    @app.get("/v1/doctor", response_model=api.Doctor, summary="Every check, with its remedy")
    async def doctor(query: Annotated[NoQuery, Query()]) -> Response:
        return _json(engine.doctor())

    @app.get("/v1/channels", response_model=list[api.ChannelInfo], summary="The channel schema")
    async def channels(query: Annotated[NoQuery, Query()]) -> Response:
        return _json(engine.channels())

    @app.get("/v1/frames", response_model=list[api.FrameOut], summary="The newest frames, oldest first")
    async def frames(query: Annotated[FramesQuery, Query()]) -> Response:
        return _json(engine.frames(since_ns=query.since_ns, limit=query.limit))

    @app.get("/v1/forecast", response_model=api.ForecastOut, summary="The newest forecast")
    async def forecast(query: Annotated[ForecastQuery, Query()]) -> Response:
        return _json(engine.forecast(query.channel, query.horizon))

    @app.get(
        "/v1/stream",
        response_model=None,
        summary="Ticks as they happen",
        description="Server-sent events named `tick`; the data of each is a TickOut.",
        responses={200: {"description": "Events without end.", "content": {"text/event-stream": _TICK}}},
    )
    async def stream(query: Annotated[NoQuery, Query()]) -> Response:
        wake = asyncio.Event()
        loop = asyncio.get_running_loop()
        reader = engine.subscribe(lambda: _call(loop, wake))
        return StreamingResponse(
            _events(engine, reader, wake, ticks),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    @app.get(
        "/metrics",
        response_model=None,
        summary="Prometheus text format 0.0.4",
        responses={
            200: {"description": "Samples.", "content": {"text/plain": {"schema": {"type": "string"}}}}
        },
    )
    async def prometheus() -> Response:
        return Response(metrics.render(engine), media_type=metrics.CONTENT_TYPE)

    @app.get(
        "/openapi.json",
        response_model=None,
        summary="This description, OpenAPI 3.1",
        responses={200: {"description": "OpenAPI.", "content": {"application/json": {"schema": {}}}}},
    )
    async def openapi() -> Response:
        return _json(describe(app))

    _answer_problems(app)
    return app


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of ``app``; every error in it is a problem+json."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        for path in document["paths"].values():
            path["get"]["responses"].pop("422", None)  # "4XX" says it, and truly
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas |= _schemas()
        app.openapi_schema = document
    return app.openapi_schema


def _schemas() -> dict[str, Any]:
    from pydantic import TypeAdapter

    found: dict[str, Any] = {}
    for kind in (api.Problem, api.TickOut):
        schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[kind.__name__] = schema
    return found


_PROBLEM = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_TICK = {"schema": {"$ref": "#/components/schemas/TickOut"}}


async def _events(
    engine: Engine, reader: Subscription[Entry], wake: asyncio.Event, ticks: _Ticks
) -> AsyncIterator[bytes]:
    try:
        yield b": jepa\n\n"
        while not reader.ended:
            try:
                await asyncio.wait_for(wake.wait(), HEARTBEAT_S)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            wake.clear()
            for entry in reader.take():
                yield ticks.event(entry)
    finally:
        engine.unsubscribe(reader)


def _call(loop: asyncio.AbstractEventLoop, wake: asyncio.Event) -> None:
    # The loop is closed between the end of the server and the end of the engine.
    if not loop.is_closed():
        loop.call_soon_threadsafe(wake.set)


def _json(message: object) -> Response:
    return Response(encode(message), media_type="application/json")


def _problem(problem: api.Problem, headers: dict[str, str] | None = None) -> Response:
    return Response(
        encode(problem), status_code=problem.status, media_type="application/problem+json", headers=headers
    )


def _answer_problems(app: FastAPI) -> None:
    @app.exception_handler(JepaError)
    async def refused(request: Request, error: JepaError) -> Response:
        return _problem(api.Problem(title=error.problem, status=error.status, remedy=error.remedy))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [
            f"{'.'.join(str(step) for step in fault['loc'][1:])}: {fault['msg']}" for fault in error.errors()
        ]
        return _problem(
            api.Problem(
                title="The query is not valid.",
                status=422,
                detail="; ".join(faults),
                remedy=f"/openapi.json says what {request.url.path} takes.",
            )
        )

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        paths = [str(getattr(route, "path", "")) for route in app.routes]
        if error.status_code == 404:
            near = difflib.get_close_matches(request.url.path, paths, n=2)
            remedy = f"Did you mean {' or '.join(near)}?" if near else "/openapi.json lists the paths."
            problem = api.Problem(
                title=f"There is no {request.url.path[:200]!r}.", status=404, remedy=remedy
            )
        else:
            problem = api.Problem(
                title=f"{error.detail}.",
                status=error.status_code,
                remedy="This API is read only: use GET." if error.status_code == 405 else "",
            )
        return _problem(problem, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        return _problem(
            api.Problem(
                title="jepad met an error of its own.",
                status=500,
                detail=f"{type(error).__name__}: {error}",
                remedy="Report it with the output of `journalctl -u jepad -n 50`.",
            )
        )
