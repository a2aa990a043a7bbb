# SPDX-License-Identifier: Apache-2.0
"""Write the manual pages of the command line, jepa(1) and one a verb, from what its parser knows.

    python -m tools.man_pages DIRECTORY      DIRECTORY/man1/jepa.1, jepa-act.1, …; `make man` uses build/man

Read them with `man -l FILE`, or `man -M DIRECTORY jepa-act`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from argparse_manpage.manpage import Manpage

from jepa import __version__
from jepa.shell import arguments
from jepa.shell.parser import build_parser
from jepa.shell.usage import Parser, Verb

EXIT_STATUS = """\
.TP
0
done
.TP
1
refused or failed
.TP
2
usage error"""


def pages() -> dict[str, str]:
    """The text of each page by the name of its file."""
    parser = build_parser()
    (verbs,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    choices = cast("dict[str, Parser]", verbs.choices)
    found = {f"jepa-{verb.name}.1": _of_verb(verb, choices[verb.name]) for verb in arguments.verbs()}
    choices.clear()  # each has a page of its own
    page = _page(parser, "jepa", "watch this machine, see what it will do next")
    page.add_section("EXIT STATUS", "=", EXIT_STATUS)
    page.add_section("SEE ALSO", "=", ",\n".join(f".BR jepa-{name} (1)" for name in arguments.NAMES))
    return {"jepa.1": str(page), **found}


def _of_verb(verb: Verb, parser: Parser) -> str:
    page = _page(parser, f"jepa-{verb.name}", verb.help)
    examples = "\n".join(_literal(example) for example in verb.examples)
    page.add_section("EXAMPLES", "=", f".nf\n{examples}\n.fi")
    page.add_section("EXIT STATUS", "=", EXIT_STATUS)
    page.add_section("SEE ALSO", "=", ".BR jepa (1)")
    return str(page)


def _page(parser: Parser, name: str, summary: str) -> Manpage:
    parser.epilog = None  # the examples, which have a section of their own
    data = {"project_name": "JEPA OS", "version": __version__, "manual_title": "JEPA OS"}
    page = Manpage(parser, _data={**data, "description": summary})
    page.prog = name
    return page


def _literal(text: str) -> str:
    """A line that roff shows as it is."""
    return "\\&" + text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages."""
    parser = argparse.ArgumentParser(prog="tools.man_pages", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIRECTORY")
    folder: Path = parser.parse_args(argv).directory / "man1"
    folder.mkdir(parents=True, exist_ok=True)
    written = pages()
    for name, text in written.items():
        (folder / name).write_text(text)
    print(f"{len(written)} pages in {folder}; read one with: man -l {folder}/jepa.1")
    return 0


if __name__ == "__main__":
    sys.exit(main())
