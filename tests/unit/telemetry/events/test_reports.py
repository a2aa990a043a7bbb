# SPDX-License-Identifier: Apache-2.0
"""Reports of cameras and of healing: the right kinds and lengths come through, nothing else does."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.events.event import KINDS as ALL_KINDS
from jepa.telemetry.events.event import Event, Severity
from jepa.telemetry.events.reports import (
    KINDS,
    LONGEST_TEXT,
    LONGEST_UNIT,
    Reports,
    WatchState,
    decode,
    encode,
)

NOW = 1_800_000_000_000_000_000
LINES = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=LONGEST_UNIT)
EVENTS = st.one_of(
    st.builds(
        Event,
        ts_ns=st.integers(NOW - 3600 * 10**9, NOW),
        kind=st.sampled_from(sorted(kinds)),
        unit=st.none() | LINES,
        detail=st.none() | LINES,
        severity=st.sampled_from(get_args(Severity)),
        source=st.just(source),
    )
    for source, kinds in KINDS.items()
)
WORDS = st.sampled_from(["event", "state", "anomaly", "info", "\x1b[2J", "x" * 1000]) | st.text(max_size=9)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
JSON = VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(WORDS, VALUES, max_size=2)
FIELDS = ("type", "source", "kind", "severity", "ts_ns", "unit", "detail", "ok", "reason")


@given(st.one_of(EVENTS, st.builds(WatchState, st.booleans(), LINES)))
def test_what_is_reported_arrives(report: Event | WatchState) -> None:
    assert decode(encode(report), NOW) == report


@given(st.text(max_size=2 * LONGEST_TEXT))
def test_whatever_words_a_library_says_a_report_of_them_is_taken(text: str) -> None:
    for report in (WatchState(False, text), Event(NOW, "camera_lost", text, text, "warning", "vision")):
        arrived = decode(encode(report), NOW)
        assert type(arrived) is type(report)
        if text.isprintable() and len(text) <= LONGEST_UNIT:
            assert arrived == report


@given(
    st.one_of(
        st.binary(max_size=300),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.dictionaries(st.sampled_from(FIELDS), JSON).map(lambda value: json.dumps(value).encode()),
    )
)
def test_whatever_comes_is_a_bounded_report_or_refused(datagram: bytes) -> None:
    try:
        report = decode(datagram, NOW)
    except ValueError:
        return
    if isinstance(report, Event):
        assert report.kind in KINDS[report.source] <= set(ALL_KINDS)
        assert NOW - 2 * 24 * 3600 * 10**9 < report.ts_ns <= NOW
        texts = [report.unit or "", report.detail or ""]
    else:
        texts = [report.reason]
    assert all(len(text) <= LONGEST_TEXT and text.isprintable() for text in texts)


def event(**other: Any) -> bytes:
    fields = {
        "type": "event",
        "ts_ns": NOW,
        "source": "vision",
        "kind": "anomaly",
        "severity": "info",
        "unit": "u",
        "detail": "d",
    }
    return json.dumps(fields | other).encode()


@pytest.mark.parametrize(
    "datagram",
    [
        event(kind="oom_kill"),
        event(source="healing"),
        event(source="kmsg", kind="oom_kill"),
        event(severity="loud"),
        event(ts_ns=1.5),
        event(ts_ns=True),
        event(unit="a\nb"),
        event(detail="\x1b[2J"),
        event(unit="u" * (LONGEST_UNIT + 1)),
        event(detail=["d"]),
        b"[" * 8000,
        b"{}",
        b"\xff",
    ],
)
def test_what_could_mislead_is_refused(datagram: bytes) -> None:
    with pytest.raises(ValueError, match="no "):
        decode(datagram, NOW)


@pytest.mark.parametrize("ts_ns", [0, -(10**30), NOW + 10**9, NOW - 10**15])
def test_a_time_that_cannot_be_is_now(ts_ns: int) -> None:
    report = decode(event(ts_ns=ts_ns), NOW)
    assert isinstance(report, Event)
    assert report.ts_ns == NOW


class Heard:
    """Reports with a clock of their own, and a way to write to them."""

    def __init__(self, path: Path) -> None:
        self.now_s = 0.0
        self.reports = Reports(path, lambda: NOW, lambda: self.now_s)
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def say(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, str(self._path))

    def close(self) -> None:
        self._socket.close()
        self.reports.close()


@pytest.fixture
def heard(place: Path) -> Iterator[Heard]:
    heard = Heard(place / "reports.sock")
    yield heard
    heard.close()


def test_a_flood_is_cut_off_and_what_is_lost_is_told_later(heard: Heard) -> None:
    told: list[Event] = []
    for number in range(500):
        heard.say(event(detail=str(number)))
        told += heard.reports.ready()
    assert 40 < len(told) < 60
    heard.now_s = 10
    heard.say(b"no report")
    (lost,) = heard.reports.ready()
    assert lost.kind == "events_lost"
    assert lost.detail == f"{501 - len(told)} reports"


def test_a_state_counts_for_a_while(heard: Heard) -> None:
    assert heard.reports.state().ok
    heard.say(encode(WatchState(False, "it is gone")))
    assert heard.reports.ready() == []
    assert (heard.reports.state().ok, heard.reports.state().reason) == (False, "it is gone")
    heard.now_s = 100
    assert heard.reports.state().reason == "no camera is watched"
