# SPDX-License-Identifier: Apache-2.0
"""A machine records part after part, and one that was broken off is completed."""

from dataclasses import replace
from pathlib import Path

from jepa.fleet.parts import complete_interrupted, record_parts
from jepa.fleet.spool import Spool
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Meta, Recorder, describe_host, save
from tests.unit.fleet.machines import NOON_NS, SCHEMA, Clock, a_recording


class Machine:
    """Records what it is asked to, unless the person ends it after ``until`` seconds in all."""

    def __init__(self, until: int = 1000) -> None:
        self.clock = Clock(NOON_NS)
        self.left = until
        self.asked: list[int] = []

    def record(self, folder: Path, seconds: int) -> Meta:
        self.asked.append(seconds)
        frames = max(1, min(seconds - 1, self.left))
        recording = a_recording(self.clock.now_ns, frames, seed=len(self.asked))
        recording = replace(recording, meta=replace(recording.meta, missed=int(self.left >= seconds)))
        folder.mkdir()
        save(folder, recording)
        self.clock.sleep(seconds)
        self.left -= seconds
        return recording.meta


def test_parts_follow_each_other_until_the_time_is_over(tmp_path: Path) -> None:
    machine, spool, finished = Machine(), Spool(tmp_path), []
    made = record_parts(
        machine.record, spool, 10, 25, finished=lambda: finished.append(1), clock=machine.clock
    )
    assert (made, machine.asked, len(finished)) == (3, [10, 10, 5], 2)
    assert [folder.name for folder in spool.waiting()] == [
        f"20261129T1200{second:02}Z" for second in (0, 10, 20)
    ]


def test_the_person_ends_it(tmp_path: Path) -> None:
    machine, spool = Machine(until=13), Spool(tmp_path)
    assert record_parts(machine.record, spool, 10, None, clock=machine.clock) == 2


def test_the_room_is_bounded(tmp_path: Path) -> None:
    machine, spool = Machine(), Spool(tmp_path)
    record_parts(machine.record, spool, 5, 20, limit_bytes=1, clock=machine.clock)
    assert (spool.waiting(), spool.lost) == ([], 4)


def test_what_was_broken_off_is_completed_and_what_cannot_be_is_put_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    recording = a_recording()
    running = Recorder(tmp_path / "running", SCHEMA, describe_host(SCHEMA))
    killed = Recorder(tmp_path / "killed", SCHEMA, describe_host(SCHEMA))
    for recorder in (killed, running):
        recorder.append(Frame(NOON_NS, recording.values[0], recording.values[0] == recording.values[0]))
    killed._log.close()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/meta.json").write_text("{")
    complete_interrupted(spool, SCHEMA)
    assert spool.waiting() == [tmp_path / "killed"]
    assert spool.interrupted() == [tmp_path / "running"]
    assert (spool.state / "refused/damaged").is_dir()
    running.close()
    assert spool.waiting() == [tmp_path / "killed", tmp_path / "running"]
