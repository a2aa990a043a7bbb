# SPDX-License-Identifier: Apache-2.0
"""How often the parser finds what sentences mean, on the part of the corpus that nothing was made with.

Beside the parser with the encoder: the templates alone, and, in rows of their own, what it would be if every
act that the encoder reads were asked back.
Times are those of one core, the grammar and the graph read before.

Usage: python -m tests.bench.language [--part dev | --persons FOLDER] [--pack FOLDER] [--errors]
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from jepa.language.encoder import PackedEncoder, installed_encoder
from jepa.language.inventory import Nothing
from jepa.language.parser import parse
from jepa_lab.language.corpus import NOW, PARTS, sentences, sentences_in
from jepa_lab.language.judging import Answer, answers, by_kind, measure, row

ROOT: Final = Path(__file__).resolve().parents[3]
OUT: Final = ROOT / "build/bench/language.json"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default="test", choices=PARTS)
    parser.add_argument("--persons", type=Path, help="a folder of persons, in place of a part")
    parser.add_argument("--pack", type=Path, help="a language pack, in place of the installed one")
    parser.add_argument("--errors", action="store_true", help="print what was wrong, a line a template")
    args = parser.parse_args()
    corpus = sentences(args.part) if args.persons is None else sentences_in(args.persons)
    if not corpus:
        parser.exit(1, f"{args.persons or f'The part {args.part} of the corpus'} has no sentences.\n")
    encoder = installed_encoder() if args.pack is None else PackedEncoder.load(args.pack)
    if encoder is None:
        parser.exit(1, "There is no language pack; make it with `make packs-language`.\n")
    before = _rss_mib()
    with_encoder: Callable[[str], dict[str, Any]] = partial(
        parse, inventory=Nothing(), encoder=encoder, now=NOW
    )
    parse("warm up")
    templates_mib = _rss_mib() - before
    given = answers(corpus, partial(parse, now=NOW))
    rows = [row("language_rss_mib", round(templates_mib, 2), "MiB", "lower", 1)]
    alone = measure(given)
    before = _rss_mib()
    with_encoder("the numbers please of what the thing is up to")
    rows.append(row("language_encoder_rss_mib", round(_rss_mib() - before, 2), "MiB", "lower", 1))
    given = answers(corpus, with_encoder)
    found = measure(given)
    rows = [*(_beside(own, other) for own, other in zip(found, alone, strict=True)), *rows]
    rows += _asking_back(given)
    heard = [each.ms for each in given if each.spec["tier"] == "encoder"]
    rows.append(_times("language_encoder_sentence_ms", heard))
    for each in rows:
        spread = f" [{each['lower']}, {each['upper']}]" if "lower" in each else ""
        print(f"{each['name']:40} {each['value']} {each['unit']}{spread}  n={each['n']}")
    for kind, told in by_kind(given).items():
        print(f"  {kind:12} {told}")
    if args.errors:
        _print_errors(given)
    if args.part == "test" and args.persons is None:
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(rows, indent=1) + "\n")


def _asking_back(given: Sequence[Answer]) -> list[dict[str, Any]]:
    """Some figures, if no act were done that the encoder read."""
    none = parse("")
    asked = [
        replace(each, spec=none, acts=False) if each.acts and each.spec["tier"] == "encoder" else each
        for each in given
    ]
    names = ("intent", "false_refusals", "acted_on_negated", "acted_on_protected")
    found = {each["name"]: each for each in measure(asked)}
    return [{**found[f"language_{name}"], "name": f"language_{name}_asking_back"} for name in names]


def _beside(own: dict[str, Any], alone: dict[str, Any]) -> dict[str, Any]:
    """A figure beside that of the templates alone."""
    ratio = round(own["value"] / alone["value"], 3) if alone["value"] else None
    return {**own, "baseline": {"name": "templates alone", "value": alone["value"]}, "ratio": ratio}


def _times(name: str, ms: Sequence[float]) -> dict[str, Any]:
    p50, p99 = (round(float(value), 2) for value in np.quantile(ms, (0.5, 0.99)))
    return {**row(name, p50, "ms", "lower", len(ms)), "p50": p50, "p99": p99}


def _rss_mib() -> float:
    """What this process holds in memory now."""
    line = next(
        each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


def _print_errors(given: Sequence[Answer]) -> None:
    for each in {answer.sentence.template: answer for answer in given if not answer.whole}.values():
        spec = {k: v for k, v in each.spec.items() if v and k not in ("spans", "question")}
        right = {k: v for k, v in each.sentence.meanings[0].items() if v}
        print(f"{each.sentence.kind}: {each.sentence.text!r}\n    is {spec}\n    not {right}")


if __name__ == "__main__":
    main()
