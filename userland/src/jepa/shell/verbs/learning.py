# SPDX-License-Identifier: Apache-2.0
"""`jepa learning`: what this machine's own changes taught of the effects of settings, and its end."""

from collections.abc import Mapping
from typing import Any, Final

from jepa.shell.request import Request

HEAD: Final = ("setting", "channel", "window", "seen", "the pack says", "here", "ahead", "used")


def run(request: Request) -> int:
    """Show it, or forget it first."""
    args, out = request.args, request.out
    found = request.client.forget_learned() if args.action == "reset" else request.client.learning()
    if out.json:
        out.data(found)
    elif not found["effects"]:
        out.line(f"Nothing was learned yet with {found['pack']}: tasks that change one setting teach it.")
    else:
        out.table([HEAD, *map(_row, found["effects"])])
        out.line(f"Plans use {found['used']} of {len(found['effects'])}: those that predicted better here.")
    return 0


def _row(effect: Mapping[str, Any]) -> tuple[str, ...]:
    ahead = f"{effect['ahead']:+.0%}" if effect["scored"] else "-"
    return (
        f"{effect['setting']} {effect['direction']}",
        effect["channel"],
        f"{effect['horizon_s']} s",
        str(effect["outcomes"]),
        _size(effect["before"]),
        _size(effect["after"]),
        ahead,
        "yes" if effect["used"] else "no",
    )


def _size(size: Mapping[str, float]) -> str:
    return f"{size['size']:.2f} +- {size['spread']:.2f}"
