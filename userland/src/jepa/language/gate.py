# SPDX-License-Identifier: Apache-2.0
"""Whether an act that the encoder read is done: what it is sure of, weighed against what rules find.

Few rules end such an act by themselves (`meaning`: what says no, and who is named and neither meant nor
spared). How much the others count beside the encoder was fitted on sentences of writers whom the encoder did
not know; what no task spec can say is refused before.
"""

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from jepa.language.naming import Naming

if TYPE_CHECKING:
    from jepa.language.encoder import Heard
    from jepa.packs.language import ActGate, Sign

_LEAST: Final = 1e-4
"""Of a probability: beyond, it says nothing more."""


def signs(heard: "Heard", wish: str, naming: Naming, found: "Collection[Sign]") -> "Mapping[Sign, float]":
    """What speaks for ``wish``, an act, or against it, where rules ``found`` so much; 0 if it is left out.

    Of the encoder: how sure it is that something is asked for (``asks``), that it could be done here
    (``wanted``), that nothing is to be left as it is (``positive``), and of the wish (``likely``, and
    ``apart`` from the next one), as logits; of what a name is, at least (``unsure_name``), and that a
    word is spared that was not taken for it (``unsure_spared``).
    """
    others = max((share for name, share in heard.intents.items() if name != wish), default=0.0)
    share = max(heard.intents[wish], _LEAST)
    return {
        "asks": _logit(heard.asks),
        "wanted": -_logit(heard.refused),
        "positive": -_logit(heard.negated),
        "likely": _logit(share),
        "apart": math.log(share / max(others, _LEAST)),
        "unsure_name": 1 - naming.surest_of_names(),
        "unsure_spared": naming.unspared(),
        **dict.fromkeys(found, 1.0),
    }


def probability(gate: "ActGate", signs: "Mapping[Sign, float]") -> float:
    """How likely an act with these ``signs`` is what was asked for."""
    total = gate.bias + sum(gate.weights[name] * value for name, value in signs.items())
    return 1 / (1 + math.exp(-total))


def _logit(share: float) -> float:
    share = min(max(share, _LEAST), 1 - _LEAST)
    return math.log(share / (1 - share))
