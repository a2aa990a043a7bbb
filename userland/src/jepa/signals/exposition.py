# SPDX-License-Identifier: Apache-2.0
"""One number from a Prometheus page (text format 0.0.4): a gauge, a counter's rate, a quantile. Pure.

Only the lines of one metric are parsed, of pages of megabytes, every second; `prometheus_client.parser`
would make objects of them all, and importing it imports a web server.
"""

import math
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from jepa.errors import JepaError
from jepa.signals.signal import NoNews, Unreachable

WINDOW_S: Final = 10.0
"""Quantiles of histograms and rates of counters are those of the last so many seconds."""
_SELECTOR: Final = re.compile(
    r"(?P<name>[a-zA-Z_]\w*)(?:\{(?P<labels>[^{}]*)\})?(?::p(?P<percent>\d{1,2}(?:\.\d{1,3})?))?", re.ASCII
)
_LABEL: Final = re.compile(r'\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(?:,|$)', re.ASCII)
_ESCAPES: Final = {"n": "\n", '"': '"', "\\": "\\"}
_CUMULATIVE: Final = ("_total", "_count", "_sum", "_bucket")
_NEVER_NEGATIVE: Final = ("_seconds", "_bytes", "_ratio", *_CUMULATIVE)
_SERIES_MOST: Final = 10_000
"""Series of one metric that are looked at."""

Labels = Mapping[str, str]
Buckets = Mapping[float, float]


@dataclass(frozen=True, slots=True)
class Selector:
    """Which number of a page: ``NAME{label="value"}:p99``."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    quantile: float | None = None
    """0 to 1; None for the value itself, or for the rate of a counter."""

    @property
    def least(self) -> float | None:
        """What it cannot fall below by the unit in its name."""
        return 0.0 if self.quantile is not None or self.name.endswith(_NEVER_NEGATIVE) else None


def parse_selector(text: str) -> Selector:
    """JepaError (422) when ``text`` selects nothing."""
    found = _SELECTOR.fullmatch(text)
    labels = None if found is None else _labels(found["labels"] or "")
    if found is None or labels is None:
        raise JepaError(
            f"{text[:80]!r} selects no number of a Prometheus page.",
            'Write METRIC, METRIC:p99 or METRIC{label="value"}:p99 behind the #.',
            status=422,
        )
    quantile = None if found["percent"] is None else float(found["percent"]) / 100
    return Selector(found["name"], tuple(labels.items()), quantile)


class Extractor:
    """Reads one number off each of a row of pages; what grows is compared with the pages before."""

    def __init__(self, selector: Selector) -> None:
        self._selector = selector
        self._before: deque[tuple[float, Buckets]] = deque()

    def read(self, page: bytes, at_s: float) -> float:
        """The number now; Unreachable where the page has none, NoNews where nothing was counted lately."""
        selector = self._selector
        kind = _kind(page, selector.name)
        if selector.quantile is not None and kind != "summary":
            buckets = _buckets(self._matching(page, f"{selector.name}_bucket"))
            if not buckets and kind != "histogram":
                return self._summary(page, selector.quantile)
            return _quantile(self._grown(buckets, at_s)[0], selector.quantile)
        if selector.quantile is not None:
            return self._summary(page, selector.quantile)
        found = self._matching(page, selector.name)
        if kind == "counter" or selector.name.endswith(_CUMULATIVE):
            total = math.fsum(value for _, value in found)
            grown, over_s = self._grown({0.0: total} if found else {}, at_s)
            return grown[0.0] / over_s
        return self._single(found)

    def _matching(self, page: bytes, name: str) -> list[tuple[Labels, float]]:
        wanted = self._selector.labels
        return [
            (labels, value)
            for labels, value in samples(page, name)
            if all(labels.get(key) == each for key, each in wanted)
        ]

    def _summary(self, page: bytes, quantile: float) -> float:
        found = self._matching(page, self._selector.name)
        return self._single([each for each in found if _number(each[0].get("quantile", "")) == quantile])

    def _single(self, found: list[tuple[Labels, float]]) -> float:
        if not found:
            raise Unreachable(f"the page has no such number of {self._selector.name}")
        if len(found) > 1:
            raise Unreachable(f"the page has {len(found)} series of {self._selector.name}: name labels")
        return found[0][1]

    def _grown(self, counts: Buckets, at_s: float) -> tuple[Buckets, float]:
        """What ``counts`` have grown by within the window, and the seconds that took."""
        if not counts:
            raise Unreachable(f"the page has no such number of {self._selector.name}")
        if not all(map(math.isfinite, counts.values())):
            raise Unreachable(f"{self._selector.name} does not count")
        before = self._before
        if before and (before[-1][1].keys() != counts.keys() or _fell(before[-1][1], counts)):
            before.clear()  # the program was started anew
        before.append((at_s, counts))
        while len(before) > 2 and before[1][0] <= at_s - WINDOW_S:
            before.popleft()
        first_s, first = before[0]
        if at_s <= first_s:
            raise NoNews("it is known from the second reading on")
        return {key: counts[key] - first[key] for key in counts}, at_s - first_s


def samples(page: bytes, name: str) -> Iterator[tuple[dict[str, str], float]]:
    """The labels and the value of each sample of ``name``; Unreachable for a line that is none."""
    start = name.encode()
    seen = 0
    for line in page.split(b"\n"):
        if not line.startswith(start):
            continue
        rest = line[len(start) :]
        if rest[:1] not in (b"{", b" ", b"\t"):
            continue  # a longer name
        seen += 1
        if seen > _SERIES_MOST:
            raise Unreachable(f"the page has more than {_SERIES_MOST} series of {name}")
        yield _sample(rest.decode("utf-8", "replace").strip(), name)


def _sample(text: str, name: str) -> tuple[dict[str, str], float]:
    labels: dict[str, str] | None = {}
    if text.startswith("{"):
        inside, closed, text = _split_labels(text)
        labels = _labels(inside) if closed else None
    words = text.split()
    value = _number(words[0]) if words else None
    if labels is None or value is None or len(words) > 2:
        raise Unreachable(f"the page has a line of {name} that cannot be read")
    return labels, value


def _split_labels(text: str) -> tuple[str, bool, str]:
    """What is between the braces, whether they are closed, and what follows."""
    quoted = escaped = False
    for at, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = quoted
        elif char == '"':
            quoted = not quoted
        elif char == "}" and not quoted:
            return text[1:at], True, text[at + 1 :]
    return "", False, ""


def _labels(text: str) -> dict[str, str] | None:
    """None where they cannot be read."""
    found: dict[str, str] = {}
    at = 0
    while text[at:].strip():
        label = _LABEL.match(text, at)
        if label is None:
            return None
        found[label[1]] = re.sub(r"\\(.)", lambda each: _ESCAPES.get(each[1], each[0]), label[2])
        at = label.end()
    return found


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)  # Python would take 1_000
    except ValueError:
        return None


def _kind(page: bytes, name: str) -> str:
    found = re.search(rb"^# TYPE " + re.escape(name.encode()) + rb"[ \t]+([a-z]+)", page, re.MULTILINE)
    return "" if found is None else found[1].decode()


def _buckets(found: list[tuple[Labels, float]]) -> dict[float, float]:
    """The counts by upper bound, of all series together."""
    counts: dict[float, float] = {}
    for labels, value in found:
        bound = _number(labels.get("le", ""))
        if bound is None or math.isnan(bound):
            raise Unreachable("the page has a bucket without a bound")
        counts[bound] = counts.get(bound, 0.0) + value
    return counts


def _fell(before: Buckets, now: Buckets) -> bool:
    return any(now[key] < before[key] for key in now)


def _quantile(grown: Buckets, quantile: float) -> float:
    """As Prometheus's histogram_quantile: evenly spread within a bucket, and never above the last bound."""
    bounds = sorted(grown)
    total = grown[bounds[-1]]
    if not math.isinf(bounds[-1]):
        raise Unreachable("the histogram has no bucket for +Inf")
    if total <= 0:
        raise NoNews(f"nothing was counted for {WINDOW_S:.0f} s")
    wanted = quantile * total
    low, below = min(0.0, bounds[0]), 0.0
    for bound in bounds:
        if grown[bound] >= wanted and grown[bound] > below:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (wanted - below) / (grown[bound] - below)
        low, below = bound, max(below, grown[bound])
    return low
