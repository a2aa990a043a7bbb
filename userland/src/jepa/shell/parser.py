# SPDX-License-Identifier: Apache-2.0
"""Parses the command line: global options, verbs, their actions. Imports nothing that takes time."""

import argparse
from collections.abc import Sequence

from jepa.shell.arguments import NAMES, verb, verbs
from jepa.shell.usage import Parser, UsageError, Verb, path


def build_parser(only: str | None = None) -> Parser:
    """The parser of the whole command line, or of that part of it that the verb ``only`` is."""
    parser = Parser(
        prog="jepa",
        description="Watch this machine, see what it will do next. Without a verb: the shell.",
        epilog="Exit status: 0 done, 1 refused or failed, 2 usage error. Examples: jepa VERB --help.",
        allow_abbrev=False,
    )
    _add_json(parser)
    _add_service(parser)
    parser.add_argument("--version", action="store_true", dest="own_version", help="print the version")
    parser.add_argument(
        "--plain", action="store_true", default=None, help="the shell in plain lines, not full screen"
    )
    # The parser of one verb is made in a tenth of the time that all of them take.
    _add(parser, "verb", verbs() if only is None else [verb(only)])
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line; UsageError or HelpWanted instead of an exit."""
    word = first_word(argv)
    if word is not None and word not in NAMES:
        import difflib  # takes longer than all else here, and only errors need it

        near = difflib.get_close_matches(word, NAMES, n=2)
        remedy = f"Did you mean {' or '.join(near)}?" if near else f"The verbs are {', '.join(NAMES)}."
        raise UsageError(f"There is no verb {word!r}.", remedy, status=400)
    own, command = split_command(argv)
    # Where nothing is said nothing is read, so any one verb does.
    args, unknown = build_parser(word if argv else NAMES[0]).parse_known_args(own)
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
    chosen = verb(args.verb)
    if args.plain:
        raise UsageError("--plain is for the shell.", f"Use `jepa {args.verb}` without it.")
    if "local" in args and not (chosen.asks_service or chosen.asks_actuator):
        raise UsageError(f"{chosen.name} asks no daemon, so --local means nothing.", "Leave it out.")
    if getattr(args, "socket", None) is not None and not chosen.asks_service and chosen.name != "serve":
        raise UsageError(f"{chosen.name} asks no daemon, so --socket means nothing.", "Leave it out.")


def _add(parser: Parser, dest: str, below: Sequence[Verb]) -> None:
    """Add the verbs ``below`` the parser; the name of the one chosen is ``dest`` of the result."""
    choices = parser.add_subparsers(
        dest=dest,
        metavar=dest.upper(),
        required=dest == "action",
        parser_class=Parser,
        prog=parser.prog,  # else argparse formats a usage to get it, and imports what that takes
    )
    for each in below:
        made = choices.add_parser(
            each.name,
            help=each.help,
            description=f"{each.help[0].upper()}{each.help[1:]}.",
            epilog="examples:\n" + "\n".join(f"  {example}" for example in each.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        _add_json(made)
        if each.asks_actuator:
            _add_local(made, "act in this process, with your own rights, without jepa-actuator")
        elif each.asks_service:
            _add_service(made)
        each.add_arguments(made)
        if each.actions:
            _add(made, "action", each.actions)


def _add_json(parser: Parser) -> None:
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="JSON, for programs; errors too"
    )


def _add_local(parser: Parser, help_: str) -> None:
    parser.add_argument("--local", action="store_true", default=argparse.SUPPRESS, help=help_)


def _add_service(parser: Parser) -> None:
    _add_local(parser, "watch in this process, without jepad")
    parser.add_argument(
        "--socket",
        type=path,
        default=argparse.SUPPRESS,
        metavar="PATH",
        help="jepad's socket (default: $JEPA_SOCKET or /run/jepa/api.sock)",
    )
