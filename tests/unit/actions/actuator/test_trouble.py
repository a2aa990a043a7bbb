# SPDX-License-Identifier: Apache-2.0
"""The actuator with a full disk, a damaged journal, or two people who want the same: a sentence each."""

import itertools
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from jepa.actions.change import State
from jepa.errors import JepaError
from tests.unit.actions.actuator.conftest import Daemon, nice, renice

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the actuator acts as root")


@pytest.fixture
def small_disk(new_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon whose journal lies on a file system of its own, of 256 KiB."""
    daemon = new_daemon()
    place = daemon.directory / "state"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield daemon
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_without_room_for_the_journal_nothing_is_changed_until_there_is(
    small_disk: Daemon, victim: int
) -> None:
    daemon, own = small_disk.start(), nice(victim)
    filler = daemon.directory / "state/filler"
    with closing(daemon.client()) as client:
        kept = client.act(renice(victim, 3), consent=True)
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        for value in range(4, 20):  # what was reserved before is still to be used up
            before = nice(victim)
            try:
                client.act(renice(victim, value), consent=True)
            except JepaError as refused:
                if refused.status == 507:
                    error = refused
                    break
                assert "changed a moment ago" in refused.problem
        else:
            pytest.fail("it never ran out of room")
        assert error.problem == (
            f"Nothing was changed: the journal in {daemon.directory}/state has no room "
            "(No space left on device)."
        )
        assert error.remedy == "Free some space there, then try again."
        assert nice(victim) == before
        assert kept.id in {each.id for each in client.history()}
        for each in client.history():  # there is always room to take back
            if each.in_force:
                client.undo(each.id)
        assert nice(victim) == own
        filler.unlink()
        assert client.check(renice(victim)).verdict.decision in ("allow", "deny")


def test_a_damaged_journal_stops_all_changes_shows_what_it_can_and_says_how_to_go_on(
    new_daemon: Callable[..., Daemon], victim: int
) -> None:
    daemon = new_daemon().start()
    with closing(daemon.client()) as client:
        kept = client.act(renice(victim), consent=True)
        client.revoke(client.grant({"task": "t", "actions": ["vm.*"], "targets": ["*"], "for_s": 60}))
    daemon.stop(signal.SIGKILL)
    [file] = (daemon.directory / "state").glob("changes-*.log")
    content = bytearray(file.read_bytes())
    content[content.index(b"committed")] ^= 1
    content += content[-200:]
    file.write_bytes(content)

    daemon.start()
    with closing(daemon.client()) as client:
        for attempt in (lambda: client.act(renice(victim, 9), consent=True), lambda: client.undo(kept.id)):
            with pytest.raises(JepaError) as refused:
                attempt()
            assert refused.value.problem.startswith("Nothing is changed any more, since the journal in ")
            assert "is damaged: changes-00000001.log" in refused.value.problem
            assert "`jepa-actuator --set-aside`" in refused.value.remedy
        assert [each.id for each in client.history()] == [kept.id]
    assert nice(victim) == 7
    assert "open" in daemon.run("--set-aside").stderr  # not under its feet
    daemon.stop()
    aside = daemon.run("--set-aside")
    assert f"still in force, and taken back by nobody: {kept.id}: process.nice of {victim}" in aside.stdout

    daemon.start()
    with closing(daemon.client()) as client:
        assert client.history() == []
        client.act(renice(victim, 1), consent=True)
    assert nice(victim) == 1


def test_where_the_journal_cannot_be_opened_who_asks_is_told_until_it_can(
    new_daemon: Callable[..., Daemon], victim: int
) -> None:
    daemon = new_daemon()
    (daemon.directory / "state").touch()  # where its directory should be
    with closing(socket.socket(socket.AF_UNIX)) as listener, closing(daemon.client()) as client:
        listener.bind(str(daemon.socket))
        listener.listen(8)
        for _ in range(2):
            daemon.start_by(listener)
            with pytest.raises(JepaError) as refused:
                client.check(renice(victim))
            assert refused.value.problem == (
                f"Nothing can be changed, since the journal in {daemon.directory}/state cannot be opened: "
                "File exists."
            )
            assert daemon.wait() == 0  # so that the service manager starts it for the next who asks
        (daemon.directory / "state").unlink()
        daemon.start_by(listener)
        assert client.check(renice(victim)).verdict.decision == "allow"


def test_two_administrators_at_once_get_one_change_or_a_reason_each(
    new_daemon: Callable[..., Daemon], victim: int
) -> None:
    daemon, own = new_daemon().start(), nice(victim)
    answers: list[str] = []

    def administrator(value: int) -> None:
        with closing(daemon.client()) as client:
            for attempt in range(8):
                begin.wait(20)
                try:
                    answers.append(client.act(renice(victim, value + attempt), consent=True).state)
                except JepaError as error:
                    assert error.status in (403, 409)
                    answers.append(error.problem)

    begin = threading.Barrier(2)
    threads = [threading.Thread(target=administrator, args=(value,)) for value in (1, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    reasons = [each for each in answers if each != State.COMMITTED]
    assert len(answers) == 16
    assert all("changed a moment ago" in each or "in flight" in each for each in reasons), reasons
    with closing(daemon.client()) as client:
        made = client.history()
        assert len(made) == 16 - len(reasons) >= 1
        assert nice(victim) == made[0].new
        for newer, older in itertools.pairwise(made):
            assert newer.old == older.new
        ended: list[str] = []

        def take_back() -> None:
            with closing(daemon.client()) as mine:
                try:
                    ended.extend(each.state for each in mine.undo(made[-1].id))
                except JepaError as error:
                    ended.append(error.problem)

        both = [threading.Thread(target=take_back) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(30)
        assert State.UNDONE in ended
        for each in ended:
            assert each == State.UNDONE or "is undone, so there is nothing to take back" in each
        for change in made[:-1]:
            client.undo(change.id)
    assert nice(victim) == own
