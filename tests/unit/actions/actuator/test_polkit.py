# SPDX-License-Identifier: Apache-2.0
"""polkitd itself, on a message bus of these tests and with the actions of the image."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jepa.actions.actuator.polkit import Polkit
from jepa.actions.change import Caller
from jepa.errors import JepaError

EXTRA = Path(__file__).parents[4] / "mkosi.extra"
POLKITD = next(
    (path for path in map(Path, ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")) if path.exists()),
    None,
)
CAN = POLKITD is not None and shutil.which("dbus-daemon") and shutil.which("unshare") and os.geteuid() == 0
BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/> <allow own="*"/> <allow user="*"/>
  </policy>
</busconfig>
"""
RULE = """\
polkit.addRule(function(action, subject) {
  if (subject.user == "games" && action.id == "org.jepa.tune") return polkit.Result.YES;
  if (subject.user == "games" && action.id == "org.jepa.irreversible") return polkit.Result.NO;
});
"""


@pytest.fixture(scope="module")
def polkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polkit]:
    """polkitd with our actions and a rule, in a mount namespace of its own."""
    if not CAN:
        pytest.skip("needs root, dbus-daemon, unshare and polkitd")
    folder = tmp_path_factory.mktemp("bus")
    for path in (folder, *folder.parents[:3]):
        path.chmod(0o755)
    rules = folder / "rules.d"
    rules.mkdir(mode=0o755)
    (rules / "10-test.rules").write_text(RULE)
    path = folder / "socket"
    (folder / "bus.conf").write_text(BUS.format(socket=path))
    bus = subprocess.Popen(["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork"])
    script = (
        f"mount --bind {EXTRA}/usr/share/polkit-1/actions /usr/share/polkit-1/actions"
        f" && mount --bind {rules} /etc/polkit-1/rules.d && exec {POLKITD} --no-debug"
    )
    environ = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={path}"}
    authority: subprocess.Popen[bytes] | None = None
    try:
        _wait(lambda: _listens(path))
        authority = subprocess.Popen(["unshare", "--mount", "sh", "-c", script], env=environ)
        polkit = Polkit(f"unix:path={path}")
        _wait(lambda: _answers(polkit))
        yield polkit
    finally:
        for process in filter(None, (authority, bus)):
            process.terminate()
            process.wait(10)


def _wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        if time.monotonic() > deadline:
            pytest.fail("it does not start")
        time.sleep(0.05)


def _listens(path: Path) -> bool:
    """The file is there a moment before it takes connections, and polkitd ends where it is refused."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def _answers(polkit: Polkit) -> bool:
    try:
        polkit.require(Caller(uid=12345, pid=os.getpid()), "org.jepa.tune", "", False)
    except JepaError as error:
        return error.status == 403
    return True


@pytest.fixture
def games() -> Iterator[Caller]:
    """A process of a user who has no session, held by a pidfd."""
    process = subprocess.Popen(["sleep", "600"], user="games", group="games")
    fd = os.pidfd_open(process.pid)
    yield Caller(uid=5, pid=process.pid, pidfd=fd)
    os.close(fd)
    process.kill()
    process.wait()


def refused(polkit: Polkit, caller: Caller, action: str, interactive: bool = False) -> JepaError:
    with pytest.raises(JepaError) as error:
        polkit.require(caller, action, "Set something", interactive)
    return error.value


def test_a_rule_decides_and_else_a_password(polkit: Polkit, games: Caller) -> None:
    polkit.require(games, "org.jepa.tune", "Set vm.swappiness from 60 to 10", False)
    challenge = refused(polkit, games, "org.jepa.disrupt")
    assert (challenge.status, challenge.problem) == (403, "This takes the password of an administrator.")
    never = refused(polkit, games, "org.jepa.irreversible")
    assert (never.status, "does not allow org.jepa.irreversible" in never.problem) == (403, True)


def test_nobody_there_to_ask_is_a_refusal_as_well(polkit: Polkit, games: Caller) -> None:
    assert refused(polkit, games, "org.jepa.disrupt", interactive=True).status == 403


def test_an_action_that_polkit_does_not_know_is_no_permission(polkit: Polkit, games: Caller) -> None:
    assert refused(polkit, games, "org.jepa.unknown").status in (403, 503)


def test_a_process_that_has_ended_is_no_permission(polkit: Polkit, games: Caller) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert refused(polkit, Caller(uid=5, pid=gone.pid), "org.jepa.tune").status in (403, 503)


def test_root_needs_no_polkit(tmp_path: Path) -> None:
    Polkit(f"unix:path={tmp_path}/nothing").require(Caller(uid=0), "org.jepa.irreversible", "", False)


def test_without_polkit_it_is_refused_and_said(tmp_path: Path) -> None:
    error = refused(Polkit(f"unix:path={tmp_path}/nothing"), Caller(uid=5, pid=1), "org.jepa.tune")
    assert error.status == 503
    assert "does not answer" in error.problem
