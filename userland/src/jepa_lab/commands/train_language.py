# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab train-language`: train the language pack's changes and heads, judge them, write the pack."""

import argparse
from pathlib import Path

from jepa_lab.commands.defaults import VERSION_HELP, version_in

HELP = "judge the language pack on writers that it was not trained on, train it on all, and write it"
FURTHER_RATE = 5e-4
"""Of the low-rank changes at first, where a pack is trained on."""
KEPT = Path("build/language")
"""Where training goes on from when it was ended."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--version", help=VERSION_HELP)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--further",
        type=int,
        metavar="EPOCHS",
        help="train a pack on, with the newest persons twice an epoch",
    )
    parser.add_argument(
        "--start", type=Path, help="the pack to go on from, in place of the one to be written"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    import datetime
    import json

    from jepa.packs.language import Carrier, Heads
    from jepa_lab.files import write_manifest
    from jepa_lab.language import carrier
    from jepa_lab.language.development import develop, go_on
    from jepa_lab.language.pack import PACK, keep_trained, manifest_of, write
    from jepa_lab.language.shape import NEGATED, REFUSED, RESOURCES, TAGS
    from jepa_lab.language.training import Recipe

    if arguments.further is None:
        developed = develop(Recipe(seed=arguments.seed), kept=KEPT)
    else:
        recipe = Recipe(epochs=arguments.further, rate=FURTHER_RATE, seed=arguments.seed)
        developed = go_on(recipe, arguments.start or PACK, kept=KEPT)
    results = PACK / "results/development.json"
    results.parent.mkdir(exist_ok=True)
    results.write_text(json.dumps(developed.rows, indent=1) + "\n", encoding="utf-8")
    points = ",\n ".join(json.dumps(each) for each in developed.curve)
    results.with_name("curve.json").write_text(f"[{points}]\n", encoding="utf-8")
    version = arguments.version or version_in(PACK)
    keep_trained(PACK, developed.arrays)
    provenance = Carrier(
        package=carrier.PACKAGE,
        version=carrier.VERSION,
        sha256=carrier.WEIGHTS_SHA256,
        trained=datetime.datetime.now(datetime.UTC).date().isoformat(),
        data=developed.data,
        seed=arguments.seed,
        parameters=sum(array.size for array in developed.arrays.values()),
    )
    heads = Heads(
        intents=developed.intents, refused=REFUSED, negated=NEGATED, resources=RESOURCES, tags=TAGS
    )
    manifest = manifest_of(version, write(PACK), heads, developed.thresholds, developed.gate, provenance)
    write_manifest(PACK, manifest, "jepa-lab train-language")
