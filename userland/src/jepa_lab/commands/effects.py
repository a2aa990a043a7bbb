# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab effects`: fit how far imagined effects can be trusted, and put that into the pack."""

import argparse
from pathlib import Path

from jepa_lab.commands.defaults import PACK, RECORDED

HELP = "fit how far imagined effects can be trusted, and put that into the pack"
FILE = "effects.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--pack", type=Path, default=PACK)
    parser.add_argument("--recorded", type=Path, default=RECORDED, help="what the pack was trained on")
    parser.add_argument("--branches", type=Path, default=RECORDED / "branches", help="moments with actions")


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    import hashlib
    import json

    from jepa.evaluation.effect_errors import known_effects
    from jepa.packs.machine import EffectsFile
    from jepa.packs.pack import load_pack
    from jepa.telemetry.recording import load_recording
    from jepa_lab.branches.trials import experiments_in, trials_in
    from jepa_lab.data import find_recordings
    from jepa_lab.files import write_manifest

    pack = load_pack(arguments.pack)
    experiments = experiments_in(arguments.pack / "heldout", pack)
    trained = find_recordings(arguments.recorded, "train")
    tried = [recording for folder in trained if (recording := load_recording(folder, pack.schema)).actions]
    branches = trials_in(arguments.branches, len(experiments), pack)
    effects = known_effects(experiments, tried, pack, branches)
    content = json.dumps(effects.model_dump(mode="json"), indent=1) + "\n"
    (arguments.pack / FILE).write_text(content, encoding="utf-8")
    entry = EffectsFile(file=FILE, sha256=hashlib.sha256(content.encode()).hexdigest())
    write_manifest(
        arguments.pack,
        pack.manifest.model_copy(update={"effects": entry}),
        "jepa-lab train` and `jepa-lab effects",
    )
    for name, setting in effects.settings.items():
        known = f"{len(setting.up)} channels up, {len(setting.down)} down"
        print(f"{name:24} {setting.low:+.2f}..{setting.high:+.2f}  {known}")
    print(f"of {effects.windows} effects of sessions left out {effects.lower_90} reach the lower end,")
    print(f"{effects.coverage_90} lie within the 90 % interval")
