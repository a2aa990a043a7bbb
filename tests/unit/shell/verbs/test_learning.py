# SPDX-License-Identifier: Apache-2.0
"""`jepa learning` says what was learned and whether it is used, and forgets it when told."""

import io
import json
from argparse import Namespace
from typing import Any

from jepa.shell.output import Output
from jepa.shell.request import Request
from jepa.shell.verbs import learning

EFFECT = {
    "setting": "cpu.weight.background",
    "direction": "down",
    "channel": "system.role.background.cpu",
    "horizon_s": 15,
    "outcomes": 9,
    "scored": 8,
    "ahead": 0.123,
    "used": True,
    "before": {"size": 1.72, "spread": 1.86},
    "after": {"size": 1.2, "spread": 1.4},
}


class Client:
    """A service that has learned one effect."""

    def __init__(self) -> None:
        self.effects: list[dict[str, Any]] = [EFFECT]

    def learning(self) -> dict[str, Any]:
        return {"pack": "machine 1", "outcomes": 9, "used": len(self.effects), "effects": self.effects}

    def forget_learned(self) -> dict[str, Any]:
        self.effects = []
        return self.learning()


def said(client: Client, action: str, *, as_json: bool = False) -> str:
    out = io.StringIO()
    service: Any = client
    output = Output(out, json=as_json, unicode=False, colour=False, width=160)
    request = Request(Namespace(action=action), output, lambda: service, prompt=False)
    assert learning.run(request) == 0
    return out.getvalue()


def test_each_effect_is_shown_with_what_the_pack_says_beside_it() -> None:
    client = Client()
    text = said(client, "show")
    assert "cpu.weight.background down" in text and "1.72 +- 1.86" in text and "+12%" in text
    assert "Plans use 1 of 1" in text
    assert json.loads(said(client, "show", as_json=True))["effects"] == [EFFECT]
    assert "Nothing was learned yet with machine 1" in said(client, "reset")
