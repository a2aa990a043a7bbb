# SPDX-License-Identifier: Apache-2.0
"""The sentences of each intent and the modifiers of any, from the TOML files beside this one."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jepa.language.lexicon import HERE, lexicon
from jepa.language.template import Templates, compile_template, words_of

MODIFIERS: Final = ("protect", "condition", "until", "vague", "remark", "courtesy", "notify")


@dataclass(frozen=True)
class Grammar:
    """All templates there are."""

    intents: Templates
    """Of whole wishes; the fields of each hold its intent."""
    modifiers: Mapping[str, Templates]
    """Of what any wish may say beside: by kind."""
    openers: Templates
    """Of what may stand before a wish and says nothing of it."""
    words: frozenset[str]
    """Every word of all these."""
    refusals: Templates
    """Of what says no, anywhere in a sentence; no other word is taken for one of theirs misspelt."""


@cache
def grammar() -> Grammar:
    """The packaged one."""
    rules = lexicon().rules
    intents = [
        compile_template(text, rules, fields)
        for path in sorted((HERE / "intents").glob("*.toml"))
        for fields, text in _sentences(path.read_text(encoding="utf-8"), {"intent": path.stem})
    ]
    modifiers = {
        kind: [
            compile_template(text, rules, {"modifier": kind, **fields})
            for fields, text in _sentences((HERE / f"modifiers/{kind}.toml").read_text(encoding="utf-8"), {})
        ]
        for kind in MODIFIERS
    }
    openers = [compile_template(text, rules, {}) for text in lexicon().openers]
    every = (*intents, *openers, *(each for of in modifiers.values() for each in of))
    return Grammar(
        Templates(intents),
        {kind: Templates(of) for kind, of in modifiers.items()},
        Templates(openers),
        frozenset(word for template in every for word in words_of(template.node)),
        Templates([compile_template(text, rules, {}) for text in lexicon().refusals]),
    )


def _sentences(text: str, common: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Each template of a file, with the fields that its table and the file give it."""
    content = tomllib.loads(text)
    tables = content.pop("sentences", [{"say": content.pop("say", [])}])
    for table in tables:
        fields = {**common, **content, **table}
        for template in fields.pop("say"):
            yield fields, template
