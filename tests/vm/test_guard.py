# SPDX-License-Identifier: Apache-2.0
"""The guard beside systemd itself: what it knows of units is what systemd does with them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.actions.guard import spellings
from tests.vm.actions import TIMEOUT_S, write
from tools.vm.image import BUILD
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]

ASK = """\
import json, sys
sys.path.insert(0, "/usr/lib/jepa")
from jepa.actions import request as requests
from jepa.actions.actuator.connect import connect
from jepa.actions.clock import HostClock
from jepa.errors import JepaError

client, clock = connect(False), HostClock()
for line in open("/run/guard/asked"):
    action, target, value = json.loads(line)
    request = requests.make(clock, action=action, target=target, value=value)
    try:
        if sys.argv[1:]:
            client.act(request, consent=True)
            said = ["done"]
        else:
            verdict = client.check(request).verdict
            said = [verdict.decision, *verdict.reasons]
    except JepaError as error:
        said = ["refused", error.problem]
    print(json.dumps(said))
"""
FUZZ = """\
import json, os, random, sys
from collections import Counter
sys.path[:0] = ["/usr/lib/jepa", "/run/guard"]
from jepa.actions import request as requests
from jepa.actions.actuator.connect import connect
from jepa.actions.clock import HostClock
from jepa.errors import JepaError
from jepa.shell.cli import main
from spellings import spelled

how, seed, many = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client, clock, dice = connect(False), HostClock(), random.Random(seed)
groups = json.load(open("/run/guard/groups"))

def over_socket(action, target, value):
    request = requests.make(clock, action=action, target=target, value=value)
    try:
        client.act(request, consent=True)
    except JepaError as error:
        return str(error.status)
    return "done"

def by_command(action, target, value):
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(1, 2)
        os._exit(main(["act", action, "--yes", "--", target, *([] if value is None else [value])]))
    return {0: "done", 1: "refused", 2: "usage"}.get(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "?")

ask = over_socket if how == "socket" else by_command
answers, done = Counter(), []
for _ in range(many):
    actions, names = dice.choice(groups)
    (action, value), name = dice.choice(actions), dice.choice(names)
    name = spelled(name, dice)
    if how != "socket" and "\\0" in name:
        name = name.replace("\\0", "")
    answer = ask(action, name, value)
    answers[answer] += 1
    if answer in ("done", "?"):
        done.append([action, name, answer])
print(json.dumps([answers, done]))
"""
NEEDED: Final = (
    *("init.scope", "-.slice", "system.slice", "user.slice", "safety.slice", "-.mount", "sysinit.target"),
    *("systemd-journald.service", "systemd-journald.socket", "systemd-udevd.service", "multi-user.target"),
    *("systemd-logind.service", "systemd-networkd.service", "dbus.service", "dbus.socket", "polkit.service"),
    *("jepad.service", "jepa-actuator.service", "jepa-actuator.socket", "jepa.slice"),
    *("serial-getty@ttyS0.service", "getty@tty1.service", "system-getty.slice", "dev-vda.device"),
)
UNIT_ACTIONS: Final = (
    *(("cpu.weight", "50"), ("memory.high", "64M"), ("unit.freeze", None)),
    *(("unit.stop", None), ("unit.restart", None), ("unit.disable", None)),
)
GROUPS: Final = (
    (UNIT_ACTIONS, (*NEEDED, "dbus-org.freedesktop.login1.service", "jepa-test-shell.service")),
    (
        (("process.nice", "5"), ("process.pause", None), ("process.kill", None)),
        (
            "1",
            "2",
            "systemd",
            "systemd-journald",
            "systemd-udevd",
            "systemd-logind",
            "dbus-daemon",
            "polkitd",
        ),
    ),
    ((("device.unbind", None), ("device.power", "auto")), ("vda", "/dev/vda", "vda2")),
)
"""Actions, and names of what none of them may be done to."""
STATE: Final = (
    "systemctl show -p Id,ActiveState,CPUWeight,MemoryHigh,FreezerState,UnitFileState"
    f" {' '.join(NEEDED[:-1])};"
    " ps -o nice,stat= -p 1,2 -C systemd-journald,systemd-udevd,systemd-logind,dbus-daemon"
    " | cut -c1-5 | sed 's/[RSDI]/-/';"  # running or waiting: that changes by itself, stopped (T) does not
    " jepa history --json"
)
"""All that the requests would change, and what was changed."""
RULE: Final = """\
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.jepa.") == 0 && subject.user == "ann") return polkit.Result.YES;
});
"""
TOLD: Final = BUILD / "bench/protected-names.json"
ANN: Final = "setpriv --reuid 4711 --regid 4711 --clear-groups"


@pytest.fixture
def asked(machine: Machine) -> Machine:
    """A machine whose actuator runs, with what asks it, and a person to whom polkit allows everything."""
    machine.succeed("mkdir -p /run/guard; echo 'ann:x:4711:4711::/:/bin/sh' >>/etc/passwd")
    write(machine, "/etc/polkit-1/rules.d/10-ann.rules", RULE)
    write(machine, "/run/guard/ask.py", ASK)
    write(machine, "/run/guard/fuzz.py", FUZZ)
    write(machine, "/run/guard/spellings.py", Path(spellings.__file__).read_text())
    machine.succeed("systemctl try-restart polkit; jepa history", TIMEOUT_S)
    return machine


def ask(machine: Machine, *requests: tuple[str, str, Any], act: bool = False) -> list[list[str]]:
    """The verdict and its reasons on each request; with ``act`` what came of doing it, with consent."""
    write(machine, "/run/guard/asked", "\n".join(map(json.dumps, requests)))
    told = machine.succeed(
        f"python3 -IS /run/guard/ask.py {'act' if act else ''}", TIMEOUT_S + len(requests)
    )
    return [json.loads(line) for line in told.splitlines()]


def fuzz(machine: Machine, how: str, seed: int, many: int, who: str = "") -> dict[str, int]:
    """How often each answer came to ``many`` requests; AssertionError when one of them was done."""
    answers: dict[str, int] = {}
    for at in range(0, many, 500):
        count = min(500, many - at)
        told = machine.succeed(
            f"{who} python3 -IS /run/guard/fuzz.py {how} {seed + at} {count}", TIMEOUT_S + count
        )
        counts, done = json.loads(told)
        assert done == []
        answers = {each: answers.get(each, 0) + counts.get(each, 0) for each in answers | counts}
    machine.say(f"{many} over {how}{' as a person' if who else ''}: {answers}")
    return answers


def tell(*ways: tuple[str, int, dict[str, int]]) -> None:
    """Write what was asked, and what came of it, where the benchmarks' results are."""
    columns = ["over", "asked", "no name of a unit (422)", "no such unit (404)", "refused (403)", "touched"]
    rows = [
        [
            over,
            many,
            answers.get("422", answers.get("usage", 0)),
            answers.get("404", "") if "403" in answers else "",
            answers.get("403", answers.get("refused", 0)),
            0,
        ]
        for over, many, answers in ways
    ]
    TOLD.parent.mkdir(parents=True, exist_ok=True)
    TOLD.write_text(f"{json.dumps({'columns': columns, 'rows': rows}, indent=1)}\n")


@pytest.mark.slow
def test_whatever_is_protected_stays_untouched(asked: Machine) -> None:
    before = asked.succeed(STATE, TIMEOUT_S)
    requests = [
        (action, name, value) for name in NEEDED for action, value in UNIT_ACTIONS if action != "memory.high"
    ]
    for request, said in zip(requests, ask(asked, *requests, act=True), strict=True):
        assert said[0] == "refused", (request, said)
    assert asked.succeed(STATE, TIMEOUT_S) == before


@pytest.mark.parametrize(
    ("groups", "root", "person", "command"),
    [
        pytest.param(GROUPS, 120, 60, 20, id="some"),
        pytest.param(GROUPS[:1], 7500, 2500, 500, marks=pytest.mark.slow, id="10000-units"),
    ],
)
def test_protected_names_are_protected_however_they_are_spelled(
    asked: Machine, groups: Sequence[Any], root: int, person: int, command: int
) -> None:
    write(asked, "/run/guard/groups", json.dumps(groups))
    before = asked.succeed(STATE, TIMEOUT_S)
    of_root = fuzz(asked, "socket", 15, root)
    of_person = fuzz(asked, "socket", 1_000_015, person, ANN)
    of_command = fuzz(asked, "command", 2_000_015, command)
    assert asked.succeed(STATE, TIMEOUT_S) == before
    tell(
        ("the socket, as root", root, of_root),
        ("the socket, as a person to whom polkit allows everything", person, of_person),
        ("`jepa act`", command, of_command),
    )
    # most are names of nothing; the guard's own refusals show that it was asked about the rest
    assert of_root["403"] > root / 100
    assert of_person["403"] > person / 100


def test_what_is_protected_is_so_by_every_way_to_it(asked: Machine) -> None:
    """An alias made later, a slice around it, a unit that it depends on, a unit that would stop it."""
    units = "/run/systemd/system"
    write(asked, f"{units}/lamb.service", "[Service]\nExecStart=sleep infinity")
    write(
        asked,
        f"{units}/wolf.service",
        "[Unit]\nConflicts=polkit.service\n[Service]\nExecStart=sleep infinity",
    )
    write(asked, f"{units}/pack.service", "[Unit]\nWants=wolf.service\n[Service]\nExecStart=sleep infinity")
    write(asked, f"{units}/end.service", "[Unit]\nWants=poweroff.target\n[Service]\nExecStart=true")
    asked.succeed(
        f"ln -s /usr/lib/systemd/system/polkit.service {units}/innocent.service;"
        f" mkdir -p {units}/polkit.service.d;"
        f" printf '[Unit]\\nBindsTo=lamb.service\\n' >{units}/polkit.service.d/x.conf;"
        " systemctl daemon-reload; systemctl start lamb; systemctl start polkit;"
        " systemd-run --quiet --unit=sheep --slice=herd-left.slice sleep infinity"
    )
    weight = "cpu.weight", "herd.slice", 50
    said = ask(
        asked,
        ("cpu.weight", "sheep.service", 50),
        weight,
        ("cpu.weight", "innocent.service", 50),
        ("unit.stop", "lamb.service", None),
        ("unit.start", "wolf.service", None),
        ("unit.start", "pack.service", None),
        ("unit.start", "end.service", None),
        ("unit.restart", "sheep.service", None),
    )
    assert [each[0] for each in said[:3]] == ["allow", "allow", "deny"], said
    assert "polkit.service" in said[2][1]
    assert "It would stop polkit.service" in said[3][1]
    assert "It would stop polkit.service" in said[4][1]
    assert "It would stop polkit.service" in said[5][1]
    assert "poweroff.target" in said[6][1]
    assert said[7][0] == "ask"

    asked.succeed(
        f"printf '[Service]\\nExecStart=sleep infinity\\nSlice=herd-left.slice\\n' >{units}/sshd@7.service;"
        " systemctl daemon-reload; systemctl start sshd@7"
    )
    [said_of_slice] = ask(asked, weight)
    assert said_of_slice[0] == "deny" and "herd.slice holds sshd@7.service" in said_of_slice[1]


def test_a_policy_that_is_wrong_leaves_the_last_good_one_after_a_restart_too(asked: Machine) -> None:
    asked.succeed("mkdir -p /etc/jepa")
    rule = '[[forbid]]\nid = "no"\naction = "vm.*"\nreason = "Not on this machine."'
    write(asked, "/etc/jepa/policy.toml", rule)
    request = ("vm.swappiness", "", 11)
    assert "Not on this machine." in ask(asked, request)[0][1]
    write(asked, "/etc/jepa/policy.toml", "[[forbid]")
    assert "Not on this machine." in ask(asked, request)[0][1]
    asked.succeed("systemctl stop jepa-actuator")
    assert "Not on this machine." in ask(asked, request)[0][1]
    assert "stays in force" in asked.succeed("journalctl -u jepa-actuator -p err --no-pager")
    asked.succeed("rm /etc/jepa/policy.toml")
    assert ask(asked, request)[0][0] == "allow"
