# SPDX-License-Identifier: Apache-2.0
"""`jepa explain`: why the machine, or a part of it, is as it is; changes nothing."""

from typing import Final

from jepa.shell.explaining import explained
from jepa.shell.explanation_text import show
from jepa.shell.questions import question
from jepa.shell.request import Request
from jepa.shell.sentence import understanding
from jepa.telemetry.schema import load_schema

_CHANGES: Final = 50


def run(request: Request) -> int:
    """Explain, and say so where nothing stands out."""
    asked = question(request.args.about, load_schema().names, understanding())
    found = explained(request.client, lambda: request.actuator.history(_CHANGES), asked, request.args.at)
    if request.out.json:
        request.out.data(found)
    else:
        if request.listener is not None:
            request.listener.writes("evidence")
        show(request.out, found)
    return 0
