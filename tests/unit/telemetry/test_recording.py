# SPDX-License-Identifier: Apache-2.0
"""A recording becomes Parquet with nothing lost, also when it was killed, and a wrong one is refused."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.telemetry import parquet
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.machine import open_machine
from jepa.telemetry.recording import (
    Action,
    Recorder,
    describe_host,
    finish,
    load_recording,
    read_meta,
    record,
)
from jepa.telemetry.schema import Schema, load_schema
from jepa.telemetry.source_state import SourceState

SCHEMA = load_schema()


def frames(count: int) -> list[Frame]:
    rng = np.random.default_rng(3)
    made = []
    for second in range(count):
        values = rng.uniform(0, 100, len(SCHEMA.names)).astype(np.float32)
        values[rng.random(len(values)) < 0.2] = np.nan
        made.append(Frame(1_700_000_000_000_000_000 + second * 10**9, values, ~np.isnan(values)))
    return made


def make(folder: Path, given: list[Frame]) -> Recorder:
    recorder = Recorder(folder, SCHEMA, describe_host(SCHEMA, labels={"workload": "none", "seed": 7}))
    for one in given:
        recorder.append(one)
    return recorder


def test_everything_comes_back(tmp_path: Path) -> None:
    given = frames(50)
    recorder = make(tmp_path / "rec", given)
    action = Action(given[3].ts_ns, "cpu.weight", {"unit": "a.service", "value": 50})
    event = Event(given[4].ts_ns, "oom", "b.service", None)
    recorder.action(action)
    recorder.event(event)
    recorder.close()
    back = load_recording(tmp_path / "rec", SCHEMA)
    np.testing.assert_array_equal(back.ts_ns, [one.ts_ns for one in given])
    np.testing.assert_array_equal(back.values, np.stack([one.values for one in given]))
    assert back.values.dtype == np.float32
    assert back.actions == (action,)
    assert back.events == (event,)
    assert back.meta.frames == 50
    assert back.meta.seconds == pytest.approx(49)
    assert back.meta.labels == {"workload": "none", "seed": 7}
    assert sorted(path.name for path in (tmp_path / "rec").iterdir()) == [
        "actions.parquet",
        "events.parquet",
        "frames.parquet",
        "meta.json",
    ]


def test_the_files_are_those_of_the_contract(tmp_path: Path) -> None:
    given = frames(5)
    make(tmp_path, given).close()
    described = {
        name: kind
        for name, kind, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM '{tmp_path}/frames.parquet'").fetchall()
    }
    assert described == {"ts": "BIGINT"} | dict.fromkeys(SCHEMA.names, "FLOAT")
    name = SCHEMA.names[0]
    nulls = duckdb.sql(f"""SELECT "{name}" IS NULL FROM '{tmp_path}/frames.parquet'""").fetchall()
    assert [null for (null,) in nulls] == [not one.valid[0] for one in given]
    actions = duckdb.sql(f"DESCRIBE SELECT * FROM '{tmp_path}/actions.parquet'").fetchall()
    assert [row[0] for row in actions] == ["ts", "action", "args"]
    events = duckdb.sql(f"DESCRIBE SELECT * FROM '{tmp_path}/events.parquet'").fetchall()
    assert [row[0] for row in events] == ["ts", "kind", "unit", "detail", "severity", "source"]
    meta = json.loads((tmp_path / "meta.json").read_text())
    assert meta["schema_version"] == SCHEMA.version
    assert meta["schema_digest"] == SCHEMA.digest
    assert meta["cpus"] > 0 and meta["memory_mib"] > 0 and meta["kernel"] and meta["machine"]


def test_a_folder_with_a_quote_and_a_space(tmp_path: Path) -> None:
    make(tmp_path / "it's here", frames(2)).close()
    assert len(load_recording(tmp_path / "it's here", SCHEMA).ts_ns) == 2


def test_a_recording_without_frames_is_empty_and_whole(tmp_path: Path) -> None:
    make(tmp_path, []).close()
    back = load_recording(tmp_path, SCHEMA)
    assert back.values.shape == (0, len(SCHEMA.names))
    assert back.meta.start_ns is None


def test_recording_this_machine(tmp_path: Path) -> None:
    seen: list[Frame] = []
    meta = record(open_machine(), tmp_path / "rec", 0.6, period_s=0.1, on_frame=seen.append)
    assert meta.frames == len(seen)
    assert meta.missed is not None
    assert meta.frames + meta.missed == pytest.approx(6, abs=1)
    assert {source["name"] for source in meta.sources} >= {"cpu", "memory", "disk"}
    back = load_recording(tmp_path / "rec", SCHEMA)
    assert np.isfinite(back.values[:, SCHEMA.index("system.cpu.context_switches")]).all()


def test_an_interrupt_from_the_keyboard_ends_a_recording_well(tmp_path: Path) -> None:
    def stop(frame: Frame) -> None:
        raise KeyboardInterrupt

    meta = record(open_machine(), tmp_path / "rec", None, period_s=0.05, on_frame=stop)
    assert meta.finished and meta.frames == 1


RECORD = """
import sys
from pathlib import Path
from jepa.telemetry.recording import record
from jepa.telemetry.machine import open_machine
record(open_machine(), Path(sys.argv[1]), None, period_s=0.02, on_frame=lambda f: print(f.ts_ns, flush=True))
"""


def test_a_recording_killed_at_any_moment_is_completed_when_opened(tmp_path: Path) -> None:
    folder = tmp_path / "rec"
    process = subprocess.Popen(
        [sys.executable, "-c", RECORD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    running = load_recording(folder, SCHEMA)
    assert len(running.ts_ns) >= 1
    assert not running.meta.finished
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    acknowledged = [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.wait()
    back = load_recording(folder, SCHEMA)
    assert len(acknowledged) > 3
    assert set(acknowledged) <= set(back.ts_ns.tolist())
    assert back.meta.finished
    assert back.meta.missed is None
    assert not (folder / "log").exists()


def test_completing_is_safe_to_break_off_and_repeat(tmp_path: Path) -> None:
    given = frames(8)
    recorder = make(tmp_path, given)
    recorder.action(Action(1, "a", {}))
    (tmp_path / "frames.parquet.tmp").write_bytes(b"half")
    with (tmp_path / "actions.lines").open("a") as file:
        file.write('{"ts": 2, "act')
    recorder.close()
    meta = finish(tmp_path, SCHEMA)
    assert meta == read_meta(tmp_path)
    back = load_recording(tmp_path, SCHEMA)
    assert back.meta.frames == 8
    assert back.actions == (Action(1, "a", {}),)


def test_one_that_an_earlier_version_left_unfinished_is_refused(tmp_path: Path) -> None:
    make(tmp_path, frames(2))
    (tmp_path / "events.jsonl").write_text("")
    with pytest.raises(JepaError, match="interrupted under an earlier version"):
        finish(tmp_path, SCHEMA)


def test_a_folder_is_not_recorded_over(tmp_path: Path) -> None:
    make(tmp_path, frames(1)).close()
    with pytest.raises(JepaError, match="already holds a recording"):
        make(tmp_path, [])


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    make(tmp_path, frames(1)).close()
    with pytest.raises(JepaError, match="version 1 channels, not 2"):
        load_recording(tmp_path, replace(SCHEMA, version=2))


def test_missing_channels_are_named(tmp_path: Path) -> None:
    make(tmp_path, frames(1)).close()
    more = Schema(1, (*SCHEMA.channels, replace(SCHEMA.channels[0], name="system.new")))
    with pytest.raises(JepaError, match=r"system\.new"):
        load_recording(tmp_path, more)


def test_fewer_channels_in_another_order_are_found_by_name(tmp_path: Path) -> None:
    given = frames(3)
    make(tmp_path, given).close()
    fewer = Schema(1, (SCHEMA.channels[5], SCHEMA.channels[2]))
    back = load_recording(tmp_path, fewer)
    np.testing.assert_array_equal(back.values, np.stack([one.values for one in given])[:, [5, 2]])


def test_an_interrupted_recording_of_other_channels_keeps_its_frames(tmp_path: Path) -> None:
    recorder = make(tmp_path, frames(3))
    recorder._log.close()
    meta = read_meta(tmp_path)
    (tmp_path / "meta.json").write_text(json.dumps(asdict(replace(meta, schema_digest="0" * 64))))
    with pytest.raises(JepaError, match="other channels"):
        load_recording(tmp_path, SCHEMA)
    (tmp_path / "meta.json").write_text(json.dumps(asdict(meta)))
    assert len(load_recording(tmp_path, SCHEMA).ts_ns) == 3


def test_a_part_of_the_channels_of_an_interrupted_recording_is_found(tmp_path: Path) -> None:
    given = frames(3)
    recorder = make(tmp_path, given)
    recorder._log.close()
    back = load_recording(tmp_path, SCHEMA.select(SCHEMA.names[3:1:-1]))
    np.testing.assert_array_equal(back.values, np.stack([one.values for one in given])[:, [3, 2]])


@pytest.mark.parametrize("damage", ["no folder", "empty", "not json", "list", "no parquet", "not parquet"])
def test_what_is_no_recording_is_refused_in_a_sentence(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "rec"
    if damage != "no folder":
        folder.mkdir()
    if damage == "not json":
        (folder / "meta.json").write_text("{")
    if damage == "list":
        (folder / "meta.json").write_text("[1]")
    if "parquet" in damage:
        make(folder, frames(1)).close()
        (folder / "frames.parquet").unlink()
    if damage == "not parquet":
        (folder / "frames.parquet").write_bytes(b"nonsense")
    with pytest.raises(JepaError) as caught:
        load_recording(folder, SCHEMA)
    assert "rec" in caught.value.problem
    assert caught.value.remedy


def test_a_disk_that_fills_up_loses_nothing_recorded(tmp_path: Path) -> None:
    given = frames(40)
    recorder = make(tmp_path, given[:10])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, hard))
    try:
        with pytest.raises(JepaError):
            for one in given[10:]:
                recorder.append(one)
        with pytest.raises(JepaError, match="cannot be written"):
            recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    back = load_recording(tmp_path, SCHEMA)
    assert 10 <= len(back.ts_ns) < 40
    np.testing.assert_array_equal(back.ts_ns, [one.ts_ns for one in given[: len(back.ts_ns)]])


def test_the_host_is_described_as_far_as_it_says(tmp_path: Path) -> None:
    bare = describe_host(SCHEMA, root=tmp_path)
    assert bare.memory_mib is None
    assert bare.service_manager is False
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert describe_host(SCHEMA, root=tmp_path).service_manager is True


def test_a_source_that_fails_is_in_the_meta(tmp_path: Path) -> None:
    class Nothing:
        schema = SCHEMA

        def read(self) -> Frame:
            values = np.full(len(SCHEMA.names), np.nan, np.float32)
            return Frame(time.time_ns(), values, ~np.isnan(values))

        def sources(self) -> list[SourceState]:
            return [SourceState("cpu", False, 0, 11, "gone")]

        def histograms(self) -> list[Histogram]:
            return []

        def close(self) -> None:
            pass

    record(Nothing(), tmp_path / "rec", 0.1, period_s=0.05)
    back = load_recording(tmp_path / "rec", SCHEMA)
    assert back.meta.sources[0]["reason"] == "gone"
    assert np.isnan(back.values).all()


def test_events_during_a_recording_are_kept_and_earlier_ones_are_not(tmp_path: Path) -> None:
    given: list[Callable[[Event], object]] = []
    told = Event(2**62, "unit_failed", "a.service", "result exit-code", "error", "units")

    def tell(frame: Frame) -> None:
        given[0](Event(1, "unit_failed", "long.ago", None))
        given[0](told)

    record(open_machine(), tmp_path, 0.1, period_s=0.05, on_frame=tell, listen=given.append)
    events = load_recording(tmp_path, SCHEMA).events
    assert events
    assert set(events) == {told}


def test_events_of_the_first_recordings_are_read(tmp_path: Path) -> None:
    make(tmp_path, frames(1)).close()
    columns = {"ts": "BIGINT", "kind": "VARCHAR", "unit": "VARCHAR", "detail": "VARCHAR"}
    parquet.write_rows(tmp_path / "events.parquet", columns, [(7, "oom", "a", "b")])
    assert load_recording(tmp_path, SCHEMA).events == (Event(7, "oom", "a", "b"),)


def test_a_bounded_recording_keeps_the_newest_frames(tmp_path: Path) -> None:
    limit = 100_000
    recorder = Recorder(tmp_path, SCHEMA, describe_host(SCHEMA), limit)
    given = frames(1000)
    for frame in given:
        recorder.append(frame)
        assert sum(path.stat().st_size for path in (tmp_path / "log").iterdir()) <= limit
    recorder.close()
    kept = load_recording(tmp_path, SCHEMA).ts_ns.tolist()
    assert kept == [frame.ts_ns for frame in given[-len(kept) :]]
    assert len(kept) > 100
