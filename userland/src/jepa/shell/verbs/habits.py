# SPDX-License-Identifier: Apache-2.0
"""`jepa habits`: have the shell learn which line comes next, see how well it does, delete what it knows."""

import os
import time
from dataclasses import asdict
from itertools import islice
from typing import Any, Final

from jepa.errors import JepaError
from jepa.shell.habits.predictor import LinePredictor
from jepa.shell.habits.score import FIRST, MostFrequent, Score, score
from jepa.shell.habits.store import MOST, HabitStore, default_path
from jepa.shell.request import Request

_OFF: Final = "Nothing is kept. `jepa habits on` has the shell learn what you type at its prompt."


def run(request: Request) -> int:
    """Do what the action says."""
    store = HabitStore(default_path(os.environ))
    try:
        match request.args.action:
            case "on":
                store.enable()
                _tell(
                    request,
                    {"enabled": True, "file": str(store.path)},
                    f"Lines typed at the prompt are kept from now on, the newest {MOST:,}, in {store.path}, "
                    "which you alone can read. A line that begins with a space is not kept. "
                    "`jepa habits off` deletes them.",
                )
            case "off":
                count = store.disable()
                _tell(
                    request,
                    {"enabled": False, "deleted": count},
                    f"{count:,} lines were deleted; no more are kept." if count else "Nothing is kept.",
                )
            case _:
                _show(request, store)
    except OSError as error:
        raise JepaError(
            f"Lines cannot be kept in {store.path}: {error.strerror}.",
            "Set XDG_STATE_HOME to a folder that is yours.",
        ) from None
    return 0


def _show(request: Request, store: HabitStore) -> None:
    out = request.out
    if not store.enabled():
        _tell(request, {"enabled": False, "lines": 0}, _OFF)
        return
    typed = list(store.lines())
    lines = [each.line for each in typed]
    predictor = LinePredictor()
    ours, frequent = score(lines, predictor), score(lines, MostFrequent())
    following = dict(islice(predictor.lines().items(), FIRST))
    if out.json:
        found: dict[str, Any] = {
            "enabled": True,
            "file": str(store.path),
            "lines": len(lines),
            "since_ns": typed[0].ts_ns if typed else None,
            "next": [{"line": line, "probability": round(each, 3)} for line, each in following.items()],
            "score": asdict(ours),
            "most_frequent": asdict(frequent),
        }
        out.data(found)
        return
    if not typed:
        out.line(f"No line is kept yet, in {store.path}.")
        return
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(typed[0].ts_ns / 1e9))
    out.line(f"{len(lines):,} lines since {since}, in {store.path}")
    out.line("expected next")
    for line, probability in following.items():
        out.line(f"  {100 * probability:3.0f} %  {line}")
    out.line(f"predicted     first   among {FIRST}   (the most frequent: first, among {FIRST})")
    out.line(f"  the verb  {_shares(ours, frequent, 'verb')}")
    out.line(f"  the line  {_shares(ours, frequent, 'line')}")


def _shares(ours: Score, frequent: Score, what: str) -> str:
    shares = [
        getattr(each, f"{what}_{which}") for each in (ours, frequent) for which in ("first", "among_first")
    ]
    first, among, other_first, other_among = (f"{100 * each:3.0f} %" for each in shares)
    return f"  {first}     {among}     ({other_first}, {other_among})"


def _tell(request: Request, data: dict[str, Any], sentence: str) -> None:
    request.out.data(data) if request.out.json else request.out.line(sentence)
