# SPDX-License-Identifier: Apache-2.0
"""The words of the command line: verbs, options, help with examples. Imports nothing that takes time."""

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from jepa.errors import JepaError


class UsageError(JepaError):
    """What was typed is not understood; the exit status is 2."""


class HelpWanted(Exception):
    """The person asked for help, which is the argument."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: its help, and the module under jepa.shell.verbs that does it."""

    name: str
    help: str
    examples: tuple[str, ...]
    prompt: bool = True
    """Whether it makes sense at the shell's prompt."""


VERBS = (
    Verb("status", "state of each part, and the budget used", ("jepa status", "jepa status --json")),
    Verb(
        "doctor", "every check, with the remedy where one is not ok", ("jepa doctor", "jepa --local doctor")
    ),
    Verb(
        "watch",
        "live channels with prediction bands",
        ("jepa watch", "jepa watch system.cpu.utilization --count 10", "jepa watch --json"),
    ),
    Verb(
        "forecast",
        "what is expected over the coming window",
        ("jepa forecast", "jepa forecast system.cpu.utilization", "jepa forecast --horizon 60 --json"),
    ),
    Verb(
        "events",
        "what happened: failed units, devices, the kernel's complaints",
        ("jepa events", "jepa events --since 60 --follow", "jepa events --kind oom_kill --json"),
    ),
    Verb("record", "write frames to DIR as Parquet", ("jepa record day1", "jepa record day1 --seconds 600")),
    Verb(
        "evaluate", "replay a recording through a pack", ("jepa evaluate day1", "jepa evaluate day1 --json")
    ),
    Verb(
        "packs",
        "list or verify the models here, or build one from a checkpoint",
        (
            "jepa packs list",
            "jepa packs verify",
            "jepa packs build vjepa2 --checkpoint vitl.pt --out packs/vitl",
        ),
    ),
    Verb(
        "vision",
        "keep what a video shows, find it again, tell what comes next or surprises, reach a goal",
        (
            "jepa vision embed holiday.mp4",
            "jepa vision search door.png",
            "jepa vision anticipate /dev/video0 --pack packs/vitl",
            "jepa vision watch /dev/video0 --fps 1",
            "jepa vision reach goal.png --robot two-room --dry-run",
        ),
    ),
    Verb(
        "serve",
        "run the daemon in the foreground",
        ("jepa serve", "jepa serve --socket ./api.sock --state-dir ./state"),
        prompt=False,
    ),
    Verb(
        "completion",
        "print a completion script for the shell",
        ('eval "$(jepa completion bash)"',),
        prompt=False,
    ),
)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises instead of printing and leaving the process."""

    def error(self, message: str) -> NoReturn:
        """UsageError with argparse's own words."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.", status=400)

    def print_help(self, file: object = None) -> None:
        """HelpWanted with the text."""
        raise HelpWanted(self.format_help())


def build_parser() -> Parser:
    """The parser of the whole command line."""
    common = _common()
    parser = Parser(
        prog="jepa",
        description="Watch this machine, see what it will do next. Without a verb: the shell.",
        epilog="Exit status: 0 done, 1 refused or failed, 2 not understood. Examples: jepa VERB --help.",
        parents=[common],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument(
        "--plain", action="store_true", default=None, help="the shell in plain lines, not full screen"
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)
    made = {
        verb.name: verbs.add_parser(
            verb.name,
            help=verb.help,
            description=f"{verb.help[0].upper()}{verb.help[1:]}.",
            epilog="examples:\n" + "\n".join(f"  {example}" for example in verb.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[common],
            allow_abbrev=False,
        )
        for verb in VERBS
    }
    _watch(made["watch"])
    _forecast(made["forecast"])
    _events(made["events"])
    _record(made["record"])
    _evaluate(made["evaluate"])
    _packs(made["packs"])
    _vision(made["vision"])
    made["serve"].add_argument("--state-dir", type=Path, metavar="DIR", help="where to keep the history")
    made["completion"].add_argument("shell", choices=("bash", "zsh"))
    return parser


def _packs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("list", "verify", "build"),
        help="list: what is here; verify: check the hashes; build: make one",
    )
    parser.add_argument("recipe", nargs="?", choices=("vjepa2",), help="what to build")
    parser.add_argument("--pack", metavar="PACK", help="only this one, by name or directory")
    build = parser.add_argument_group("to build vjepa2")
    build.add_argument(
        "--checkpoint", type=Path, metavar="PATH", help="a .pt file, or a Hugging Face directory"
    )
    build.add_argument(
        "--probe", type=Path, metavar="PATH", help="a classifier of Meta's that belongs to the .pt file"
    )
    build.add_argument("--out", type=Path, metavar="DIR", help="the pack's directory, not there yet")
    build.add_argument("--frames", type=int, metavar="N", help="of a clip (default: 16; 2 with actions)")
    build.add_argument(
        "--horizon", type=_positive, metavar="N", help="actions imagined in a row (default: 1)"
    )
    build.add_argument(
        "--weights", choices=("fp32", "fp16", "int8"), help="how they are kept (default: fp32)"
    )
    build.add_argument("--crop", type=int, metavar="PIXELS", help="default: the checkpoint's own, else 256")


def _vision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("embed", "search", "anticipate", "watch", "reach"),
        help="embed: into the index; search: in it; anticipate: what comes next; watch: what surprises; "
        "reach: a robot, a goal",
    )
    parser.add_argument(
        "source", help="a video, a picture, a folder of pictures, /dev/videoN, an rtsp URL, or screen"
    )
    parser.add_argument("--pack", metavar="PACK", help="by name or directory (default: one that is here)")
    parser.add_argument(
        "--index", type=Path, metavar="DIR", help="where it is kept (default: ~/.local/share/jepa/vision)"
    )
    parser.add_argument("--fps", type=_rate, default=4.0, metavar="N", help="frames a second (default: 4)")
    parser.add_argument(
        "--clips", type=_positive, metavar="N", help="stop after so many (default: at the end)"
    )
    parser.add_argument("--most", type=_positive, default=5, metavar="N", help="clips to show (default: 5)")
    robot = parser.add_argument_group("to reach a goal")
    robot.add_argument(
        "--robot",
        default="two-room",
        metavar="NAME",
        help="two-room or simulated-arm, or PACKAGE.MODULE:FUNCTION",
    )
    robot.add_argument("--dry-run", action="store_true", help="say what it would do, and move nothing")
    robot.add_argument("--steps", type=_positive, default=100, metavar="N", help="at most (default: 100)")
    robot.add_argument("--seed", type=int, default=0, help="of what is imagined (default: 0)")
    actor = parser.add_argument_group("to reach it with V-JEPA 2-AC")
    actor.add_argument(
        "--samples", type=_positive, default=800, metavar="N", help="courses a round (default: 800)"
    )
    actor.add_argument(
        "--rounds", type=_positive, default=10, metavar="N", help="of imagination (default: 10)"
    )
    actor.add_argument(
        "--seconds", type=_rate, metavar="S", help="for a plan, at most (default: until the rounds are done)"
    )
    parser.add_argument(
        "--skip-unchanged",
        type=float,
        default=0.02,
        metavar="D",
        help="embed no clip that differs less from the last, in deviations of colours (default: 0.02)",
    )


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line; UsageError or HelpWanted instead of an exit."""
    word = first_word(argv)
    names = [verb.name for verb in VERBS]
    if word is not None and word not in names:
        near = difflib.get_close_matches(word, names, n=2, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(near)}?" if near else f"The verbs are {', '.join(names)}."
        raise UsageError(f"There is no verb {word!r}.", remedy, status=400)
    return build_parser().parse_args(argv)


def first_word(argv: Sequence[str]) -> str | None:
    """The first argument that is neither an option nor the value of one."""
    rest = iter(argv)
    for argument in rest:
        if argument == "--socket":
            next(rest, None)
        elif not argument.startswith("-"):
            return argument
    return None


def _common() -> Parser:
    common = Parser(add_help=False)
    common.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="JSON, for programs; errors too"
    )
    common.add_argument(
        "--local",
        action="store_true",
        default=argparse.SUPPRESS,
        help="watch in this process, without jepad",
    )
    common.add_argument(
        "--socket",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="PATH",
        help="jepad's socket (default: $JEPA_SOCKET or /run/jepa/api.sock)",
    )
    return common


def _watch(parser: argparse.ArgumentParser) -> None:
    _channels(parser)
    parser.add_argument("--count", type=_positive, metavar="N", help="stop after N seconds' frames")


def _forecast(parser: argparse.ArgumentParser) -> None:
    _channels(parser)
    parser.add_argument("--horizon", type=_positive, metavar="S", help="only this horizon, in seconds")


def _events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since", type=_positive, default=3600, metavar="S", help="of the last S seconds (default: 3600)"
    )
    parser.add_argument("--follow", action="store_true", help="and those to come, until Ctrl-C")
    parser.add_argument("--kind", action="append", metavar="KIND", help="only this kind; may be repeated")


def _record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new directory")
    parser.add_argument(
        "--seconds", type=_positive, metavar="N", help="stop after N seconds, else at Ctrl-C"
    )
    parser.add_argument(
        "--limit", type=_positive, metavar="MIB", help="at so many MiB let the oldest frames go"
    )


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a recording made by `jepa record`")
    parser.add_argument("--pack", metavar="PACK", help="another than the default, by name or directory")


def _channels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "channels", nargs="*", metavar="CHANNEL", help="names of channels; the main ones when none is named"
    )


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value <= 240:
        raise argparse.ArgumentTypeError("must be above 0 and at most 240")
    return value


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value
