# SPDX-License-Identifier: Apache-2.0
"""Verbs that change the machine and show what was changed: act, undo, history, run and their like."""

from jepa.shell.usage import Parser, Verb, path, positive, span


def _act(parser: Parser) -> None:
    parser.add_argument("name", metavar="ACTION", help="as `jepa actions` lists them, such as vm.swappiness")
    parser.add_argument(
        "target", nargs="?", metavar="TARGET", help="a unit, process or device; none for the machine itself"
    )
    parser.add_argument("value", nargs="?", metavar="VALUE", help="what it is set to, if it takes a value")
    parser.add_argument(
        "--for", type=span, dest="for_s", metavar="SPAN", help="take it back after 90s, 30m, 12h or 7d"
    )
    parser.add_argument(
        "--watch", type=span, default=0, metavar="SPAN", help="watch so long, and revert if things get worse"
    )
    parser.add_argument(
        "--keep-if",
        default="",
        metavar="CONDITION",
        help="revert unless it holds while watched: 'CHANNEL below X' or 'CHANNEL above X'",
    )
    parser.add_argument("--why", default="", metavar="TEXT", help="the reason, kept in the history")
    parser.add_argument("--dry-run", action="store_true", help="show what it would do, and change nothing")
    parser.add_argument("--yes", action="store_true", help="consent in advance, where consent is asked for")


def _actions(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="describe this action")


def _undo(parser: Parser) -> None:
    _change(parser, "the change to take back; your last one when none is named")
    parser.add_argument("--task", default="", metavar="TASK", help="take back all changes of this task")


def _history(parser: Parser) -> None:
    _change(parser, "show this change in full")
    parser.add_argument(
        "--limit", type=positive, default=50, metavar="N", help="the newest N changes (default: 50)"
    )


def _change(parser: Parser, help_: str) -> None:
    parser.add_argument("change", nargs="?", default="", metavar="ID", help=help_)


def _run(parser: Parser) -> None:
    role = parser.add_mutually_exclusive_group(required=True)
    role.add_argument(
        "--foreground",
        dest="role",
        action="store_const",
        const="foreground",
        help="as what a person waits for",
    )
    role.add_argument(
        "--background", dest="role", action="store_const", const="background", help="as what may take longer"
    )
    parser.add_argument("--cpu", metavar="QUOTA", help="CPU time: 40%%, or 200%% for two CPUs (cpu.max)")
    parser.add_argument("--memory", metavar="SIZE", help="memory: 2G or 10%% (memory.max)")
    parser.add_argument("--io-weight", metavar="N", help="share of the disks' time: 1..10000 (io.weight)")
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="ACTION=VALUE",
        help="any other setting of a unit, such as pids.max=100; may be repeated",
    )
    parser.add_argument(
        "--for", type=span, dest="for_s", metavar="SPAN", help="lift the limits after 90s, 30m, 12h or 7d"
    )
    parser.add_argument(
        "command", nargs="*", metavar="-- CMD", help="the command and its arguments, after --"
    )


def _grant(parser: Parser) -> None:
    parser.add_argument("grant", metavar="ID", help="as `jepa grants list` shows it")


def _autonomy(parser: Parser) -> None:
    parser.add_argument(
        "mode",
        nargs="?",
        choices=("off", "advise", "ask", "auto"),
        metavar="MODE",
        help="off, advise, ask or auto; show it when none is given",
    )
    parser.add_argument(
        "--approve",
        action="append",
        default=[],
        metavar="UNIT",
        help="with ask: let this unit be repaired, until the mode is set anew; may be repeated",
    )


def _policy_file(parser: Parser) -> None:
    parser.add_argument("file", type=path, metavar="FILE", help="a policy, such as /etc/jepa/policy.toml")


VERBS = (
    Verb(
        "act",
        "change one setting: guarded, recorded, and taken back when its time is over",
        (
            "jepa act vm.swappiness 10 --for 1h",
            "jepa act cpu.max backup.service 40% --for 30m --why 'a call'",
            "jepa act unit.restart backup.service",
            "jepa act cpu.weight backup.service 10 --watch 30s --keep-if 'system.cpu.utilization below 90'",
            "jepa --local act vm.swappiness 10 --dry-run",
        ),
        _act,
        asks_actuator=True,
    ),
    Verb(
        "actions",
        "what can be set here, its range and its tier, and what this machine lacks",
        ("jepa actions", "jepa actions vm.swappiness", "jepa actions --json"),
        _actions,
        asks_actuator=True,
    ),
    Verb(
        "undo",
        "take back a change, or all changes of a task",
        ("jepa undo", "jepa undo 1f0c9a3b5d7e", "jepa undo --task 4a"),
        _undo,
        asks_actuator=True,
    ),
    Verb(
        "history",
        "what was changed: when, by whom, why, from what to what, and what came of it",
        ("jepa history", "jepa history 1f0c9a3b5d7e", "jepa history --limit 5 --json"),
        _history,
        asks_actuator=True,
    ),
    Verb(
        "run",
        "run a command in a role, with limits that end with it",
        (
            "jepa run --background -- make -j8",
            "jepa run --background --cpu 40% --memory 2G -- rsync -a /home /mnt",
            "jepa run --foreground --limit pids.max=500 -- ./game",
        ),
        _run,
        prompt=False,
    ),
    Verb(
        "grants",
        "what jepad may do by itself, and for how long",
        ("jepa grants list", "jepa grants revoke 7c1d"),
        asks_actuator=True,
        actions=(
            Verb(
                "list",
                "the grants in force",
                ("jepa grants list", "jepa grants list --json"),
                asks_actuator=True,
            ),
            Verb("revoke", "end a grant", ("jepa grants revoke 7c1d",), _grant, asks_actuator=True),
        ),
    ),
    Verb(
        "policy",
        "the rules that allow, ask about or forbid changes",
        ("jepa policy show", "jepa policy check /etc/jepa/policy.toml"),
        actions=(
            Verb("show", "the rules in force, each with its reason", ("jepa policy show",)),
            Verb(
                "check",
                "check a policy before it is put in force; exit 1 when it is wrong",
                ("jepa policy check policy.toml",),
                _policy_file,
            ),
        ),
    ),
    Verb(
        "autonomy",
        "how far this machine may repair itself (as root)",
        ("jepa autonomy", "jepa autonomy auto", "jepa autonomy --approve shop.service"),
        _autonomy,
        asks_actuator=True,
    ),
)
