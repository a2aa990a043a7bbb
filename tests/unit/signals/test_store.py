# SPDX-License-Identifier: Apache-2.0
"""Signals that were named stay named, whole; what is published is believed only while it is fresh."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.signals.published import OLD_S, Published, listing, publish, read_published
from jepa.signals.signal import Signal, SignalReading, check_name
from jepa.signals.store import MOST, SignalStore

QUEUE = Signal("queue", "file:/run/shop/queue")
P99 = Signal("p99", 'prometheus:http://localhost:9102/metrics#request_seconds{path="/"}:p99')


def test_signals_are_kept_and_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "jepa" / "signals.toml"
    store, other = SignalStore(path), SignalStore(path)
    assert store() == ()
    store.add(QUEUE)
    store.add(P99)
    assert other() == (P99, QUEUE)
    assert tomllib.loads(path.read_text()) == {each.name: each.source for each in (P99, QUEUE)}
    assert path.stat().st_mode & 0o777 == 0o644
    store.remove("p99")
    assert other() == (QUEUE,)
    store.remove("queue")
    assert not path.exists()
    assert other() == ()


def test_a_name_is_taken_once_and_there_is_an_end(tmp_path: Path) -> None:
    store = SignalStore(tmp_path / "signals.toml")
    store.add(QUEUE)
    with pytest.raises(JepaError, match="already"):
        store.add(QUEUE)
    for number in range(1, MOST):
        store.add(Signal(f"s{number}", QUEUE.source))
    with pytest.raises(JepaError, match="the most"):
        store.add(P99)
    with pytest.raises(JepaError, match="no signal"):
        store.remove("other")


@pytest.mark.parametrize("name", ["", "A", "1a", "a.b", "a-b", "ä", "a" * 49, "a\n", "system.cpu"])
def test_no_signal_is_called_like_a_channel_or_worse(name: str) -> None:
    with pytest.raises(JepaError):
        check_name(name)


@pytest.mark.parametrize(
    "text",
    ["queue = 1", "queue =", "Queue = 'file:/x'", "queue = 'nowhere'", "[queue]", "\0", "a = " + "[" * 9999],
)
def test_a_file_that_is_wrong_is_said_so_and_changes_nothing(text: str, tmp_path: Path) -> None:
    path = tmp_path / "signals.toml"
    store = SignalStore(path)
    store.add(QUEUE)
    assert store() == (QUEUE,)
    path.write_text(text)
    assert store() == (QUEUE,)
    assert str(path) in store.fault or "cannot be" in store.fault or "no source" in store.fault
    with pytest.raises(JepaError):
        store.add(P99)
    assert path.read_text() == text


def test_what_is_published_is_read_while_it_is_fresh(tmp_path: Path) -> None:
    path = tmp_path / "signals.json"
    readings = {
        "p99": SignalReading("ok", 0.25),
        "queue": SignalReading("constant", 0.0, "it has been 0 for 60 s"),
    }
    publish(path, {each.name: each.source for each in (P99, QUEUE)}, readings, 100.0)
    found = read_published(path, 101.0)
    assert found.readings == readings
    assert found.values() == {"p99": 0.25}
    assert found.why_not("queue") == "the signal is constant: it has been 0 for 60 s"
    assert [reading.state for _, reading in listing([P99, QUEUE], found)] == ["ok", "constant"]
    moved = Signal("p99", "file:/elsewhere")
    assert [reading.state for _, reading in listing([moved], found)] == ["unreachable"]
    for late_s in (OLD_S + 1, -OLD_S - 1):
        old = read_published(path, 100.0 + late_s)
        assert old.values() == {}
        assert "has read nothing for" in old.why_not("p99")


def test_no_reader_is_said_so_of_signals_alone(tmp_path: Path) -> None:
    found = read_published(tmp_path / "none", 0.0)
    assert "not running" in found.why_not("p99")
    assert found.why_not("system.cpu.utilization") == ""
    assert [reading.state for _, reading in listing([P99], found)] == ["unreachable"]


ROW = {"source": "file:/x", "state": "ok", "value": 1, "reason": ""}


@given(
    st.one_of(
        st.binary(max_size=80),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from([*ROW, "at_s", "signals"]), inner)
            ),
            max_leaves=8,
        ).map(lambda each: json.dumps(each).encode()),
        st.dictionaries(st.sampled_from(list(ROW)), st.none() | st.floats() | st.just("ok")).map(
            lambda each: json.dumps({"at_s": 0, "signals": {"a": {**ROW, **each}}}).encode()
        ),
    )
)
def test_whatever_the_file_holds_it_is_read_or_said_to_be_unreadable(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "published.json"
    path.write_bytes(text)
    found = read_published(path, 0.0)
    assert isinstance(found, Published)
    assert all(isinstance(each, float) for each in found.values().values())
