# SPDX-License-Identifier: Apache-2.0
"""What says no without a word of negation is heard, whoever reads the sentence."""

import pytest

from jepa.language.inventory import Nothing
from jepa.language.parser import parse
from jepa.language.refusals import refuses
from jepa.language.tokens import tokenise


@pytest.mark.parametrize(
    "text",
    [
        "would you restart traefik in my position?",
        "restart caddy if you were me?",
        "limit freecad on no account",
        "restart redis under no circumstances",
        "stop photoprism not",
        'background down - she was very clear, "not chromium"',
        'his words: "do what you like but my chromium keeps its speed" - so throttle the rest',
    ],
)
def test_nothing_is_to_be_done(text: str) -> None:
    assert refuses(tokenise(text), Nothing())


@pytest.mark.parametrize(
    "text",
    [
        "restart traefik",
        'restart "my own thing"',
        "restart caddy, redis not",
        "put caddy in the first position",
    ],
)
def test_a_wish_stays_one(text: str) -> None:
    assert not refuses(tokenise(text), Nothing())


@pytest.mark.parametrize(
    "behind",
    [
        ", redis keeps its present share",
        " while making sure redis still gets what it needs",
        " in such a way that redis won't notice",
        ", and don't be mean to redis about it",
        ", but pray do not trouble redis",
    ],
)
def test_who_is_spared_in_other_words_is_protected(behind: str) -> None:
    spec = parse(f"limit nginx to 40 %{behind}", inventory=Nothing())
    assert (spec["intent"], spec["targets"], spec["protect"]) == ("limit", ["nginx"], ["redis"])
