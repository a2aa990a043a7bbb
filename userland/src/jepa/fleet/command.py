# SPDX-License-Identifier: Apache-2.0
"""`jepa-upload`: one run of the uploader, as jepa-upload.timer starts it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from jepa.errors import JepaError
from jepa.fleet.keys import MACHINE_FILE, read_fleet_key
from jepa.fleet.parts import complete_interrupted
from jepa.fleet.settings import FILE, KEY_FILE, read_settings
from jepa.fleet.spool import Spool
from jepa.fleet.store import Store
from jepa.fleet.upload import Report, Uploader
from jepa.telemetry.schema import load_schema
from jepa.text import shown


def main(argv: Sequence[str] | None = None) -> int:
    """Send once; 0 when all that is finished was sent, 1 when something is left or was refused."""
    parser = argparse.ArgumentParser(
        prog="jepa-upload", description="Send finished recordings to the owner's store."
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `jepa record DIR --every 1h` writes")
    parser.add_argument("--settings", type=Path, default=FILE, metavar="FILE")
    words = parser.parse_args(argv)
    try:
        settings = read_settings(words.settings)
        key = read_fleet_key(_key_file())
        spool = Spool(words.folder)
        store = Store(settings.store)
        schema = load_schema()
        complete_interrupted(spool, schema)
        report = Uploader(spool, store, key, schema, settings.kib_per_s * 1024).run()
    except JepaError as error:
        print(f"jepa-upload: {shown(str(error))}", file=sys.stderr)
        return 1
    print(shown(told(report)))
    for why in report.refused:
        print(f"jepa-upload: put aside: {shown(why)}", file=sys.stderr)
    return 1 if report.fault or report.refused else 0


def told(report: Report) -> str:
    """One line that says what came of a run."""
    line = f"{len(report.sent)} parts sent, {report.sent_bytes / 2**20:.1f} MiB; {report.waiting} wait"
    if report.lost:
        line += f"; {report.lost} were dropped so far for want of room"
    if report.refused:
        line += f"; {len(report.refused)} put aside"
    return f"{line}. {report.fault}" if report.fault else f"{line}."


def _key_file() -> Path:
    """What systemd hands over (LoadCredential=), else the file of /etc."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(credentials) / MACHINE_FILE if credentials else KEY_FILE
