# SPDX-License-Identifier: Apache-2.0
"""The frame log loses nothing that was written, whatever happens to the writer, the file or the disk."""

import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.telemetry.frame import Frame
from jepa.telemetry.framelog import FrameLog
from jepa.telemetry.schema import Channel, Schema, load_schema

MIB = 1 << 20
THREE = Schema(
    1, tuple(Channel(name, "1", 0.0, 1.0, "linear", 0.1, "cpu", "One.") for name in ("a", "b", "c"))
)
HEADER = 48
RECORD = 8 + 3 * 4 + 4


def frame(ts: int, *values: float) -> Frame:
    array = np.array(values or (ts, ts + 0.5, np.nan), np.float32)
    return Frame(ts_ns=ts, values=array, valid=~np.isnan(array))


def fill(log: FrameLog, count: int, start: int = 1) -> None:
    for ts in range(start, start + count):
        log.append(frame(ts))


def times(log: FrameLog) -> list[int]:
    return [one.ts_ns for one in log.frames()]


def only_segment(folder: Path) -> Path:
    (segment,) = folder.glob("*.frames")
    return segment


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    schema = load_schema()
    rng = np.random.default_rng(1)
    given = []
    with_log = FrameLog(tmp_path / "log", schema, MIB)
    for ts in range(1, 20):
        values = rng.normal(size=len(schema.names)).astype(np.float32)
        values[rng.random(len(values)) < 0.3] = np.nan
        given.append(Frame(ts_ns=ts * 10**18 // 7, values=values, valid=~np.isnan(values)))
        with_log.append(given[-1])
    with_log.close()
    back = FrameLog(tmp_path / "log", schema, MIB).frames()
    assert [one.ts_ns for one in back] == [one.ts_ns for one in given]
    for one, other in zip(back, given, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.valid, other.valid)


def test_a_value_marked_invalid_comes_back_absent(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, THREE, MIB)
    log.append(Frame(5, np.array([0, 1, 2], np.float32), np.array([False, True, True])))
    (one,) = log.frames()
    assert one.valid.tolist() == [False, True, True]
    assert np.isnan(one.values[0])


def test_since_and_limit_choose_the_newest(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, THREE, 8 * (HEADER + 10 * RECORD))
    fill(log, 35)
    assert len(list(tmp_path.glob("*.frames"))) == 4
    assert times(log) == list(range(1, 36))
    assert [one.ts_ns for one in log.frames(limit=3)] == [33, 34, 35]
    assert [one.ts_ns for one in log.frames(limit=17)] == list(range(19, 36))
    assert [one.ts_ns for one in log.frames(since_ns=32)] == [33, 34, 35]
    assert [one.ts_ns for one in log.frames(since_ns=10, limit=2)] == [34, 35]
    assert log.frames(since_ns=35) == []
    assert log.frames(limit=0) == []
    log.close()
    again = FrameLog(tmp_path, THREE, 8 * (HEADER + 10 * RECORD))
    assert [one.ts_ns for one in again.frames(since_ns=9)] == list(range(10, 36))


def test_frames_after_a_clock_set_back_are_not_hidden(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, THREE, 8 * (HEADER + 4 * RECORD))
    for ts in (100, 101, 102, 103, 50, 51, 52, 53, 54):
        log.append(frame(ts))
    assert [one.ts_ns for one in log.frames(since_ns=101)] == [102, 103]
    assert [one.ts_ns for one in log.frames(since_ns=50)] == [100, 101, 102, 103, 51, 52, 53, 54]


def test_the_oldest_segment_goes_when_the_limit_is_reached(tmp_path: Path) -> None:
    limit = 8 * (HEADER + 10 * RECORD)
    log = FrameLog(tmp_path, THREE, limit)
    for ts in range(1, 500):
        log.append(frame(ts))
        assert log.size_bytes <= limit
    kept = times(log)
    assert kept == list(range(kept[0], 500))
    assert len(kept) >= 60


def test_a_limit_too_small_to_be_meant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds less than"):
        FrameLog(tmp_path, THREE, 100)


def test_a_frame_of_another_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 channels in a log of 3"):
        FrameLog(tmp_path, THREE, MIB).append(frame(1, 1.0, 2.0))


def test_torn_at_any_byte_only_the_torn_frame_is_lost(tmp_path: Path) -> None:
    log = FrameLog(tmp_path / "whole", THREE, MIB)
    fill(log, 4)
    log.close()
    content = only_segment(tmp_path / "whole").read_bytes()
    assert len(content) == HEADER + 4 * RECORD
    for cut in range(len(content) + 1):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / "00000001.frames").write_bytes(content[:cut])
        torn = FrameLog(folder, THREE, MIB)
        whole = max(0, cut - HEADER) // RECORD
        assert times(torn) == list(range(1, whole + 1)), cut
        torn.append(frame(99))
        assert times(torn) == [*range(1, whole + 1), 99], cut
        torn.close()
        again = FrameLog(folder, THREE, MIB)
        assert times(again) == [*range(1, whole + 1), 99], cut
        again.close()
        assert not list(folder.glob("set-aside-*"))
        shutil.rmtree(folder)


def test_a_tail_of_zeros_as_a_power_cut_leaves_it_is_cut(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, THREE, MIB)
    fill(log, 3)
    log.close()
    segment = only_segment(tmp_path)
    segment.write_bytes(segment.read_bytes() + bytes(5 * RECORD + 7))
    again = FrameLog(tmp_path, THREE, MIB)
    again.append(frame(4))
    assert times(again) == [1, 2, 3, 4]
    assert segment.stat().st_size == HEADER + 4 * RECORD


def test_any_flipped_bit_costs_its_own_frame_only(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, THREE, MIB)
    fill(log, 5)
    log.close()
    segment = only_segment(tmp_path)
    content = segment.read_bytes()
    for place in range(HEADER, len(content)):
        segment.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        damaged = FrameLog(tmp_path, THREE, MIB)
        lost = (place - HEADER) // RECORD + 1
        assert times(damaged) == [ts for ts in range(1, 6) if ts != lost]
        damaged.close()


def test_frames_of_another_schema_are_put_aside_and_kept(tmp_path: Path) -> None:
    other = Schema(1, THREE.channels[:2])
    log = FrameLog(tmp_path, other, MIB)
    log.append(frame(1, 1.0, 2.0))
    log.close()
    content = only_segment(tmp_path).read_bytes()
    now = FrameLog(tmp_path, THREE, MIB)
    (aside,) = now.set_aside
    assert aside.read_bytes() == content
    assert other.digest[:12] in str(aside)
    fill(now, 2)
    assert times(now) == [1, 2]
    now.close()
    assert FrameLog(tmp_path, THREE, MIB).set_aside == ()


def test_a_damaged_header_puts_the_segment_aside(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, THREE, MIB)
    fill(log, 2)
    log.close()
    segment = only_segment(tmp_path)
    segment.write_bytes(b"\xff" + segment.read_bytes()[1:])
    again = FrameLog(tmp_path, THREE, MIB)
    assert [path.parent.name for path in again.set_aside] == ["set-aside-unreadable"]
    assert times(again) == []


def test_a_second_writer_is_refused_and_told_where(tmp_path: Path) -> None:
    first = FrameLog(tmp_path, THREE, MIB)
    with pytest.raises(JepaError) as caught:
        FrameLog(tmp_path, THREE, MIB)
    assert str(tmp_path) in caught.value.problem
    assert caught.value.remedy
    first.close()
    FrameLog(tmp_path, THREE, MIB).close()


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JepaError, match="file"):
        FrameLog(tmp_path / "file" / "log", THREE, MIB)


def test_closing_twice_is_fine_and_appending_after_is_not(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, THREE, MIB)
    fill(log, 1)
    log.close()
    log.close()
    with pytest.raises(JepaError, match="Bad file"):
        log.append(frame(2))


def test_reading_while_another_thread_writes_and_rotates(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, THREE, 8 * (HEADER + 20 * RECORD), sync_s=0.01)
    done = threading.Event()

    def write() -> None:
        fill(log, 1500)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not done.is_set():
        seen = times(log)
        assert seen == list(range(seen[0], seen[0] + len(seen))) if seen else True
        reads += 1
    writer.join()
    log.close()
    assert reads > 0
    assert times(FrameLog(tmp_path, THREE, MIB))[-1] == 1500


WRITER = """
import sys
from pathlib import Path
import numpy as np
from jepa.telemetry.frame import Frame
from jepa.telemetry.framelog import FrameLog
from jepa.telemetry.schema import load_schema
schema = load_schema()
log = FrameLog(Path(sys.argv[1]), schema, 1 << 20)
ts = 0
while True:
    ts += 1
    values = np.full(len(schema.names), ts, np.float32)
    log.append(Frame(ts, values, np.isfinite(values)))
    sys.stdout.write(f"{ts}\\n")
    sys.stdout.flush()
"""


def test_a_writer_killed_at_any_moment_loses_no_frame_it_had_appended(tmp_path: Path) -> None:
    schema = load_schema()
    for attempt in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / str(attempt))], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        reader = threading.Timer(0.15 + 0.05 * attempt, writer.send_signal, (signal.SIGKILL,))
        reader.start()
        acknowledged = writer.stdout.read().split("\n")
        assert writer.wait() == -signal.SIGKILL
        last = int(acknowledged[-2])
        log = FrameLog(tmp_path / str(attempt), schema, MIB)
        kept = times(log)
        assert kept[-1] in (last, last + 1)
        assert kept == list(range(kept[0], kept[-1] + 1))
        assert all((one.values == one.ts_ns).all() for one in log.frames(limit=50))
        log.close()


def test_a_full_disk_is_told_once_and_the_log_goes_on_when_there_is_room(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, THREE, MIB, sync_s=3600)
    fill(log, 10)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HEADER + 12 * RECORD + 5, hard))
    try:
        fill(log, 2, start=11)
        with pytest.raises(JepaError) as caught:
            log.append(frame(13))
        fill(log, 5, start=14)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert str(tmp_path) in caught.value.problem
    assert log.lost == 6
    fill(log, 2, start=19)
    assert times(log) == [*range(1, 13), 19, 20]
    log.close()
    assert times(FrameLog(tmp_path, THREE, MIB)) == [*range(1, 13), 19, 20]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> "Path":
    """A file system of 64 KiB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_really_full_file_system(tiny_disk: Path) -> None:
    log = FrameLog(tiny_disk / "log", THREE, 8 * 4096)
    ballast = tiny_disk / "ballast"
    fill(log, 10)
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        for _ in range(100):
            file.write(bytes(4096))
    with pytest.raises(JepaError, match="No space left"):
        fill(log, 1000, start=11)
    last = times(log)[-1]
    log.append(frame(2000))
    assert log.lost == 2
    ballast.unlink()
    log.append(frame(3000))
    assert times(log) == [*range(1, last + 1), 3000]
    log.close()


def test_data_is_synced_at_the_stated_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[float] = []
    real = os.fdatasync

    def spy(fd: int) -> None:
        synced.append(time.monotonic())
        real(fd)

    monkeypatch.setattr(os, "fdatasync", spy)
    log = FrameLog(tmp_path, THREE, MIB, sync_s=0.05)
    start = time.monotonic()
    ts = 0
    while time.monotonic() - start < 0.4:
        ts += 1
        log.append(frame(ts))
        time.sleep(0.005)
    log.close()
    assert 3 <= len(synced) <= 9


def test_the_layout_on_disk_is_the_documented_one(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, THREE, MIB)
    log.append(frame(7, 1.0, 2.0, np.nan))
    log.close()
    content = only_segment(tmp_path).read_bytes()
    magic, digest, width = struct.unpack("<8s32sI", content[:44])
    assert (magic, digest.hex(), width) == (b"JEPAFRM1", THREE.digest, 3)
    ts, a, b, c = struct.unpack("<qfff", content[48:68])
    assert (ts, a, b) == (7, 1.0, 2.0)
    assert np.isnan(c)


def test_ctrl_c_while_a_sync_starts_does_not_keep_the_log_from_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    log = FrameLog(tmp_path, THREE, MIB, sync_s=0.0)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(threading.Thread, "start", interrupted)
        fill(log, 1)
    log.close()
    again = FrameLog(tmp_path, THREE, MIB)
    assert times(again) == [1]
    again.close()
