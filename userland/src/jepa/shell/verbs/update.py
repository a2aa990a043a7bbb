# SPDX-License-Identifier: Apache-2.0
"""`jepa update`: the versions of the system here; look for a newer one, put it in place, or go back."""

import os
from dataclasses import asdict
from pathlib import Path

from jepa.errors import JepaError
from jepa.shell.output import Output
from jepa.shell.request import Request
from jepa.updates.updater import Updater, source
from jepa.updates.versions import PREFIX, kept_settings, order, slots, tell, versions

_ROOT = Path("/")


def run(request: Request) -> int:
    """Show the versions, or do what was asked."""
    args, out = request.args, request.out
    found = versions(_ROOT)
    if found is None:
        raise JepaError("This system is no image of JEPA OS.", "Its own tools update it.", status=404)
    if args.named is not None and args.what != "apply":
        raise JepaError("A version is named to apply it.", "Say: jepa update apply VERSION", status=422)
    if args.what is None:
        if out.json:
            out.data(asdict(found) | {"etc": kept_settings(_ROOT)})
        else:
            for line in (tell(found), *kept_settings(_ROOT)):
                out.line(line)
        return 0
    if os.geteuid() != 0:
        raise JepaError("Only root changes the system's version.", "Log in as root.", status=403)
    updater = Updater(_ROOT)
    if args.what == "rollback":
        version = updater.back()
        _answer(out, {"next": version}, f"{version} starts with the next boot instead of {found.running}.")
        return 0
    address = source(_ROOT, args.source)
    wanted = args.named or updater.newer(address)
    if wanted is None and updater.withdrawn(address):
        return _leave(updater, out, found.running, args.what)
    if wanted is None:
        _answer(out, {"available": None}, _nothing(updater.offered(address), address, found.running))
    elif args.what == "check":
        said = f"{wanted} is there. `jepa update apply` puts it in place beside {found.running}."
        _answer(out, {"available": wanted}, said)
    else:
        if not out.json:
            out.line(
                f"Putting {wanted} in place from {address}. This takes minutes; {found.running} runs on."
            )
            out.flush()
        updater.apply(address, wanted)
        said = f"{wanted} starts with the next boot. If it does not work, {found.running} comes back."
        _answer(out, {"next": wanted}, said)
    return 0


def _leave(updater: Updater, out: Output, running: str, what: str) -> int:
    """The version that runs was taken back, and no newer one is there."""
    if what == "check":
        _answer(
            out,
            {"available": None, "withdrawn": running},
            f"{running}, which runs, was taken back. `jepa update apply` goes back to the one before.",
        )
    else:
        version = updater.back(withdrawn=True)
        _answer(
            out,
            {"next": version, "withdrawn": running},
            f"{running} was taken back: {version} starts with the next boot instead.",
        )
    return 0


def _nothing(offered: list[str], address: str, running: str) -> str:
    """Why nothing at ``address`` is put in place unasked; ``offered`` are the versions there and here."""
    here = {name.removeprefix(PREFIX) for name in slots(_ROOT) if name.startswith(PREFIX)}
    others = [version for version in offered if version not in here]
    if not others:
        return f"Nothing at {address} is for this machine and newer than what is here."
    newest = others[-1]
    age = "older than" if order(newest) < order(running) else "no newer than what lies beside"
    return (
        f"Nothing at {address} is newer than what is here. {newest} is {age} {running}, perhaps with faults"
        f" that are known since: only `jepa update apply {newest}` puts it in place."
    )


def _answer(out: Output, data: dict[str, str | None], said: str) -> None:
    if out.json:
        out.data(data)
    else:
        out.line(said)
