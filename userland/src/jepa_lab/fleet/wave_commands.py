# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab fleet release`, `next`, `back`, `waves`, `gate`: versions on their way to many machines."""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jepa_lab.fleet.gate import Finding
    from jepa_lab.fleet.waves import Released, Waves

_HOUR_S: Final = 3600.0


def add_to(group: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the commands below `jepa-lab fleet`."""
    release = _command(group, "release", "release versions to the first wave of a channel", _release)
    release.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a pack's image, or the files of a release"
    )
    _keys(release)
    for name, text, act in (
        ("next", "release a version to the next wave", _next),
        ("back", "take a version back from every machine that has it", _back),
    ):
        one = _command(group, name, text, act)
        one.add_argument("title", metavar="NAME_VERSION", help="as `jepa-lab fleet waves` shows it")
        _keys(one)
    waves = _command(group, "waves", "every version of a channel and how far it is", _list)
    waves.add_argument("--json", action="store_true", help="print JSON instead of a table")
    gate = _command(
        group, "gate", "whether versions under way may go on, from the figures of their machines", _gate
    )
    gate.add_argument("--prometheus", metavar="URL", help="the server (default: $JEPA_PROMETHEUS)")
    gate.add_argument("--job", default="jepa", help="of the machines in Prometheus (default: jepa)")
    gate.add_argument("--do", action="store_true", help="also let on, or take back, what is decided on")
    gate.add_argument(
        "--period",
        type=_seconds,
        default=_HOUR_S,
        metavar="SECONDS",
        help="judge pieces so long instead of hours, to try a release on machines made for that",
    )
    gate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    _keys(gate)


def _seconds(text: str) -> float:
    """What --period is given; ValueError when it is no time."""
    if not 1 <= (value := float(text)) <= _HOUR_S:
        raise ValueError(text)
    return value


def _command(
    group: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    act: Callable[[argparse.Namespace], None],
) -> argparse.ArgumentParser:
    parser = group.add_parser(name, help=text)
    parser.add_argument("channel", type=Path, metavar="CHANNEL", help="a directory, with one for each wave")
    parser.set_defaults(fleet=act)
    return parser


def _keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keys", type=Path, default=Path("keys"), metavar="DIR", help="of `make keys` (default: keys)"
    )


def _channel(arguments: argparse.Namespace) -> "Waves":
    from jepa_lab.fleet.waves import Waves, signer

    return Waves(arguments.channel, signer(getattr(arguments, "keys", Path())), time.time)


def _release(arguments: argparse.Namespace) -> None:
    for released in _channel(arguments).start(arguments.files):
        _say(released)


def _next(arguments: argparse.Namespace) -> None:
    _say(_channel(arguments).next(arguments.title))


def _back(arguments: argparse.Namespace) -> None:
    _say(_channel(arguments).back(arguments.title))


def _say(released: "Released") -> None:
    from jepa_lab.fleet.waves import BACK

    done = "was taken back" if released.wave == BACK else f"was released to {released.wave}"
    print(f"{released.title} {done}.")


def _list(arguments: argparse.Namespace) -> None:
    found = _channel(arguments).released()
    if arguments.json:
        print(json.dumps([asdict(each) for each in found], indent=1))
        return
    for each in found:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.since_s))
        print(f"  {each.title:<24}  {each.wave:<8}  since {since}")


def _gate(arguments: argparse.Namespace) -> None:
    from jepa.fleet.prometheus import Prometheus
    from jepa.updates.waves import WAVES
    from jepa_lab.fleet.gate import Decision
    from jepa_lab.fleet.gate_figures import judge
    from jepa_lab.fleet.waves import BACK

    channel, server, now_s = _channel(arguments), Prometheus(arguments.prometheus), time.time()
    told: list[dict[str, Any]] = []
    for released in channel.released():
        if released.wave in (BACK, list(WAVES)[-1]):
            continue
        judged = judge(server, arguments.job, released.title, released.since_s, now_s, arguments.period)
        decision = judged.gate.decision
        told.append(
            {
                "title": released.title,
                "wave": released.wave,
                "decision": decision.value,
                "hours": judged.hours,
                "machines": judged.machines,
                "others": judged.others,
                "figures": [asdict(each) for each in judged.gate.findings()],
            }
        )
        if not arguments.json:
            print(
                f"{released.title}, {released.wave}, {judged.hours} {_unit(arguments.period)}"
                f" on {len(judged.machines)} machines"
                f" beside {judged.others} others: {_WORDS[decision.value]}"
            )
            print(_table(judged.gate.findings()))
        if arguments.do and decision is not Decision.WAIT:
            done = channel.next(released.title) if decision is Decision.GO else channel.back(released.title)
            if not arguments.json:
                _say(done)
    if arguments.json:
        print(json.dumps(told, indent=1))
    elif not told:
        print("No version is under way.")


def _unit(period_s: float) -> str:
    return "h" if period_s == _HOUR_S else f"x {period_s:g} s"


_WORDS = {
    "go": "it may go on.",
    "wait": "too early to say.",
    "back": "it is worse, and to be taken back.",
}


def _table(findings: "Sequence[Finding]") -> str:
    rows = [f"  {'figure':<30}{'hours':>6}{'difference':>12}{'worse':>12}{'sound':>12}"]
    for each in findings:
        difference = "-" if each.difference is None else f"{100 * each.difference:+.2f} %"
        rows.append(
            f"  {each.name:<30}{each.hours:>6}{difference:>12}{each.worse:>12.3g}{each.sound:>12.3g}"
        )
    return "\n".join(rows)
