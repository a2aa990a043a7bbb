# SPDX-License-Identifier: Apache-2.0
"""Reads the query of a request by the parameters that its route takes."""

import difflib
from collections.abc import Sequence
from urllib.parse import parse_qsl

from jepa.errors import JepaError
from jepa.service.route import Parameter, Query, Route


class QueryError(JepaError):
    """The query of a request is not what its path takes."""

    def __init__(self, detail: str, path: str) -> None:
        super().__init__(
            f"The query is not valid: {detail}.", f"/openapi.json says what {path} takes.", status=422
        )


def read_query(route: Route, text: str) -> Query:
    """The parameters in ``text``, with defaults; QueryError (422) for what ``route`` does not take."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise QueryError("it has more than 100 fields", route.path) from None
    known = {parameter.name: parameter for parameter in route.parameters}
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in known:
            raise QueryError(_unknown(name, list(known)), route.path)
        given.setdefault(name, []).append(value)
    return {name: _value(parameter, given.get(name, []), route) for name, parameter in known.items()}


def _value(parameter: Parameter, given: list[str], route: Route) -> int | list[str] | None:
    if parameter.kind == "string":
        return given
    if not given:
        return parameter.default
    text = given[-1]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
    if len(given) > 1 or not parameter.low <= number <= parameter.high:
        raise QueryError(
            f"{parameter.name} is one whole number from {parameter.low} to {parameter.high}", route.path
        )
    return number


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"it takes no {name[:60]!r}" + (f" but {near[0]!r}" if near else "")
