# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab fleet`: its keys, what its store holds, its recordings judged on many machines, its releases."""

import argparse
import json
import sys
import time
from pathlib import Path

from jepa_lab.commands import fleet_training
from jepa_lab.commands.defaults import PACK
from jepa_lab.fleet import wave_commands

HELP = "make the keys of a fleet, see what its machines have sent, and release to them in waves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the commands below this one, and their options."""
    group = parser.add_subparsers(required=True, metavar="COMMAND")
    keys = group.add_parser("keys", help="make the keys of a new fleet")
    keys.add_argument("folder", type=Path, metavar="DIR", help="where to, for the owner alone")
    keys.set_defaults(fleet=_keys)
    listing = group.add_parser("ls", help="machines, hours, shapes, gaps, and what is unlike the rest")
    _store(listing)
    listing.add_argument("--check", action="store_true", help="also read every file and compare its sum")
    listing.add_argument("--json", action="store_true", help="print JSON instead of a table")
    listing.set_defaults(fleet=_list)
    names = group.add_parser("names", help="the names that pseudonyms stand for, as JSON")
    _store(names)
    names.set_defaults(fleet=_names)
    judging = group.add_parser("evaluate", help="judge a pack on all recordings, on a Ray cluster")
    _store(judging)
    judging.add_argument(
        "--address", help="of the cluster, as HOST:PORT (default: one on this machine alone)"
    )
    judging.add_argument("--pack", type=Path, default=PACK)
    judging.add_argument("--out", type=Path, help="a JSON file to write the figures to")
    judging.add_argument("--json", action="store_true", help="print JSON instead of a table")
    judging.set_defaults(fleet=_evaluate)
    wave_commands.add_to(group)
    fleet_training.add_to(group, _store)


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    arguments.fleet(arguments)


def _store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help="file:///DIR or s3://BUCKET/PREFIX")
    parser.add_argument(
        "--key", type=Path, default=Path("owner.key"), help="the owner's key (default: owner.key)"
    )


def _keys(arguments: argparse.Namespace) -> None:
    from jepa.fleet.keys import MACHINE_FILE, OWNER_FILE, make_keys

    make_keys(arguments.folder)
    print(f"{arguments.folder / OWNER_FILE} stays with you: it opens the names of all machines.")
    print(f"{arguments.folder / MACHINE_FILE} goes to each machine, as /etc/jepa/{MACHINE_FILE}, mode 600.")


def _list(arguments: argparse.Namespace) -> None:
    from jepa.fleet.keys import read_owner_key
    from jepa.fleet.store import Store
    from jepa.telemetry.schema import load_schema
    from jepa_lab.fleet.overview import to_json, to_text
    from jepa_lab.fleet.survey import survey

    schema = load_schema()
    found = survey(
        Store(arguments.store), read_owner_key(arguments.key), schema, time.time_ns(), check=arguments.check
    )
    print(json.dumps(to_json(found, schema), indent=1) if arguments.json else to_text(found, schema))


def _names(arguments: argparse.Namespace) -> None:
    from jepa.fleet.keys import read_owner_key
    from jepa.fleet.store import Store
    from jepa.telemetry.schema import load_schema
    from jepa_lab.fleet.survey import survey

    found = survey(Store(arguments.store), read_owner_key(arguments.key), load_schema(), time.time_ns())
    print(json.dumps({host.host: dict(host.names) for host in found.hosts}, indent=1, sort_keys=True))


def _evaluate(arguments: argparse.Namespace) -> None:
    from jepa.evaluation.report import rounded_text
    from jepa.fleet.keys import read_owner_key
    from jepa.fleet.store import Store
    from jepa.packs.pack import load_pack
    from jepa.telemetry.schema import load_schema
    from jepa.text import shown
    from jepa_lab.fleet.cluster import cluster
    from jepa_lab.fleet.evaluate import evaluate_fleet
    from jepa_lab.fleet.survey import survey

    pack = load_pack(arguments.pack)
    found = survey(Store(arguments.store), read_owner_key(arguments.key), load_schema(), time.time_ns())
    with cluster(arguments.address):
        judged = evaluate_fleet(arguments.store, found.hosts, pack)
    for problem in (*found.problems, *judged.problems):
        print(f"left out or doubtful: {shown(problem.place)}: {shown(problem.what)}", file=sys.stderr)
    print(f"{judged.hosts} machines", file=sys.stderr)
    content = rounded_text(judged.to_json())
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(content, encoding="utf-8")
    print(content if arguments.json else judged.to_text())
