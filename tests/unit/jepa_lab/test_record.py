# SPDX-License-Identifier: Apache-2.0
"""A plan is recorded once: sessions that are there are kept, broken ones are made again."""

import os
import time
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.hub import EventHub
from jepa.telemetry.recording import load_recording, read_meta
from jepa.telemetry.schema import load_schema
from jepa_lab.data import find_recordings, with_twins
from jepa_lab.listening import Listening
from jepa_lab.record import record_plan
from jepa_lab.workloads import plans
from jepa_lab.workloads.session import Session

ROOTS = (("recordings", "train"), ("heldout", "heldout"))


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> str:
    sessions = (
        Session("one", "train", "busy", 1, ("burst", "log"), 0.0, seconds=2, twin=True),
        Session("two", "heldout", "day", 2, ("idle",), 1.0, seconds=1),
    )
    monkeypatch.setitem(plans.PLANS, "tiny", sessions)
    return "tiny"


def test_a_plan_is_recorded_and_resumed(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_plan(plan, tmp_path, settle_s=0)
    recording = load_recording(tmp_path / "recordings/one", load_schema())
    assert len(recording.ts_ns) + (recording.meta.missed or 0) == 2
    assert recording.meta.labels["programs"] == ["burst", "log"]
    assert recording.meta.labels["schedule"][0]["start_s"] == 0
    assert find_recordings(tmp_path / "heldout", "heldout") == [tmp_path / "heldout/two"]
    assert not (tmp_path / "scratch").exists()
    train, held = (find_recordings(tmp_path / root, split) for root, split in ROOTS)
    assert train == [tmp_path / "recordings/one"], "a second run is found with its first alone"
    assert with_twins(train) == [tmp_path / "recordings/one", tmp_path / "recordings/one.twin"]
    assert with_twins(held) == [tmp_path / "heldout/two"]
    twin = read_meta(tmp_path / "recordings/one.twin")
    assert twin.labels["schedule"] == recording.meta.labels["schedule"]

    began = read_meta(tmp_path / "recordings/one").start_ns
    (tmp_path / "heldout/two/meta.json").write_text("{ torn")
    capsys.readouterr()
    record_plan(plan, tmp_path, settle_s=0)
    assert "one: recorded already" in capsys.readouterr().err
    assert read_meta(tmp_path / "recordings/one").start_ns == began
    assert read_meta(tmp_path / "heldout/two").finished


def test_an_unknown_plan_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="wide"):
        record_plan("nope", tmp_path)


def test_events_are_heard_while_the_context_lasts() -> None:
    heard: list[Event] = []
    read, write = os.pipe()
    with Listening(heard.append, lambda: EventHub({"pipe": lambda: Piped(read)})):
        os.write(write, b"x")
        deadline = time.monotonic() + 5
        while not heard and time.monotonic() < deadline:
            time.sleep(0.01)
    os.close(write)
    assert [event.kind for event in heard] == ["unit_failed"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.read(read, 1)


class Piped:
    """Tells an event for what is written into a pipe."""

    name = "pipe"

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def ready(self) -> list[Event]:
        os.read(self.fd, 1)
        return [Event(1, "unit_failed", "a.service", None)]

    def close(self) -> None:
        os.close(self.fd)
