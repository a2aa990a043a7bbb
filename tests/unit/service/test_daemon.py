# SPDX-License-Identifier: Apache-2.0
"""jepad starts, tells systemd, survives kills and full disks, refuses a second one, and ends cleanly."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.service.client import HttpClient, connect
from jepa.service.daemon import main
from jepa.service.paths import socket_path, state_dir


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five frames a second from daemons of this file that can."""
    monkeypatch.setenv("JEPA_TEST_PERIOD", "0.2")


def part(client: HttpClient, name: str) -> Any:
    return next(part for part in client.status().parts if part.name == name)


def test_a_killed_daemon_goes_on_with_its_history_and_context(running: Any, place: Path) -> None:
    with running("served", place / "s", place / "state") as first:
        first.wait(lambda client: client.status().frames >= 4)
        before = [frame.ts_ns for frame in first.client.frames()]
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    with running("served", place / "s", place / "state") as second:
        second.wait(lambda client: client.status().context_frames > len(before))
        status = second.client.status()
        assert status.frames < status.context_frames
        assert [frame.ts_ns for frame in second.client.frames()][: len(before)] == before


def test_sigterm_ends_it_cleanly_with_a_stream_open(running: Any, place: Path) -> None:
    with running("served", place / "s", place / "state") as daemon:
        ticks = daemon.client.stream()
        next(ticks)
        daemon.process.terminate()
        with pytest.raises(JepaError, match="stream"):
            list(ticks)
        assert daemon.process.wait(timeout=10) == 0
        assert not (place / "s").exists()


def test_ctrl_c_ends_jepa_serve_cleanly(running: Any, place: Path) -> None:
    with running("jepa serve", place / "s", place / "state") as daemon:
        daemon.process.send_signal(signal.SIGINT)
        out, err = daemon.process.communicate(timeout=20)
    assert (daemon.process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert not (place / "s").exists()


def test_a_second_daemon_is_refused_in_one_sentence(running: Any, place: Path) -> None:
    with running("jepad", place / "s", place / "state") as daemon:
        again = subprocess.run(
            [*daemon.process.args[:-3], str(place / "s"), "--state-dir", str(place / "other")],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert again.returncode == 1
        assert again.stderr.startswith(f"jepad: Another jepad is listening on {place / 's'}.")
        assert again.stderr.count("\n") == 1
        same_state = subprocess.run(
            [*daemon.process.args[:-3], str(place / "t"), "--state-dir", str(place / "state")],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert same_state.returncode == 1
        assert "Another process is writing the frame log" in same_state.stderr
        assert not (place / "t").exists()
        assert daemon.client.status().frames > 0


def test_an_impossible_socket_is_one_sentence(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "file").touch()
    assert main(["--socket", str(place / "file" / "s"), "--state-dir", str(place)]) == 1
    said = capsys.readouterr().err
    assert "cannot listen on" in said
    assert "Traceback" not in said


@pytest.fixture
def manager(place: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(place / "notify"))
        receiver.settimeout(30)
        yield receiver


def test_systemd_hears_ready_after_the_first_frame_then_the_watchdog_then_stopping(
    running: Any, place: Path, manager: socket.socket
) -> None:
    heard: list[str] = []
    environ = {"NOTIFY_SOCKET": str(place / "notify"), "WATCHDOG_USEC": "3000000"}
    with running("served", place / "s", place / "state", **environ) as daemon:
        while "WATCHDOG=1" not in heard:
            heard.append(manager.recv(4096).decode())
            if heard[-1].startswith("READY=1"):
                assert daemon.client.status().frames >= 1
        process = daemon.process
    assert process.returncode == 0
    manager.setblocking(False)
    while True:
        try:
            heard.append(manager.recv(4096).decode())
        except BlockingIOError:
            break
    assert heard[0].startswith("READY=1")
    assert heard[-1].startswith("STOPPING=1")


def test_systemd_hears_no_watchdog_when_the_loop_hangs(
    running: Any, place: Path, manager: socket.socket
) -> None:
    environ = {
        "NOTIFY_SOCKET": str(place / "notify"),
        "WATCHDOG_USEC": "300000",
        "JEPA_TEST_HANG_AFTER": "3",
    }
    with running("served", place / "s", place / "state", **environ) as daemon:
        end = time.monotonic() + 25
        last_fed = 0.0
        manager.settimeout(0.5)
        while time.monotonic() < end:
            fed = False
            with suppress(TimeoutError):
                fed = manager.recv(4096) == b"WATCHDOG=1"
            if fed:
                last_fed = time.monotonic()
            elif last_fed and time.monotonic() - last_fed > 3:
                daemon.process.kill()  # it would not end by itself
                return
    raise AssertionError("the watchdog was fed although the loop hung")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_degrades_the_history_alone(running: Any, place: Path) -> None:
    state = place / "state"
    state.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(state)])
    if mounted.returncode:
        pytest.skip("this machine forbids mounting")
    try:
        with running("served", place / "s", state) as daemon:
            filler = state / "filler"
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(256))
                except OSError:
                    pass
            daemon.wait(lambda client: part(client, "history").state == "degraded")
            status = daemon.client.status()
            assert status.state == "degraded"
            assert "No space left" in part(daemon.client, "history").reason
            daemon.wait(lambda client: client.status().frames > status.frames + 1)
            assert daemon.client.forecast().channels
            filler.unlink()
            daemon.wait(lambda client: part(client, "history").state == "ok")
    finally:
        subprocess.run(["umount", "--lazy", str(state)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_a_socket_without_permission_has_its_own_sentence(running: Any, place: Path) -> None:
    with running("served", place / "s", place / "state"):
        place.chmod(0o755)
        (place / "s").chmod(0o600)
        script = (
            "import os, sys; os.setuid(65534)\n"
            "from jepa.shell.cli import main; sys.exit(main(['status', '--json', '--socket', sys.argv[1]]))"
        )
        code = "import jepa.shell.cli, jepa.service.client, jepa.shell.verbs.status\n" + script
        asked = subprocess.run(
            [sys.executable, "-c", code, str(place / "s")], capture_output=True, text=True
        )
    assert asked.returncode == 1, asked.stderr
    assert "You may not use the socket" in asked.stdout


def test_an_unwritable_state_directory_degrades_the_history_alone(running: Any, place: Path) -> None:
    (place / "file").touch()
    with running("served", place / "s", place / "file" / "state") as daemon:
        assert part(daemon.client, "history").state == "degraded"
        assert part(daemon.client, "telemetry").state == "ok"


def test_a_daemon_without_a_pack_says_so_and_samples(running: Any, place: Path) -> None:
    with running("jepad", place / "s", place / "state", JEPA_PACK=str(place / "none")) as daemon:
        daemon.wait(lambda client: "loaded" not in part(client, "model").reason)
        model = part(daemon.client, "model")
        assert model.state == "degraded"
        assert model.reason
        assert model.remedy
        assert part(daemon.client, "telemetry").state == "ok"
        with pytest.raises(JepaError) as refused:
            daemon.client.forecast()
        assert refused.value.status == 503
        assert refused.value.problem == model.reason


def test_a_missing_socket_is_answered_with_how_to_start(place: Path) -> None:
    with pytest.raises(JepaError) as refused:
        connect(socket=place / "none")
    assert refused.value.problem == f"jepad is not running (no socket at {place / 'none'})."
    assert refused.value.remedy == "Start it with systemctl start jepad, or use jepa --local."


def test_places_come_from_the_environment() -> None:
    assert socket_path({}) == Path("/run/jepa/api.sock")
    assert socket_path({"JEPA_SOCKET": "/a"}) == Path("/a")
    assert state_dir({"STATE_DIRECTORY": "/var/lib/jepa:/other", "HOME": "/h"}) == Path("/var/lib/jepa")
    assert state_dir({"XDG_STATE_HOME": "/x"}) == Path("/x/jepa")
    assert state_dir({"HOME": "/h"}) == Path("/h/.local/state/jepa")
