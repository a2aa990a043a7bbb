# SPDX-License-Identifier: Apache-2.0
"""What is said in another kind of English keeps its names and means what it meant."""

import random

import pytest

from jepa_lab.language.dialects import DIALECTS, LONGEST, said_otherwise
from jepa_lab.language.examples import Example
from jepa_lab.language.shape import TAGS

TARGET = TAGS.index("target")
WORDS = ("please", "don't", "restart", "vim", "before", "the", "backup", "is", "done")
EXAMPLE = Example(WORDS, frozenset(("negated",)), frozenset(), tuple(TARGET * (w == "vim") for w in WORDS))


def test_names_and_their_tags_stay_together_however_it_is_said() -> None:
    chance = random.Random(0)
    said = [said_otherwise(EXAMPLE, chance) for _ in range(500)]
    for each in said:
        assert each.tags is not None
        assert [w for w, tag in zip(each.words, each.tags, strict=True) if tag == TARGET] == ["vim"], each
        assert each.labels == EXAMPLE.labels
    assert len({each.words for each in said}) > 250


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_each_dialect_says_its_words_its_own_way(name: str) -> None:
    dialect, chance = DIALECTS[name], random.Random(1)
    for phrase, others in dialect.words.items():
        assert phrase and others, phrase
        own = Example(phrase, frozenset(("status",)), frozenset(), (0,) * len(phrase))
        said = {dialect.spoken(own, chance).words for _ in range(60)}
        heard = [" ".join(other) in " ".join(words) for other in others for words in said]
        assert any(heard), (phrase, said)


def test_a_name_is_never_taken_for_a_word_of_a_dialect() -> None:
    named = Example(("stop", "stop"), frozenset(("service/stop",)), frozenset(), (0, TARGET))
    chance = random.Random(2)
    for dialect in DIALECTS.values():
        for _ in range(20):
            spoken = dialect.spoken(named, chance)
            assert spoken.tags is not None
            assert [w for w, tag in zip(spoken.words, spoken.tags, strict=True) if tag] == ["stop"]


def test_what_would_be_too_long_stays_as_it_was() -> None:
    long = Example(("word",) * LONGEST, frozenset(("none",)), frozenset(), (0,) * LONGEST)
    chance = random.Random(3)
    assert all(len(said_otherwise(long, chance).words) <= LONGEST for _ in range(200))


def test_what_is_meant_may_stand_first_as_the_topic() -> None:
    tags = tuple(TARGET * (word == "vim") for word in WORDS)
    example = Example(WORDS, frozenset(("service/restart",)), frozenset(), tags)
    chance = random.Random(4)
    said = [said_otherwise(example, chance) for _ in range(800)]
    first = [each for each in said if each.words[0] == "vim"]
    assert first
    assert all(each.tags is not None and each.tags[0] == TARGET for each in first)
