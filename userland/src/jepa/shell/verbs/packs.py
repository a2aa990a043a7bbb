# SPDX-License-Identifier: Apache-2.0
"""`jepa packs`: which models are here, whether each is whole and fits; how one is installed, and built."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from jepa.errors import JepaError
from jepa.packs.pack import packs_here, verify_pack
from jepa.packs.places import default_pack_dir, mounted_pack
from jepa.shell.request import Request
from jepa.text import shown

if TYPE_CHECKING:
    from jepa.service.api import Client
    from jepa.updates.pack_changes import PackChanges


def run(request: Request) -> int:
    """Do what was asked; 1 when verifying finds a pack that is damaged or does not fit."""
    if request.args.action == "build":
        return build(request)
    if request.args.action in ("install", "update", "use", "remove"):
        return change(request)
    wanted: str | None = request.args.pack
    folders = [chosen(wanted)] if wanted else packs_here()
    if not folders:
        raise JepaError(
            f"There is no pack in {default_pack_dir().parent}.", "Install one, or name it in JEPA_PACK."
        )
    found = [examine(folder) for folder in folders]
    report(request, found)
    wrong = any(pack["problem"] for pack in found)
    return 1 if wrong and request.args.action == "verify" else 0


def report(request: Request, found: list[dict[str, object]]) -> None:
    """Say what was found of packs."""
    out = request.out
    if out.json:
        out.data(found)
    else:
        for pack in found:
            mark = "in use" if pack["default"] else ""
            fault = f"{pack['problem']} {pack['remedy']}".strip()
            title = f"{pack['name']} {pack['version']}" if pack["name"] else Path(str(pack["folder"])).name
            out.line(f"  {title}  {pack['kind'] or ''}  {mark}  {fault or 'verified'}")
            out.line(f"      {pack['folder']}")


def change(request: Request) -> int:
    """Install a pack, put one in use or take one away; JepaError says why not, and then all stays."""
    from jepa.packs.images import Images
    from jepa.updates.pack_changes import PackChanges

    args, out = request.args, request.out
    if os.geteuid() != 0:
        raise JepaError("Only root changes which packs are in use.", "Log in as root.", status=403)

    def jepad() -> "Client | None":
        try:
            return request.client
        except JepaError as error:
            if error.status != 503:
                raise
            return None

    changes = PackChanges(Images(), jepad)
    match args.action:
        case "update":
            return follow(request, changes)
        case "install":
            changed = changes.install(args.source)
        case "use":
            changed = changes.use(args.name, args.version)
        case _:
            changed = changes.remove(args.name, args.version)
    if out.json:
        out.data(asdict(changed))
        return 0
    removed = f"{args.name} is removed. " if args.action == "remove" else ""
    if not changed.pack:
        out.line(removed.rstrip())
    elif changed.live:
        out.line(f"{removed}{changed.pack} is in use.")
    else:
        out.line(f"{removed}{changed.pack} is in use from the next start of {_daemon(changed.kind)} on.")
    return 0


def _daemon(kind: str) -> str:
    from jepa.updates.pack_changes import NEXT_START

    return NEXT_START[kind]


def follow(request: Request, changes: "PackChanges") -> int:
    """Follow the channel of packs, and say what came of it."""
    from jepa.updates.channel import read_channel
    from jepa.updates.pack_changes import SETTINGS
    from jepa.updates.updater import run as run_command
    from jepa.updates.waves import as_address, followed

    out, root = request.out, Path("/")
    named: str | None = request.args.source or followed(root, SETTINGS, "packs")
    if named is None:
        raise JepaError(
            "No channel of packs is set.",
            f"Name one with --from, a directory or an http(s) address, or in /{SETTINGS}.",
            status=404,
        )
    done = changes.follow(read_channel(as_address(named), root, run_command))
    if out.json:
        out.data(asdict(done))
        return 0
    for left in done.left:
        instead = f" {left.instead} is in use." if left.instead else ""
        out.line(f"{left.pack} was taken back, and is removed.{instead}")
    for changed in done.taken:
        when = "" if changed.live else f" from the next start of {_daemon(changed.kind)} on"
        out.line(f"{changed.pack} is in use{when}.")
    if not (done.left or done.taken):
        out.line(f"Nothing at {named} is newer than what is here, and nothing that is here was taken back.")
    return 0


def build(request: Request) -> int:
    """Have the lab convert a checkpoint, its steps shown as it goes; JepaError with its reason."""
    args = request.args
    if any(importlib.util.find_spec(module) is None for module in ("jepa_lab", "torch", "onnx")):
        raise JepaError(
            "Building a pack takes the lab and PyTorch, which are not installed here.",
            "Build it where the source tree is, with `make venv`, and copy the directory here.",
        )
    command = [sys.executable, "-m", "jepa_lab.cli", "convert", str(args.checkpoint), "--out", str(args.out)]
    for option in ("frames", "crop", "probe", "weights", "horizon"):
        if getattr(args, option) is not None:
            command += [f"--{option}", str(getattr(args, option))]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as lab:
        assert lab.stderr is not None, "asked for"
        for line in lab.stderr:
            last = line.strip() or last
            if not request.prompt and not request.out.json and not last.startswith(_LAB):
                print(shown(last), file=sys.stderr)
    if lab.returncode:
        raise JepaError(last.removeprefix(_LAB) or "The lab ended without a word.", "")
    report(request, [examine(args.out)])
    return 0


_LAB = "jepa-lab: "
"""What the lab's one line begins with when it refuses."""


def chosen(wanted: str | None) -> Path:
    """The pack of that directory, or of that name on this machine; the one in use when None.

    Where several versions are installed, NAME_VERSION names one.
    """
    if wanted is None:
        return default_pack_dir()
    if Path(wanted).exists():
        return Path(wanted)
    named = [folder for folder in packs_here() if folder.name == wanted]
    return mounted_pack(wanted) or (named[0] if named else Path(wanted))


def examine(folder: Path) -> dict[str, object]:
    """What is known of one pack, and what is wrong with it."""
    found: dict[str, object] = {
        "folder": str(folder),
        "name": None,
        "version": None,
        "kind": None,
        "default": folder == default_pack_dir(),
        "problem": "",
        "remedy": "",
    }
    try:
        manifest = verify_pack(folder)
    except JepaError as error:
        return found | {"problem": error.problem, "remedy": error.remedy}
    return found | {"name": manifest.name, "version": manifest.version, "kind": manifest.kind}
