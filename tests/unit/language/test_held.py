# SPDX-License-Identifier: Apache-2.0
"""No sentence of the corpus that spares or negates something is acted upon, whatever it names."""

import random
import re
from collections.abc import Iterator

import pytest

from jepa.errors import JepaError
from jepa.language.encoder import Encoder
from jepa.language.inventory import LiveInventory
from jepa.language.parser import parse
from jepa.language.specs import READS
from jepa.packs.language import LanguageManifest
from jepa.packs.pack import read_manifest, verified_graph
from jepa_lab.language.corpus import CORPUS, NOW, Sentence, sentences
from jepa_lab.language.names import invented

PACK = CORPUS.parent
WHOLE = {"beekeeper", "dispatcher", "kernelhacker", "quant", "teen", "violinist"}
WHOLE |= {"carpenter", "chef", "pilot", "researcher", "sre_night", "translator"}
"""Persons whose every template is looked at: such as were acted upon when they were read blind."""
READ_LAST = {"animator2", "brewer", "forklift", "postmaster", "surveyor", "tattooist"}
"""Persons of whose sparing nothing has been made yet. How often one is acted upon whom nothing was made with
is what the benchmark says, of the test part."""
OTHERS = 100
"""Templates of all other persons that are drawn, for want of time; each seed draws others."""


def _encoder() -> Encoder | None:
    """That of the pack in the source tree; None where it was not made, or is an older one."""
    from jepa.language.encoder import PackedEncoder

    try:
        manifest = read_manifest(PACK)
        assert isinstance(manifest, LanguageManifest)
        verified_graph(PACK, manifest.graphs["encoder"])
    except JepaError:
        return None
    return PackedEncoder.load(PACK)


def _held(chance: random.Random) -> Iterator[tuple[Sentence, set[str]]]:
    """Templates that negate or spare something, each once, and what it spares."""
    every = {(each.person, each.template): each for part in ("train", "dev") for each in sentences(part)}
    held = [
        (sentence, spared)
        for sentence in every.values()
        if ((spared := _spared(sentence)) or sentence.kind == "negated") and sentence.person not in READ_LAST
    ]
    others = [each for each in held if each[0].person not in WHOLE]
    yield from (each for each in held if each[0].person in WHOLE)
    yield from chance.sample(others, min(OTHERS, len(others)))


def _spared(sentence: Sentence) -> set[str]:
    """What every wish that is right for it leaves alone; right ones may call it differently."""
    wishes = [set(right["protect"]) for right in sentence.meanings if right["intent"] != "none"]
    return set.intersection(*wishes) if wishes else set()


def _named_anew(
    sentence: Sentence, spared: set[str], chance: random.Random
) -> tuple[str, set[str], set[str]]:
    """The text with other names, what it spares, and all its names."""
    text, now = sentence.text, {}
    names = {*spared, *(name for right in sentence.meanings for name in right["targets"])}
    for name in sorted(names, key=len, reverse=True):
        new = invented(chance)
        changed = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", new, text, flags=re.IGNORECASE)
        now[name] = new if changed != text and " " not in new else name
        text = changed if now[name] == new else text
    return text, {now[name] for name in spared}, {*now.values()}


@pytest.mark.parametrize(("seed", "known"), [(0, False), (1, True)])
def test_nothing_negated_or_spared_is_acted_upon(seed: int, known: bool) -> None:
    encoder = _encoder()
    chance = random.Random(seed)
    acted = []
    held = list(_held(chance))
    for sentence, spared in held:
        text, names = sentence.text, set[str]()
        if known:
            text, spared, names = _named_anew(sentence, spared, chance)
        spec = parse(text, LiveInventory(frozenset(names)), encoder, NOW)
        acts = spec["intent"] not in READS and spec["operation"] != "list"
        right = any(each["intent"] == spec["intent"] for each in sentence.meanings)
        kept = spared <= set(spec["protect"]) and not spared & set(spec["targets"])
        if acts and not (right if sentence.kind == "negated" else kept):
            acted.append(text)
    assert acted == []
