# SPDX-License-Identifier: Apache-2.0
"""Measure whether `jepa explain` names the unit behind a planted fault first, and nobody without one.

`python -m tests.bench.explain` writes build/bench/explain.json. One machine of one CPU in virtual time is
restored for each scene, in which the question is asked once; nobody asks the machine anything meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from jepa_lab.branches.plan import Shape
from tests.bench.explain_scenes import SCENES, Scene, Verdict, scene_named, verdict
from tests.bench.virtual import boot, give
from tools.laboratory import make_work_disk
from tools.vm.image import BUILD
from tools.vm.machine import Machine, MachineError

DIRECTORY: Final = BUILD / "bench/explain"
FOLDER: Final = "/run/explain"
GUEST: Final = "explain_guest.py"
SHAPE: Final = Shape("explain", memory_mib=1024, operations_per_s=400, instruction_ns=2)
"""500 million instructions a second."""
USUAL_S: Final = 180
"""How long the machine does what it usually does before a fault: the band of each channel comes from it."""
SMALL: Final = (
    "mkdir -p /mnt/small && truncate -s 64M /var/small.img && mkfs.ext4 -q -m 0 /var/small.img "
    "&& mount -o loop /var/small.img /mnt/small"
)
"""A file system that is soon full."""
_LIMIT_S: Final = 180.0


def ready(*, sources: bool) -> Machine:
    """A machine in virtual time that has done its usual work for a while, kept as a snapshot."""
    machine = boot(SHAPE, DIRECTORY, sources=sources)
    give(machine, f"{FOLDER}/{GUEST}", Path(__file__).with_name(GUEST).read_text())
    machine.succeed(make_work_disk(SHAPE), 60)
    machine.succeed(SMALL, 60)
    machine.succeed(f"systemd-run --quiet --unit=usual python3 {FOLDER}/{GUEST} usual")
    machine.succeed("jepa explain --json", 120)  # so that its files are in memory, as where it is in use
    machine.succeed(f"sleep {USUAL_S}", 8 * USUAL_S)
    machine.snapshot("usual")
    return machine


def play(machine: Machine, scene: Scene) -> dict[str, Any]:
    """The explanation of ``scene``, and the seconds that it took in the machine. MachineError."""
    machine.restore("usual")
    give(machine, f"{FOLDER}/scene.json", json.dumps(asdict(scene)))
    machine.succeed(
        "systemd-run --quiet --unit=scene -p OOMScoreAdjust=-900 -p CPUWeight=1000 -p MemoryMin=96M "
        f"python3 {FOLDER}/{GUEST} scene {FOLDER}"
    )
    machine.wait_for_stop(_LIMIT_S)
    machine.resume()
    result: dict[str, Any] = json.loads(machine.copy_from(f"{FOLDER}/found.json"))
    if not result["said"]:
        raise MachineError(f"{scene.name}: {result['errors']}")
    return {"found": json.loads(result["said"]), "took_s": result["took_s"]}


def entries(verdicts: dict[str, Verdict], took_s: Sequence[float]) -> list[dict[str, Any]]:
    """The figures, as every benchmark has them."""
    planted = [name for name in verdicts if scene_named(name).kinds]
    controls = [name for name in verdicts if not scene_named(name).kinds]
    rows = []
    for name, group, of, better in (
        ("explain_found_first", planted, "right", "higher"),
        ("explain_wrong_accusations", planted, "wrong", "lower"),
        ("explain_wrong_accusations_in_controls", controls, "wrong", "lower"),
    ):
        rows.append(
            {
                "name": name, "value": sum(verdicts[each] == of for each in group), "unit": "scene",
                "better": better, "n": len(group), "p50": None, "p99": None, "baseline": None, "ratio": None,
                "scenes": {each: verdicts[each] for each in group},
            }
        )  # fmt: skip
    ordered = sorted(took_s)
    rows.append(
        {
            "name": "explain_answer_time", "value": ordered[len(ordered) // 2], "unit": "s",
            "better": "lower", "n": len(ordered), "p50": ordered[len(ordered) // 2], "p99": ordered[-1],
            "baseline": None, "ratio": None,
        }
    )  # fmt: skip
    return rows


def table(played: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A row a scene: who was to be named, and what was said first."""
    rows = []
    for name, each in played.items():
        scene = scene_named(name)
        first = next(iter(each["found"]["causes"]), None)
        said = "nothing stands out" if first is None else first["kind"].replace("_", " ")
        named = ", ".join(offender["name"] for offender in first["offenders"]) if first else ""
        rows.append(
            [
                name,
                scene.culprit or ("the disk itself" if scene.kinds else "nobody"),
                f"{said}: {named}" if named else said,
                verdict(scene, each["found"]),
            ]
        )
    return {"columns": ["scene", "true", "said first", "verdict"], "rows": rows}


def kept(scene: Scene) -> Path:
    """Where the outcome of a scene is kept."""
    return DIRECTORY / f"{scene.name.replace(' ', '-')}.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Play the scenes that are asked for, and write the figures of all there are."""
    names = [scene.name for scene in SCENES]
    parser = argparse.ArgumentParser(prog="tests.bench.explain", description=__doc__)
    parser.add_argument("--scenes", nargs="*", choices=names, default=names)
    parser.add_argument("--sources", action="store_true", help="with this tree's sources over the image's")
    args = parser.parse_args(argv)
    machine = ready(sources=args.sources)
    try:
        for name in args.scenes:
            scene, begin = scene_named(name), time.monotonic()
            try:
                played = play(machine, scene)
            except MachineError as error:
                print(f"{name}: {error}", flush=True)
                continue
            kept(scene).write_text(json.dumps(played) + "\n")
            said = [
                f"{cause['kind']} {[each['name'] for each in cause['offenders']]}"
                for cause in played["found"]["causes"]
            ]
            machine.say(
                f"{name}: {verdict(scene, played['found'])}; {'; '.join(said) or 'nothing stands out'}; "
                f"answered after {played['took_s']:.1f} s; {time.monotonic() - begin:.0f} s of this host"
            )
    finally:
        machine.crash()
    played = {scene.name: json.loads(kept(scene).read_text()) for scene in SCENES if kept(scene).exists()}
    verdicts = {name: verdict(scene_named(name), each["found"]) for name, each in played.items()}
    if verdicts:
        rows = entries(verdicts, [each["took_s"] for each in played.values()])
        for file, content in (("explain.json", rows), ("explain-scenes.json", table(played))):
            (BUILD / "bench" / file).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        print(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
