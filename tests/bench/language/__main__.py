# SPDX-License-Identifier: Apache-2.0
"""How often the parser finds what sentences mean, on the part of the corpus that it was not made with.

Sentences of one template are alike, so intervals come from resampling templates, not sentences (bootstrap,
95 %). Times are those of one core, the grammar read before.

Usage: python -m tests.bench.language [--part dev] [--errors]
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.bench.language.corpus import Sentence, same, sentences

ROOT: Final = Path(__file__).resolve().parents[3]
OUT: Final = ROOT / "build/bench/language.json"
RESAMPLES: Final = 2000


@dataclass(frozen=True)
class Answer:
    """One sentence and what the parser made of it."""

    sentence: Sentence
    spec: dict[str, Any]
    ms: float
    acts: bool

    @property
    def intent(self) -> bool:
        """Whether the intent is right."""
        return any(self.spec["intent"] == right["intent"] for right in self.sentence.meanings)

    @property
    def whole(self) -> bool:
        """Whether every field is."""
        return any(same(self.spec, right) for right in self.sentence.meanings)

    @property
    def refused(self) -> bool:
        """Whether it was asked back."""
        return bool(self.spec["intent"] == "none")

    @property
    def touches_protected(self) -> bool:
        """Whether it would act, and not keep off what was to be left alone."""
        wanted = {name for right in self.sentence.meanings for name in right["protect"]}
        return self.acts and bool(wanted - set(self.spec["protect"]) or wanted & set(self.spec["targets"]))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default="test", choices=("test", "dev"))
    parser.add_argument("--errors", action="store_true", help="print what was wrong, a line a template")
    args = parser.parse_args()
    answers, rss_mib = _answers(sentences(args.part))
    rows = measure(answers)
    rows.append(_row("language_rss_mib", rss_mib, "MiB", "lower", 1))
    for row in rows:
        spread = f" [{row['lower']}, {row['upper']}]" if "lower" in row else ""
        print(f"{row['name']:40} {row['value']} {row['unit']}{spread}  n={row['n']}")
    for kind, told in by_kind(answers).items():
        print(f"  {kind:12} {told}")
    if args.errors:
        for each in {answer.sentence.template: answer for answer in answers if not answer.whole}.values():
            print(f"{each.sentence.kind}: {each.sentence.text!r} -> {each.spec['intent']}")
    if args.part == "test":
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(rows, indent=1) + "\n")


def _answers(corpus: Sequence[Sentence]) -> tuple[list[Answer], float]:
    """Each sentence parsed, and how much memory the parser takes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    from jepa.language.parser import READS, parse

    parse("warm up")
    answers = []
    for sentence in corpus:
        begin = time.thread_time()
        spec = parse(sentence.text)
        ms = 1000 * (time.thread_time() - begin)
        reads = spec["intent"] in READS or spec["operation"] == "list"
        answers.append(Answer(sentence, spec, ms, not reads))
    return answers, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def measure(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The rows of the benchmark."""
    wishes = [each for each in answers if each.sentence.meanings[0]["intent"] != "none"]
    outside = [each for each in answers if each.sentence.out_of_scope]
    negated = [each for each in answers if each.sentence.kind == "negated"]
    protecting = [each for each in answers if any(right["protect"] for right in each.sentence.meanings)]
    times = np.array([each.ms for each in answers])
    p50, p99 = (round(float(value), 2) for value in np.quantile(times, (0.5, 0.99)))
    return [
        _share("language_intent", answers, lambda each: each.intent, "higher"),
        _share("language_whole_spec", answers, lambda each: each.whole, "higher"),
        _share("language_whole_spec_of_wishes", wishes, lambda each: each.whole, "higher"),
        _share("language_out_of_scope_refused", outside, lambda each: each.refused, "higher"),
        _share("language_false_refusals", wishes, lambda each: each.refused, "lower"),
        _row("language_acted_on_negated", sum(each.acts for each in negated), "", "lower", len(negated)),
        _row(
            "language_acted_on_protected",
            sum(each.touches_protected for each in protecting),
            "",
            "lower",
            len(protecting),
        ),
        {**_row("language_sentence_ms", p50, "ms", "lower", len(answers)), "p50": p50, "p99": p99},
    ]


def by_kind(answers: Sequence[Answer]) -> dict[str, str]:
    """For each kind of sentence how many there are, and how many are right."""
    kinds: dict[str, list[Answer]] = {}
    for each in answers:
        kinds.setdefault(each.sentence.kind, []).append(each)
    return {kind: _told(of) for kind, of in sorted(kinds.items())}


def _told(of: Sequence[Answer]) -> str:
    templates = {each.sentence.template for each in of}
    right = f"{sum(each.whole for each in of)} of {len(of)} whole, {sum(each.intent for each in of)} intent"
    return f"{right}, {len(templates)} templates"


def _share(
    name: str, answers: Sequence[Answer], right: Callable[[Answer], bool], better: str
) -> dict[str, Any]:
    by_template: dict[str, list[bool]] = {}
    for each in answers:
        by_template.setdefault(each.sentence.template, []).append(right(each))
    hits = np.array([sum(of) for of in by_template.values()])
    counts = np.array([len(of) for of in by_template.values()])
    drawn = np.random.default_rng(0).integers(0, len(hits), (RESAMPLES, len(hits)))
    shares = hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    lower, upper = (round(float(value), 3) for value in np.quantile(shares, (0.025, 0.975)))
    value = round(float(hits.sum() / counts.sum()), 3)
    return {
        **_row(name, value, "", better, len(answers)),
        "templates": len(hits),
        "lower": lower,
        "upper": upper,
    }


def _row(name: str, value: float, unit: str, better: str, n: int) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "better": better, "n": n, "p50": None, "p99": None}


if __name__ == "__main__":
    main()
