# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI 3.1 document of the routes; the schemas come from the messages and their docstrings."""

import re
from collections.abc import Sequence
from dataclasses import is_dataclass
from types import UnionType
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from jepa import __version__
from jepa.service import api, api_records
from jepa.service.route import JSON, Parameter, Route
from jepa.tasks.spec import TaskSpec

REF = "#/components/schemas/{model}"


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The description of ``routes``; every error in it is a problem+json."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "JEPA OS",
            "summary": "What the world model of this machine sees and predicts.",
            "version": __version__,
        },
        "paths": _paths(routes),
        "components": {"schemas": _schemas()},
    }


def _paths(routes: Sequence[Route]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for route in routes:
        methods = found.setdefault(route.path, {})
        methods[route.method.lower()] = _operation(route, route.method.lower() if methods else "")
    return found


def _schemas() -> dict[str, Any]:
    named = {**vars(api), **vars(api_records)}.values()
    kinds = [kind for kind in named if isinstance(kind, type) and is_dataclass(kind)]
    for kind in kinds:
        config = ConfigDict(use_attribute_docstrings=True, extra="forbid", alias_generator=_name)
        setattr(kind, "__pydantic_config__", config)  # noqa: B010  (unknown to the type)
    found: dict[str, Any] = {}
    for kind in kinds:
        schema = TypeAdapter(kind).json_schema(ref_template=REF)
        found |= schema.pop("$defs", {})
        found[kind.__name__] = schema
    spec = TaskSpec.model_json_schema(ref_template=REF)
    found |= spec.pop("$defs", {})
    found[TaskSpec.__name__] = spec
    return found


def _name(field: str) -> str:
    """A field's name in messages: ``from`` is a word of Python's own and so is called ``from_`` there."""
    return field.removesuffix("_")


def _operation(route: Route, which: str) -> dict[str, Any]:
    """``which`` tells it from others of the same path."""
    media = route.media.split(";")[0]
    carried = {"required": True, "content": {JSON: {"schema": {"$ref": REF.format(model=route.takes)}}}}
    problem = {"application/problem+json": {"schema": {"$ref": REF.format(model="Problem")}}}
    return {
        "summary": route.summary,
        "operationId": re.sub(r"\W+", "_", f"{which}{route.path}").strip("_"),
        "parameters": [*_variable(route), *(_parameter(parameter) for parameter in route.parameters)],
        **({"requestBody": carried} if route.takes else {}),
        "responses": {
            "200": {"description": route.summary, "content": {media: {"schema": _body(route)}}},
            "4XX": {"description": "What is wrong with the request, and the remedy.", "content": problem},
            "5XX": {"description": "Why there is no answer, and the remedy.", "content": problem},
        },
    }


def _body(route: Route) -> dict[str, Any]:
    if route.body is None:
        return {"type": "object"} if route.media == "application/json" else {"type": "string"}
    if isinstance(route.body, str):
        return {"$ref": REF.format(model=route.body)}
    if isinstance(route.body, type) and is_dataclass(route.body):
        return {"$ref": REF.format(model=route.body.__name__)}
    if isinstance(route.body, UnionType):
        return {"oneOf": [{"$ref": REF.format(model=kind.__name__)} for kind in route.body.__args__]}
    (item,) = route.body.__args__
    return {"type": "array", "items": {"$ref": REF.format(model=item.__name__)}}


def _variable(route: Route) -> list[dict[str, Any]]:
    """The parameter that the path ends with, if it does."""
    if not route.variable:
        return []
    return [
        {
            "name": route.variable,
            "in": "path",
            "required": True,
            "description": "Which one.",
            "schema": {"type": "string"},
        }
    ]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": parameter.kind}
    if parameter.kind == "integer":
        schema |= {"minimum": parameter.low, "maximum": parameter.high}
        if parameter.default is not None:
            schema["default"] = parameter.default
    if parameter.repeated:
        schema = {"type": "array", "items": schema}
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.description,
        "schema": schema,
    }
