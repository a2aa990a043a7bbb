# SPDX-License-Identifier: Apache-2.0
"""How often sentences are understood, as rows of a benchmark.

Sentences of one template are alike, so intervals come from resampling templates, not sentences (bootstrap,
95 %). Times are those of one core.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from jepa.language.specs import READS
from jepa_lab.language.corpus import Sentence, same

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


def answers(corpus: Sequence[Sentence], parse: Callable[[str], dict[str, Any]]) -> list[Answer]:
    """Each sentence as ``parse`` understands it."""
    found = []
    for sentence in corpus:
        begin = time.thread_time()
        spec = parse(sentence.text)
        ms = 1000 * (time.thread_time() - begin)
        reads = spec["intent"] in READS or spec["operation"] == "list"
        found.append(Answer(sentence, spec, ms, not reads))
    return found


def measure(given: Sequence[Answer]) -> list[dict[str, Any]]:
    """The rows of the benchmark."""
    wishes = [each for each in given if each.sentence.meanings[0]["intent"] != "none"]
    # Where asking back is as right, a refusal is not a false one.
    certain = [each for each in given if all(one["intent"] != "none" for one in each.sentence.meanings)]
    outside = [each for each in given if each.sentence.out_of_scope]
    negated = [each for each in given if each.sentence.kind == "negated"]
    protecting = [each for each in given if any(right["protect"] for right in each.sentence.meanings)]
    times = np.array([each.ms for each in given])
    p50, p99 = (round(float(value), 2) for value in np.quantile(times, (0.5, 0.99)))
    return [
        _share("language_intent", given, lambda each: each.intent, "higher"),
        _share("language_whole_spec", given, lambda each: each.whole, "higher"),
        _share("language_whole_spec_of_wishes", wishes, lambda each: each.whole, "higher"),
        _share("language_out_of_scope_refused", outside, lambda each: each.refused, "higher"),
        _share("language_false_refusals", certain, lambda each: each.refused, "lower"),
        row("language_acted_on_negated", sum(each.acts for each in negated), "", "lower", len(negated)),
        row(
            "language_acted_on_protected",
            sum(each.touches_protected for each in protecting),
            "",
            "lower",
            len(protecting),
        ),
        {**row("language_sentence_ms", p50, "ms", "lower", len(given)), "p50": p50, "p99": p99},
    ]


def by_kind(given: Sequence[Answer]) -> dict[str, str]:
    """For each kind of sentence how many there are, and how many are right."""
    kinds: dict[str, list[Answer]] = {}
    for each in given:
        kinds.setdefault(each.sentence.kind, []).append(each)
    return {kind: _told(of) for kind, of in sorted(kinds.items())}


def _told(of: Sequence[Answer]) -> str:
    templates = {each.sentence.template for each in of}
    right = f"{sum(each.whole for each in of)} of {len(of)} whole, {sum(each.intent for each in of)} intent"
    return f"{right}, {len(templates)} templates"


def _share(
    name: str, given: Sequence[Answer], right: Callable[[Answer], bool], better: str
) -> dict[str, Any]:
    by_template: dict[str, list[bool]] = {}
    for each in given:
        by_template.setdefault(each.sentence.template, []).append(right(each))
    hits = np.array([sum(of) for of in by_template.values()])
    counts = np.array([len(of) for of in by_template.values()])
    drawn = np.random.default_rng(0).integers(0, len(hits), (RESAMPLES, len(hits)))
    shares = hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    lower, upper = (round(float(value), 3) for value in np.quantile(shares, (0.025, 0.975)))
    value = round(float(hits.sum() / counts.sum()), 3)
    return {
        **row(name, value, "", better, len(given)),
        "templates": len(hits),
        "lower": lower,
        "upper": upper,
    }


def row(name: str, value: float, unit: str, better: str, n: int) -> dict[str, Any]:
    """One figure."""
    return {"name": name, "value": value, "unit": unit, "better": better, "n": n, "p50": None, "p99": None}
