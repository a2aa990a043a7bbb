# SPDX-License-Identifier: Apache-2.0
"""The actuator as it runs: a real process, a real socket, and processes of these tests to change."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TextIO

import pytest

from jepa.actions import request as requests
from jepa.actions import summary
from jepa.actions.actuator import varlink
from jepa.actions.change import Change, State
from jepa.actions.client import HISTORY_MOST
from jepa.actions.clock import HostClock
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError
from tests.bench.actuator import launched
from tests.unit.actions.actuator.conftest import SRC, Daemon, nice, renice

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="the actuator acts as root")
pytestmark = AS_ROOT


def signed(request: ActionRequest) -> ActionRequest:
    return request._replace(digest=requests.digest(request))


def wait_until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_change_is_made_told_and_taken_back(daemon: Daemon, victim: int) -> None:
    with closing(daemon.client()) as client:
        preview = client.check(renice(victim))
        assert (preview.old, preview.new, preview.verdict.decision) == (0, 7, "allow")
        assert nice(victim) == 0
        change = client.act(renice(victim, why="to try"), consent=False)
        assert change.state is State.COMMITTED
        assert nice(victim) == 7
        assert client.history(1) == [change]
        assert change in client.history(HISTORY_MOST)
        assert [each.state for each in client.undo(change.id)] == [State.UNDONE]
        assert nice(victim) == 0
        file = daemon.directory / "run/summary.json"

        def published() -> bool:
            found = summary.read(file)
            return found is not None and [each.state for each in found.changes[:1]] == [State.UNDONE]

        wait_until(published)


def test_everything_else_is_answered(daemon: Daemon) -> None:
    with closing(daemon.client()) as client:
        assert {"vm.swappiness", "process.nice"} <= {each.action for each in client.availability()}
        assert client.policy()["rules"]
        grant = client.grant({"task": "t1", "actions": ["process.nice"], "targets": ["*"], "for_s": 60})
        assert [each["id"] for each in client.grants()] == [grant]
        client.revoke(grant)
        assert client.grants() == []
        with pytest.raises(JepaError) as refused:
            client.revoke(grant)
        assert refused.value.status == 404


def test_a_request_of_another_kind_is_refused_with_its_reason(daemon: Daemon, victim: int) -> None:
    good = renice(victim)
    cases = {
        "altered": good._replace(value="9"),
        "before this machine was last started": signed(good._replace(boot_id="0" * 32)),
        "expired": signed(good._replace(expires_s=1.0)),
        "valid for longer": signed(good._replace(expires_s=good.expires_s + 9999)),
        "of user 4711": signed(good._replace(uid=4711)),
    }
    with closing(daemon.client()) as client:
        for reason, request in cases.items():
            with pytest.raises(JepaError, match=reason) as refused:
                client.act(request, consent=True)
            assert refused.value.status == 403
        client.act(good, consent=True)
        with pytest.raises(JepaError, match="carried out already"):  # sent again
            client.act(good, consent=True)
        client.undo()
    assert nice(victim) == 0


def test_a_request_is_done_once_over_restarts_too(new_daemon: Callable[..., Daemon], victim: int) -> None:
    daemon = new_daemon().start()
    request = renice(victim)
    with closing(daemon.client()) as client:
        client.act(request, consent=True)
        client.undo()
        for number in (signal.SIGTERM, signal.SIGKILL):
            daemon.stop(number)
            daemon.start()
            with pytest.raises(JepaError, match=r"carried out already: it is change .*, undone"):
                client.act(request, consent=True)
        assert [each.state for each in client.history()] == [State.UNDONE]


def test_what_root_asked_for_is_no_request_of_another_user(daemon: Daemon, victim: int) -> None:
    refused = as_user(4711, daemon, f"actuator.act(from_dict({renice(victim)._asdict()!r}), True)")
    assert refused == "403 The request is of user 0, and user 4711 sent it. Send a new request."
    with closing(daemon.client()) as client:
        assert 4711 not in {each.uid for each in client.history()}


def test_one_bit_altered_is_never_carried_out(daemon: Daemon, victim: int) -> None:
    chance = random.Random(15)
    for _ in range(150):
        message = bytearray(varlink.call("io.jepa.Actuator.Act", {"request": renice(victim)._asdict()}))
        start, end = message.index(b'"request":') + 10, len(message) - 2
        message[chance.randrange(start, end)] ^= 1 << chance.randrange(8)
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(5)
            connection.connect(str(daemon.socket))
            connection.sendall(message)
            # a bit that cuts the message in two leaves garbage, and that ends the connection
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            with suppress(ConnectionResetError):
                while data := connection.recv(65536):
                    answer += data
        assert not answer or b'"error"' in answer
        assert nice(victim) == 0


def test_without_a_digest_the_caller_asks_here_and_now(daemon: Daemon, victim: int) -> None:
    def ask(request: dict[str, object]) -> dict[str, object]:
        return call(daemon, "io.jepa.Actuator.Act", request=request)

    given: dict[str, object] = {"action": "process.nice", "target": str(victim), "value": "3"}
    assert ask({**given, "id": "mine"})["error"] == "io.jepa.Actuator.Invalid"
    assert ask({**given, "surprise": 1})["error"] == "io.jepa.Actuator.Invalid"
    assert ask(given)["parameters"]["change"]["to"] == 3
    assert nice(victim) == 3
    with closing(daemon.client()) as client:
        client.undo()


def call(daemon: Daemon, method: str, **parameters: object) -> dict[str, object]:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(20)
        connection.connect(str(daemon.socket))
        connection.sendall(varlink.call(method, parameters))
        answer = b""
        while not answer.endswith(b"\0"):
            answer += connection.recv(65536)
        return json.loads(answer[:-1])


def test_introspection(daemon: Daemon) -> None:
    info = call(daemon, "org.varlink.service.GetInfo")["parameters"]
    assert info["interfaces"] == ["org.varlink.service", "io.jepa.Actuator"]
    for interface in info["interfaces"]:
        told = call(daemon, "org.varlink.service.GetInterfaceDescription", interface=interface)
        assert f"interface {interface}\n" in told["parameters"]["description"]
    for method, error in {
        "org.varlink.service.Nothing": "org.varlink.service.MethodNotFound",
        "io.jepa.Actuator.Nothing": "org.varlink.service.MethodNotFound",
        "io.jepa.Other.Act": "org.varlink.service.InterfaceNotFound",
        "Act": "org.varlink.service.InterfaceNotFound",
        "io.jepa.Actuator.Act": "org.varlink.service.InvalidParameter",
    }.items():
        assert call(daemon, method)["error"] == error
    wrong = call(daemon, "io.jepa.Actuator.History", limit="many")
    assert wrong == {"error": "org.varlink.service.InvalidParameter", "parameters": {"parameter": "limit"}}
    assert call(daemon, "io.jepa.Actuator.History", limit=0)["parameters"] == {"parameter": "limit"}
    assert call(daemon, "io.jepa.Actuator.Grants", x=1)["parameters"] == {"parameter": "x"}


def test_killed_while_a_change_is_watched_takes_it_back_at_the_next_start(
    new_daemon: Callable[..., Daemon], victim: int
) -> None:
    daemon = new_daemon().start()
    applied = threading.Event()
    problems: list[JepaError] = []

    def act() -> None:
        with closing(daemon.client()) as client:
            try:
                # What was before is measured as long as it is watched, up to 10 s.
                client.act(renice(victim, watch_s=4.0), consent=True, progress=lambda change: applied.set())
            except JepaError as error:
                problems.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    assert applied.wait(30)
    assert nice(victim) == 7
    daemon.stop(signal.SIGKILL)
    thread.join(10)
    assert [error.status for error in problems] == [503]
    assert nice(victim) == 7
    done = daemon.run("--recover")
    assert done.returncode == 0, done.stderr
    assert "reverted" in done.stderr
    assert nice(victim) == 0
    daemon.start()
    with closing(daemon.client()) as client:
        assert [each.state for each in client.history(1)] == [State.REVERTED]


def test_a_restart_keeps_what_is_committed(new_daemon: Callable[..., Daemon], victim: int) -> None:
    daemon = new_daemon().start()
    with closing(daemon.client()) as client:
        kept = client.act(renice(victim), consent=False)
        for number in (signal.SIGTERM, signal.SIGKILL):
            daemon.stop(number)
            daemon.start()
            assert nice(victim) == 7
            assert client.history(1) == [kept]  # over a new connection, made by itself
        client.undo(kept.id)
    assert nice(victim) == 0


def test_a_change_ends_when_its_time_is_over(daemon: Daemon, victim: int) -> None:
    with closing(daemon.client()) as client:
        change = client.act(renice(victim, for_s=1.0), consent=False)
        assert change.until_s is not None
        wait_until(lambda: nice(victim) == 0, 10)
        wait_until(lambda: client.history(1)[0].state is State.REVERTED)
        assert client.expire(change.id).state is State.REVERTED


def test_expire_by_hand_asks_the_daemon_and_else_acts_itself(
    new_daemon: Callable[..., Daemon], victim: int
) -> None:
    daemon = new_daemon().start()
    with closing(daemon.client()) as client:
        change = client.act(renice(victim, for_s=1.5), consent=False)
    early = daemon.run("--expire", change.id)
    assert (early.returncode, nice(victim)) == (0, 7)
    daemon.stop(signal.SIGKILL)
    time.sleep(1.6)
    late = daemon.run("--expire", change.id)
    assert late.returncode == 0, late.stderr
    wait_until(lambda: nice(victim) == 0)
    unknown = daemon.run("--expire", "0" * 12)
    assert unknown.returncode == 0, "its timer would try again for ever"
    assert "There is no change" in unknown.stdout


def as_user(uid: int, daemon: Daemon, code: str) -> str:
    """What a process of another user prints."""
    program = (
        "import os, sys; from pathlib import Path\n"
        "from jepa.actions.actuator.remote import RemoteActuator; from jepa.actions.clock import HostClock\n"
        "from jepa.actions.request import from_dict, make; from jepa.errors import JepaError\n"
        f"import jepa.actions.change, socket; os.setgid({uid}); os.setuid({uid})\n"
        f"actuator = RemoteActuator(Path({str(daemon.socket)!r})); clock = HostClock()\n"
        f"try:\n    print({code})\nexcept JepaError as error:\n    print(error.status, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=daemon.environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_polkit_persons_may_look_and_not_act(daemon: Daemon, victim: int) -> None:
    request = f"make(clock, action='process.nice', target='{victim}', value='5')"
    assert as_user(4711, daemon, f"actuator.check({request}).verdict.decision") == "allow"
    refused = as_user(4711, daemon, f"actuator.act({request}, True)")
    assert refused.startswith("503 polkit, which says who may do what, does not answer")
    granted = as_user(4711, daemon, "actuator.grant({'task':'t','actions':['vm.*'],'targets':['*']})")
    assert granted.startswith("503")
    assert as_user(4711, daemon, "actuator.expire('0' * 12)").startswith("403")
    assert as_user(65534, daemon, f"actuator.check({request}).verdict.decision") == "deny"
    assert nice(victim) == 0


def test_a_dry_run_of_the_command_imports_nothing_that_takes_long(daemon: Daemon) -> None:
    slow = {"dataclasses", "inspect", "pathlib", "msgspec", "hashlib", "ssl", "subprocess", "shutil"}
    slow |= {"tomllib", "socket", "selectors", "datetime", "string", "threading", "difflib", "random"}
    code = (
        "import sys; from jepa.shell.cli import main; status = main(sys.argv[1:])\n"
        f"print(sorted({slow} & sys.modules.keys()), file=sys.stderr); sys.exit(status)"
    )
    path = [str(SRC), *(each for each in sys.path if each.endswith("site-packages"))]
    words = ["-c", f"import sys; sys.path[:0] = {path}; {code}", "act", "vm.swappiness", "10", "--dry-run"]
    done = subprocess.run(
        [sys.executable, "-IS", *words], env=daemon.environ, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "[]\n"), done.stdout


def test_a_command_that_ends_early_loses_nothing(daemon: Daemon) -> None:
    def run(value: str, stdout: int | TextIO) -> "subprocess.CompletedProcess[str]":
        words = [*launched("jepa"), "act", "vm.swappiness", value, "--dry-run"]
        return subprocess.run(words, env=daemon.environ, stdout=stdout, stderr=subprocess.PIPE, text=True)

    done = run("10", subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, last = done.stdout.splitlines()
    assert first.endswith("-> 10")
    assert last == "  Stays until `jepa undo` or a restart of the machine."
    assert run("9999", subprocess.PIPE).returncode == 2
    with Path("/dev/full").open("w") as full:
        done = run("10", full)
    assert done.returncode == 1
    assert "No space left" in done.stderr


@pytest.mark.parametrize("many", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_protected_processes_are_not_touched_however_they_are_named(daemon: Daemon, many: int) -> None:
    """The actuator, this process and its ancestors, and the first process."""
    chance = random.Random(7)
    pids = [1, os.getpid(), os.getppid(), daemon.pid]
    before = {pid: nice(pid) for pid in pids}
    seen = 0
    with closing(daemon.client()) as client:
        for _ in range(many):
            target = spelled(chance, chance.choice(pids))
            request = requests.make(HostClock(), action="process.nice", target=target, value="5")
            try:
                verdict = client.check(request).verdict
            except JepaError as error:
                assert error.status in (403, 404, 409, 422)
            else:
                seen += 1
                assert verdict.decision == "deny", target
                with pytest.raises(JepaError):
                    client.act(request, consent=True)
    assert seen > many / 40
    assert {pid: nice(pid) for pid in pids} == before


def spelled(chance: random.Random, pid: int) -> str:
    """A PID as somebody might write it who wants it to be taken for another."""
    digits = str(pid)
    arabic, wide = ("".join(chr(base + int(each)) for each in digits) for base in (0x660, 0xFF10))
    forms = [
        digits,
        f"0{digits}",
        f"+{digits}",
        f" {digits}",
        f"{digits}\n",
        f"{digits}\t",
        hex(pid),
        arabic,
    ]
    forms += [
        wide,
        f"{digits}.0",
        f"/proc/{digits}",
        f"{digits}/task/{digits}",
        f"./{digits}",
        f"{digits}\u200b",
    ]
    forms += [
        f"{pid + 2**32}",
        f"{pid + 2**64}",
        f"-{digits}",
        "self",
        "thread-self",
        f"{digits}@0",
        f"{pid}e0",
    ]
    text = chance.choice(forms)
    if chance.random() < 0.3:
        place = chance.randrange(len(text) + 1)
        text = text[:place] + chance.choice("0 \t\u00a0\u202e./@%*?[]-+xX") + text[place:]
    return text


def test_others_are_answered_while_many_misbehave(daemon: Daemon, victim: int) -> None:
    noise = [socket.socket(socket.AF_UNIX) for _ in range(60)]
    for number, each in enumerate(noise):
        each.connect(str(daemon.socket))
        each.setblocking(False)
        with suppress(OSError):
            each.send((b'{"half', b"garbage\0", b"x" * (1 << 20))[number % 3])
    times: list[float] = []

    def client() -> None:
        with closing(daemon.client()) as mine:
            for _ in range(3):
                begin = time.monotonic()
                mine.grants()
                times.append(time.monotonic() - begin)

    threads = [threading.Thread(target=client) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for each in noise:
        each.close()
    assert len(times) == 120
    assert max(times) < 5.0  # this may run beside much else; `make bench-actions` measures it alone


def test_nobody_makes_it_large(new_daemon: Callable[..., Daemon]) -> None:
    """Calls that take much memory to read, from all the connections that a user may have."""
    daemon = new_daemon().start()
    value = "[" + "[]," * 20_000 + "[]]"
    junk = b'{"method":"io.jepa.Actuator.Check","parameters":{"request":{"value":%b}}}\0' % value.encode()
    connections = [socket.socket(socket.AF_UNIX) for _ in range(128)]
    for each in connections:
        each.connect(str(daemon.socket))
        each.setblocking(False)
    deadline, largest = time.monotonic() + 2, 0.0
    while time.monotonic() < deadline:
        for each in connections:
            with suppress(OSError):
                each.send(junk)
        largest = max(largest, daemon.rss_mib())
    for each in connections:
        each.close()
    assert largest < 96  # the unit gives it 128

    def answers() -> bool:
        with suppress(JepaError), closing(daemon.client()) as client:
            return client.grants() == []
        return False  # calls that were taken are still at work

    wait_until(answers)


def test_it_is_small_and_sleeps(new_daemon: Callable[..., Daemon], victim: int) -> None:
    daemon = new_daemon().start()
    with closing(daemon.client()) as client:
        client.availability()
        for _ in range(20):
            client.check(renice(victim))
    assert daemon.rss_mib() <= 30
    maps = Path(f"/proc/{daemon.pid}/maps").read_text()
    assert not [each for each in ("numpy", "pydantic", "onnx") if each in maps]
    time.sleep(0.3)
    before = daemon.cpu_s()
    time.sleep(1.0)
    assert daemon.cpu_s() - before <= 0.01  # one tick of the clock by which the kernel counts


def test_a_socket_that_the_service_manager_opened(new_daemon: Callable[..., Daemon]) -> None:
    daemon = new_daemon()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(daemon.socket))
    listener.listen(8)
    daemon.start_by(listener)
    try:
        with closing(daemon.client()) as client:
            assert client.grants() == []
        assert daemon.stop() == 0
        assert daemon.socket.exists()  # it is not the daemon's own
    finally:
        listener.close()


def test_a_second_daemon_and_wrong_words_are_refused(daemon: Daemon) -> None:
    second = daemon.run()
    assert second.returncode == 1
    assert "Another jepa-actuator is listening" in second.stderr
    wrong = daemon.run("--surprise")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("usage: jepa-actuator")


def test_nobody_at_the_socket_is_said_with_the_remedy(base: Path) -> None:
    from jepa.actions.actuator.connect import connect

    with pytest.raises(JepaError, match=r"systemctl start jepa-actuator\.socket") as missing:
        connect(environ={"JEPA_ACTUATOR_SOCKET": str(base / "nothing.sock")}).grants()
    assert missing.value.status == 503


def test_with_ones_own_rights_and_without_a_daemon(base: Path, victim: int) -> None:
    from jepa.actions.actuator.connect import connect

    with closing(connect(local=True, environ={"STATE_DIRECTORY": str(base / "own")})) as client:
        change = client.act(renice(victim), consent=False)
        assert isinstance(change, Change)
        assert nice(victim) == 7
        client.undo()
    assert nice(victim) == 0


def test_a_client_imports_little() -> None:
    program = (
        "import sys; from jepa.actions.actuator import remote; "
        "print({'asyncio', 'argparse', 'logging', 'subprocess', 'numpy', 'pydantic'} & sys.modules.keys())"
    )
    environ = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
