# SPDX-License-Identifier: Apache-2.0
"""Parses the command line: global options, verbs, their actions. Imports nothing that takes time."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from jepa.shell.arguments import VERBS
from jepa.shell.usage import Parser, UsageError, Verb


def build_parser(verbs: Sequence[Verb] = VERBS) -> Parser:
    """The parser of the whole command line, or of that part of it that ``verbs`` are."""
    parser = Parser(
        prog="jepa",
        description="Watch this machine, see what it will do next. Without a verb: the shell.",
        epilog="Exit status: 0 done, 1 refused or failed, 2 usage error. Examples: jepa VERB --help.",
        parents=[_json(), _service()],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument(
        "--plain", action="store_true", default=None, help="the shell in plain lines, not full screen"
    )
    _add(parser, "verb", verbs)
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line; UsageError or HelpWanted instead of an exit."""
    word = first_word(argv)
    names = [verb.name for verb in VERBS]
    if word is not None and word not in names:
        import difflib  # takes longer than all else here, and only errors need it

        near = difflib.get_close_matches(word, names, n=2)
        remedy = f"Did you mean {' or '.join(near)}?" if near else f"The verbs are {', '.join(names)}."
        raise UsageError(f"There is no verb {word!r}.", remedy, status=400)
    # The parser of one verb is made in a tenth of the time that all of them take.
    wanted = [verb for verb in VERBS if verb.name == word] or VERBS
    own, command = split_command(argv)
    args, unknown = build_parser(wanted).parse_known_args(own)
    if unknown:
        command = " ".join(["jepa", *filter(None, (args.verb, getattr(args, "action", None)))])
        raise UsageError(f"{command} does not take {' '.join(unknown)}.", f"See {command} --help.")
    if command:
        args.command = command
    _check_global(args)
    return args


def help_words(words: Sequence[str]) -> Sequence[str]:
    """The words with ``help`` and ``help VERB`` as the options that argparse knows."""
    return [*words[1:], "--help"] if words and words[0] == "help" else words


def split_command(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The words that are ours, and the command that `jepa run` is given after ``--``."""
    if "--" not in argv or first_word(argv) != "run":
        return argv, ()
    end = argv.index("--")
    return argv[:end], argv[end + 1 :]


def first_word(argv: Sequence[str]) -> str | None:
    """The first argument that is neither an option nor the value of one."""
    rest = iter(argv)
    for argument in rest:
        if argument == "--socket":
            next(rest, None)
        elif not argument.startswith("-"):
            return argument
    return None


def _check_global(args: argparse.Namespace) -> None:
    """UsageError for a global option, given before the verb, that means nothing to it."""
    if "local" in args and getattr(args, "socket", None) is not None:
        raise UsageError("--local asks no daemon, so --socket means nothing.", "Give one of them.")
    if args.verb is None:
        return
    verb = next(verb for verb in VERBS if verb.name == args.verb)
    if args.plain:
        raise UsageError("--plain is for the shell.", f"Use `jepa {args.verb}` without it.")
    if "local" in args and not (verb.asks_service or verb.asks_actuator):
        raise UsageError(f"{verb.name} asks no daemon, so --local means nothing.", "Leave it out.")
    if getattr(args, "socket", None) is not None and not verb.asks_service and verb.name != "serve":
        raise UsageError(f"{verb.name} asks no daemon, so --socket means nothing.", "Leave it out.")


def _add(parser: Parser, dest: str, verbs: Sequence[Verb]) -> None:
    """Add ``verbs`` below ``parser``; the name of the one chosen is ``dest`` of the result."""
    choices = parser.add_subparsers(
        dest=dest,
        metavar=dest.upper(),
        required=dest == "action",
        parser_class=Parser,
        prog=parser.prog,  # else argparse formats a usage to get it, and imports what that takes
    )
    for verb in verbs:
        made = choices.add_parser(
            verb.name,
            help=verb.help,
            description=f"{verb.help[0].upper()}{verb.help[1:]}.",
            epilog="examples:\n" + "\n".join(f"  {example}" for example in verb.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=_parents(verb),
            allow_abbrev=False,
        )
        verb.add_arguments(made)
        if verb.actions:
            _add(made, "action", verb.actions)


def _parents(verb: Verb) -> list[Parser]:
    """The options that ``verb`` shares with others."""
    if verb.asks_actuator:
        return [_json(), _local("act in this process, with your own rights, without jepa-actuator")]
    return [_json(), _service()] if verb.asks_service else [_json()]


def _json() -> Parser:
    common = Parser(add_help=False)
    common.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="JSON, for programs; errors too"
    )
    return common


def _local(help_: str) -> Parser:
    common = Parser(add_help=False)
    common.add_argument("--local", action="store_true", default=argparse.SUPPRESS, help=help_)
    return common


def _service() -> Parser:
    common = Parser(add_help=False, parents=[_local("watch in this process, without jepad")])
    common.add_argument(
        "--socket",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="PATH",
        help="jepad's socket (default: $JEPA_SOCKET or /run/jepa/api.sock)",
    )
    return common
