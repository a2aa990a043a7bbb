# SPDX-License-Identifier: Apache-2.0
"""`jepa-install`: puts the system that runs onto another disk, once that disk's name was typed twice."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from jepa.errors import JepaError
from jepa.text import shown
from jepa.updates.disks import Disk, disks
from jepa.updates.installer import Installer, chosen

CREDENTIAL: Final = "jepa.install.disk"
"""Names the disk where no person is there to ask."""
Ask = Callable[[str], str]


def main(argv: Sequence[str] | None = None) -> int:
    """List the disks, or install on one; 1 with one sentence when that is refused or fails."""
    parser = argparse.ArgumentParser(
        prog="jepa-install",
        description="Install the system that runs on another disk. Everything on that disk is lost.",
        epilog=f"Without a person: the credential {CREDENTIAL} names the disk (docs/how-to/install.md).",
    )
    parser.add_argument(
        "disk", nargs="?", metavar="DISK", help="such as sda or nvme0n1; list them when none is given"
    )
    parser.add_argument(
        "--unattended", action="store_true", help=f"take the disk from {CREDENTIAL}, and ask nobody"
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    args = parser.parse_args(argv)
    try:
        return _run(args.disk, args.unattended, args.json)
    except JepaError as error:
        if args.json:
            print(json.dumps({"problem": error.problem, "remedy": error.remedy}))
        print(f"jepa-install: {error}", file=sys.stderr)
        return 1


def _run(name: str | None, unattended: bool, as_json: bool) -> int:
    if unattended:
        name = from_credential(os.environ)
    if name is None:
        here = disks()
        print(json.dumps([asdict(disk) for disk in here]) if as_json else listing(here))
        return 0
    if os.geteuid() != 0:
        raise JepaError("Only root installs the system.", "Log in as root.", status=403)
    disk = chosen(name)
    installer = Installer(lambda line: print(line, file=sys.stderr, flush=True))
    source = installer.source()
    if not unattended:
        consent(disk, source.version, _asked)
    installer.install(disk, source)
    if as_json:
        print(json.dumps({"disk": disk.name, "version": source.version}))
    else:
        print(
            f"JEPA OS {source.version} is on {disk.name}. Switch this machine off and take away what it was "
            "started from, before it starts from there."
        )
    return 0


def consent(disk: Disk, version: str, ask: Ask) -> None:
    """JepaError unless the disk's name is typed twice."""
    what = f"{disk.size / 1e9:.1f} GB{f', {disk.model}' if disk.model else ''}, {disk.partitions} partitions"
    first = ask(
        f"JEPA OS {version} will be written over the whole disk {disk.name} ({shown(what)}).\n"
        f"Type the name of the disk to go on: "
    )
    second = (
        ask(f"All that is on {disk.name} will be lost. Type its name once more: ")
        if first == disk.name
        else ""
    )
    if second != disk.name:
        raise JepaError("Nothing was written.", f"The name to type is {disk.name}, twice.", status=409)


def from_credential(environment: "os._Environ[str] | dict[str, str]") -> str:
    """The disk that the credential names; JepaError without one."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    file = Path(folder) / CREDENTIAL if folder else None
    if file is None or not file.is_file():
        raise JepaError(
            f"No credential {CREDENTIAL} is there.", "Name the disk on the command line.", status=404
        )
    return file.read_text().strip()


def listing(here: Sequence[Disk]) -> str:
    """The disks for a person, each with why it cannot be taken."""
    lines = []
    for disk in here:
        try:
            chosen(disk.name)
            mark = ""
        except JepaError as error:
            mark = error.problem
        lines.append(f"  {disk.name:10} {disk.size / 1e9:8.1f} GB  {shown(disk.model):24}  {mark}".rstrip())
    return "\n".join(lines) or "There is no disk here."


def _asked(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
