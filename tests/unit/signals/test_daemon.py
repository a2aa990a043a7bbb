# SPDX-License-Identifier: Apache-2.0
"""The reader takes up what is added, says what it sees, lets nobody wait, and ends with the last signal."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jepa.signals.published import read_published
from jepa.signals.signal import Signal
from jepa.signals.store import SignalStore
from jepa.telemetry.clocks import boot_s


def wait(until: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """jepa-signals over files in ``tmp_path``, with one signal."""
    (tmp_path / "value").write_text("1\n")
    SignalStore(tmp_path / "signals.toml").add(Signal("first", f"file:{tmp_path}/value"))
    words = ["--config", str(tmp_path / "signals.toml"), "--publish", str(tmp_path / "signals.json")]
    with subprocess.Popen(
        [sys.executable, "-m", "jepa.signals.daemon", *words], env={**os.environ, "NOTIFY_SOCKET": ""}
    ) as process:
        yield process
        process.kill()


def test_signals_come_and_go(reader: subprocess.Popen[bytes], tmp_path: Path) -> None:
    store, path = SignalStore(tmp_path / "signals.toml"), tmp_path / "signals.json"

    def states() -> dict[str, str]:
        return {name: each.state for name, each in read_published(path, boot_s()).readings.items()}

    wait(lambda: states() == {"first": "ok"})
    store.add(Signal("second", f"unix:{tmp_path}/nobody"))
    wait(lambda: states() == {"first": "ok", "second": "unreachable"})
    assert "no such file" in read_published(path, boot_s()).readings["second"].reason
    store.remove("second")
    wait(lambda: states() == {"first": "ok"})
    store.remove("first")
    assert reader.wait(10) == 0
    assert not path.exists()


def test_one_that_is_killed_is_known_to_be_gone(reader: subprocess.Popen[bytes], tmp_path: Path) -> None:
    path = tmp_path / "signals.json"
    wait(lambda: read_published(path, boot_s()).values() == {"first": 1.0})
    reader.kill()
    reader.wait()
    assert read_published(path, boot_s() + 6).values() == {}
