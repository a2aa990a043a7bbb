# SPDX-License-Identifier: Apache-2.0
"""Measure what jepad costs the machine of `make bench-control`, part by part: in virtual time, exactly.

`python -m tests.bench.control_cost [--beside TREE]` writes build/bench/control-cost.json: milliseconds of
that CPU, which does 500 million instructions a second, with this tree's package, and beside it with that of
another checkout. Both have to give the same answers to the byte.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from jepa.packs.pack import load_pack
from jepa.packs.places import default_pack_dir
from jepa.telemetry.recording import load_recording
from tests.bench.control import SHAPE
from tests.bench.virtual import boot, give
from tools.vm.image import BUILD, ROOT
from tools.vm.machine import Machine
from tools.vm.sources import bundle, feed

RECORDING: Final = "heldout/h01-shop"
FOLDER: Final = "/run/cost"
OURS: Final = "jepad.service jepa-telemetry.service jepa-actuator.socket jepa-actuator.service"


def ask(machine: Machine, trees: Sequence[Path]) -> list[dict[str, Any]]:
    """What the package of each tree takes in ``machine``, whose own daemons are stopped."""
    machine.execute(f"systemctl stop {OURS}")
    pack = load_pack(default_pack_dir())
    archive = io.BytesIO()
    np.savez_compressed(archive, values=load_recording(pack.folder / RECORDING, pack.schema).values)
    give(machine, f"{FOLDER}/frames", base64.encodebytes(archive.getvalue()).decode())
    machine.succeed(f"base64 -d {FOLDER}/frames > {FOLDER}/frames.npz")
    guest = Path(__file__).with_name("control_cost_guest.py")
    give(machine, f"{FOLDER}/{guest.name}", guest.read_text())
    found = []
    for number, tree in enumerate(trees):
        library = f"{FOLDER}/{number}"
        feed(machine, bundle(tree), f"set -e; mkdir {library}; tar -x --gzip -C {library}")
        said = machine.succeed(
            f"python3 {FOLDER}/{guest.name} {library}/usr/lib/jepa {FOLDER}/frames.npz", 600
        )
        found.append(json.loads(said))
    return found


def table(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A row a part, the dearest first. ValueError when answers differ."""
    if len({each["answers"] for each in found}) > 1:
        raise ValueError("the packages do not give the same answers")
    names = sorted(found[0]["ms"], key=lambda part: -found[0]["ms"][part])
    columns = ["part", "ms", "ms before"][: 1 + len(found)]
    return {
        "columns": columns,
        "rows": [[name, *(round(each["ms"][name], 2) for each in found)] for name in names],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="tests.bench.control_cost", description=__doc__)
    parser.add_argument("--beside", type=Path, help="another checkout of this repository")
    args = parser.parse_args(argv)
    machine = boot(SHAPE, BUILD / "bench/control-cost", sources=False)
    try:
        found = ask(machine, [ROOT, *([args.beside] if args.beside else [])])
    finally:
        machine.crash()
    out = BUILD / "bench/control-cost.json"
    out.write_text(json.dumps(table(found), indent=1) + "\n")
    print(out.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
