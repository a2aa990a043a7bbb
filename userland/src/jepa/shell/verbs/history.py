# SPDX-License-Identifier: Apache-2.0
"""`jepa history`: what was changed, by whom, why, and what came of it."""

from jepa.actions.client import HISTORY_MOST
from jepa.actions.rows import change_row
from jepa.errors import JepaError
from jepa.shell import changes
from jepa.shell.request import Request


def run(request: Request) -> int:
    """Show the newest changes, or one in full."""
    args, out = request.args, request.out
    found = request.actuator.history(HISTORY_MOST if args.change else min(args.limit, HISTORY_MOST))
    if args.change:
        found = [change for change in found if change.id == args.change]
        if not found:
            raise JepaError(f"There is no change {args.change!r}.", "`jepa history` lists them.", status=404)
    if out.json:
        out.data([change_row(change) for change in found])
    elif args.change:
        facts = changes.description(found[0])
        width = max(len(name) for name, _ in facts)
        for name, value in facts:
            out.line(f"  {name:<{width}}  {value}")
    elif found:
        rows = [changes.table_row(change) for change in found]
        kept = [n for n in range(len(changes.HEAD)) if any(row[n] for row in rows)]
        out.table([[row[n] for n in kept] for row in (changes.HEAD, *rows)])
    else:
        out.line("Nothing has been changed.")
    return 0
