# SPDX-License-Identifier: Apache-2.0
"""No name leaves: whatever text is in a recording, none of it is in what is sent."""

import json
from dataclasses import asdict, replace

from hypothesis import given
from hypothesis import strategies as st

from jepa.fleet.keys import FleetKey
from jepa.fleet.names import Names, without_names
from jepa.telemetry.events.event import Event
from jepa.telemetry.recording import Action
from tests.unit.fleet.machines import PERSON, UNIT, a_recording

KEY = FleetKey(b"s" * 32, b"o" * 32)
SECRET = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ/@", min_size=6, max_size=20)
"""Text that stands nowhere by chance."""


def test_names_are_hidden_and_remembered() -> None:
    names = Names(KEY)
    sent = without_names(a_recording(), names)
    (event,) = sent.events
    assert (event.kind, event.severity, event.source) == ("oom_kill", "error", "kmsg")
    assert names.table == {event.unit: UNIT, event.detail: PERSON}
    assert sent.meta.labels == {"listened": True}
    assert sent.meta.sources == [{"name": "cpu", "ok": False, "channels": 1, "of": 2}]


@given(SECRET, SECRET, SECRET, SECRET, SECRET)
def test_no_text_of_the_machine_is_sent(kind: str, unit: str, detail: str, word: str, value: str) -> None:
    given_ = replace(
        a_recording(seconds=2),
        events=(Event(1, kind, unit, detail, word, word),),
        actions=(Action(1, "cpu.weight", {"role": "background", "value": 5, "unit": value}),),
    )
    given_ = replace(given_, meta=replace(given_.meta, labels={"listened": word, word: word, "kind": word}))
    names = Names(KEY)
    sent = without_names(given_, names)
    said = json.dumps([asdict(each) for each in (*sent.events, *sent.actions, sent.meta)])
    for secret in (kind, unit, detail, word, value):
        assert secret not in said
    assert {kind, unit, detail, value} <= set(names.table.values())
    assert sent.actions[0].args["role"] == "background"
    assert sent.actions[0].args["value"] == 5


def test_frames_stay_as_they_are() -> None:
    recording = a_recording()
    sent = without_names(recording, Names(KEY))
    assert sent.ts_ns is recording.ts_ns
    assert sent.values is recording.values
