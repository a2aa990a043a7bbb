# SPDX-License-Identifier: Apache-2.0
"""Asks a Prometheus server over its HTTP API, which has been the same since version 2.0."""

import json
import math
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jepa.errors import JepaError

VARIABLE: Final = "JEPA_PROMETHEUS"
"""The environment variable with the server's address."""
_PATIENCE_S: Final = 30.0
_LONGEST: Final = 64 << 20
"""Bytes of an answer; a month of ten thousand machines by the hour is less."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one set of labels; an instant's has one."""

    labels: Mapping[str, str]
    values: tuple[tuple[float, float], ...]
    """Time in seconds and value, the oldest first; only finite ones."""

    @property
    def machine(self) -> str:
        """Which machine it is of."""
        return self.labels.get("instance", "")

    @property
    def last(self) -> float:
        """The newest value."""
        return self.values[-1][1]


class Prometheus:
    """A server at ``address``; JepaError says why it gives no answer."""

    def __init__(self, address: str | None, environ: Mapping[str, str] = os.environ) -> None:
        named = address or environ.get(VARIABLE)
        if not named:
            raise JepaError(
                "No Prometheus server is named.",
                f"Name it with --prometheus http://HOST:9090, or in ${VARIABLE}.",
                status=400,
            )
        if urllib.parse.urlsplit(named).scheme not in ("http", "https"):
            raise JepaError(
                f"{named!r} is no address of a Prometheus server.", "Write http://HOST:9090.", status=400
            )
        self.address = named.rstrip("/")

    def instant(self, expression: str) -> list[Series]:
        """What ``expression`` is now."""
        return self._series("query", {"query": expression})

    def over(self, expression: str, start_s: float, end_s: float, step_s: float) -> list[Series]:
        """What ``expression`` was at each step from ``start_s`` to ``end_s``, seconds since the epoch."""
        words = {
            "query": expression,
            "start": f"{start_s:.3f}",
            "end": f"{end_s:.3f}",
            "step": f"{step_s:g}",
        }
        return self._series("query_range", words)

    def _series(self, what: str, words: Mapping[str, str]) -> list[Series]:
        answer = self._ask(what, words)
        try:
            result = answer["data"]["result"]
            found = [(each["metric"], each.get("values") or [each["value"]]) for each in result]
            every = [
                Series(labels, tuple((float(at), float(value)) for at, value in values))
                for labels, values in found
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise self._no_prometheus() from error
        finite = [
            Series(each.labels, tuple(pair for pair in each.values if math.isfinite(pair[1])))
            for each in every
        ]
        return [each for each in finite if each.values]

    def _ask(self, what: str, words: Mapping[str, str]) -> Any:
        asked = urllib.request.Request(
            f"{self.address}/api/v1/{what}", data=urllib.parse.urlencode(words).encode()
        )
        try:
            with urllib.request.urlopen(asked, timeout=_PATIENCE_S) as answer:
                content = answer.read(_LONGEST)
        except urllib.error.HTTPError as error:
            raise self._refused(error) from error
        except OSError as error:
            reason = getattr(error, "reason", None) or error
            raise JepaError(
                f"No Prometheus answers at {self.address}: {getattr(reason, 'strerror', None) or reason}.",
                "Look whether it runs, and at the address.",
                status=503,
            ) from error
        try:
            return json.loads(content)
        except ValueError as error:
            raise self._no_prometheus() from error

    def _refused(self, error: urllib.error.HTTPError) -> JepaError:
        try:
            why = str(json.loads(error.read(_LONGEST))["error"])
        except (ValueError, KeyError, TypeError):
            return self._no_prometheus()
        return JepaError(f"Prometheus at {self.address} refuses: {why}.", "Look at its log.", status=502)

    def _no_prometheus(self) -> JepaError:
        return JepaError(
            f"What answers at {self.address} is no Prometheus server.", "Look at the address.", status=502
        )


def quoted(text: str) -> str:
    """``text`` as it stands between the quotes of a label's value."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
