# SPDX-License-Identifier: Apache-2.0
"""Measure how often the next line of a shell is predicted, beside every simple rule, on a public data set.

`python -m tests.bench.habits FOLDER` writes build/bench/habits.json. FOLDER is the unpacked "Dataset of
Shell Commands Used by Participants of Hands-on Cybersecurity Training" (Švábenský, Vykopal, Seda and Čeleda,
Data in Brief 38, 2021, doi:10.1016/j.dib.2021.107398), which is not part of this repository. Each
participant is a person who begins with nothing learned. Constants of all predictors were chosen on three of
its games (``CHOSEN_ON``); what is written is of the others.
"""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from jepa.shell.habits.habits import SURE
from jepa.shell.habits.predictor import LinePredictor, verb_of
from jepa.shell.habits.score import HabitPredictor, MostFrequent, score

OUT = Path("build/bench/habits.json")
CHOSEN_ON = ("House of cards", "Junior hacker", "Junior hacker adaptive")
FEWEST = 20
"""Lines of a participant who is looked at."""
DRAWS = 2000
KEEP = {"verb": 0.7, "line": 0.95}
"""IPAM's constant; each the best of 0.6, 0.7, 0.8, 0.9 and 0.95 on the games of CHOSEN_ON."""
ORDER = {"verb": 1, "line": 1}
"""Of the Markov chain, the best of 1 and 2 there, which fall back on shorter contexts."""


class _Symbols(Protocol):
    """A rule for one kind of symbol."""

    def ranked(self) -> Iterable[str]:
        """The likeliest first."""

    def learn(self, symbol: str) -> None:
        """``symbol`` came."""


class _MostRecent:
    def __init__(self) -> None:
        self._newest: dict[str, None] = {}

    def ranked(self) -> Iterable[str]:
        return reversed(self._newest)

    def learn(self, symbol: str) -> None:
        self._newest.pop(symbol, None)
        self._newest[symbol] = None


class _Markov:
    """What followed the last symbols most often, then what followed fewer of them."""

    def __init__(self, order: int) -> None:
        self._order = order
        self._before: tuple[str, ...] = ()
        self._tables: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)

    def _contexts(self) -> Iterator[tuple[str, ...]]:
        for length in range(self._order, -1, -1):
            yield self._before[len(self._before) - length :]

    def ranked(self) -> Iterable[str]:
        found = [each for context in self._contexts() for each, _ in self._tables[context].most_common()]
        return dict.fromkeys(found)

    def learn(self, symbol: str) -> None:
        for context in self._contexts():
            self._tables[context][symbol] += 1
        self._before = (*self._before, symbol)[-self._order :]


class _Ipam:
    """Davison and Hirsh, 1998: of each symbol a row of probabilities, which begins as that of all."""

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._all: dict[str, float] = {}
        self._rows: dict[str, dict[str, float]] = {}
        self._last = ""

    def ranked(self) -> Iterable[str]:
        row = self._rows.get(self._last, self._all)
        return sorted(row, key=lambda symbol: -row[symbol])

    def learn(self, symbol: str) -> None:
        row = self._rows.setdefault(self._last, dict(self._all))
        for each in (row, self._all):
            for known in each:
                each[known] *= self._keep
            each[symbol] = each.get(symbol, 0.0) + 1 - self._keep
        self._last = symbol


class Rule:
    """A predictor of verbs and lines by the same rule."""

    def __init__(self, make: Callable[[str], _Symbols]) -> None:
        self._verbs, self._lines = make("verb"), make("line")

    def learn(self, line: str) -> None:
        """``line`` was typed."""
        self._verbs.learn(verb_of(line))
        self._lines.learn(line)

    def verbs(self) -> Iterable[str]:
        """The likeliest first."""
        return self._verbs.ranked()

    def lines(self) -> Iterable[str]:
        """The likeliest first."""
        return self._lines.ranked()


PREDICTORS: Mapping[str, Callable[[], HabitPredictor]] = {
    "habits": LinePredictor,
    "IPAM": lambda: Rule(lambda what: _Ipam(KEEP[what])),
    "Markov": lambda: Rule(lambda what: _Markov(ORDER[what])),
    "most frequent": MostFrequent,
    "most recent": lambda: Rule(lambda what: _MostRecent()),
}


def participants(folder: Path) -> dict[str, list[list[str]]]:
    """The lines of each participant in their order, by game."""
    games: dict[str, list[list[str]]] = defaultdict(list)
    for path in sorted(folder.rglob("sandbox-*-useractions.json")):
        rows = []
        for text in path.read_text(errors="replace").splitlines():
            try:
                row = json.loads(text)
            except ValueError:
                continue
            if line := " ".join(row.get("cmd", "").split()):
                rows.append((datetime.fromisoformat(row["timestamp_str"]).timestamp(), line))
        if len(rows) >= FEWEST:
            lines = [line for _, line in sorted(rows, key=lambda each: each[0])]
            games[path.relative_to(folder).parts[0]].append(lines)
    return games


def saved(lines: Sequence[str], habits: bool) -> float:
    """Share of key strokes that an offer in grey saves: typed until it is the line, then one key to take it.

    What is offered is the likeliest line, also before anything is typed where it is likely; or, as fish and
    zsh-autosuggestions do, the newest line that begins with what is typed.
    """
    predictor, newest = LinePredictor(), _MostRecent()
    typed = spared = 0
    for line in lines:
        typed += len(line)
        ranked: Sequence[str] = list(newest.ranked())
        first = 1
        if habits:
            likely = predictor.lines()
            ranked = list(likely)
            first = 0 if ranked and likely[ranked[0]] >= SURE else 1
        for count in range(first, len(line) - 1):
            offer = next(
                (each for each in ranked if each.startswith(line[:count]) and each != line[:count]), ""
            )
            if offer == line:
                spared += len(line) - count - 1
                break
        predictor.learn(line)
        newest.learn(line)
    return spared / typed


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean over participants."""
    numbers = np.array(values)
    drawn = np.random.default_rng(1).integers(0, len(numbers), (DRAWS, len(numbers)))
    low, high = np.percentile(numbers[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def entry(name: str, ours: Sequence[float], theirs: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """One figure in percent, beside the best rival, with the interval of its lead over that."""
    means = {rival: float(np.mean(values)) for rival, values in theirs.items()}
    best = max(means, key=lambda rival: means[rival])
    value = float(np.mean(ours))
    return {
        "name": name,
        "value": round(100 * value, 1),
        "unit": "%",
        "better": "higher",
        "n": len(ours),
        "baseline": {"name": best, "value": round(100 * means[best], 1)},
        "ratio": round(value / means[best], 3),
        "interval": [round(100 * each, 1) for each in interval(ours)],
        "lead_interval": [
            round(100 * each, 1) for each in interval(np.subtract(ours, theirs[best]).tolist())
        ],
        "rivals": {rival: round(100 * mean, 1) for rival, mean in means.items()},
    }


def sure(people: Sequence[Sequence[str]]) -> Iterator[dict[str, Any]]:
    """How often a line is offered before anything is typed, and how often that is right."""
    offered = right = lines = 0
    for person in people:
        predictor = LinePredictor()
        for line in person:
            first = next(iter(predictor.lines().items()), ("", 0.0))
            if first[1] >= SURE:
                offered += 1
                right += first[0] == line
            predictor.learn(line)
        lines += len(person)
    yield from (
        {"name": name, "value": round(100 * value, 1), "unit": "%", "better": "higher", "n": many}
        for name, value, many in (
            ("offered_unasked", offered / lines, lines),
            ("offered_unasked_right", right / offered, offered),
        )
    )


def cost(lines: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Time of a line with as many lines learned as are kept."""
    predictor = LinePredictor()
    learning, offering = [], []
    for line in lines:
        begin = time.perf_counter()
        predictor.learn(line)
        middle = time.perf_counter()
        predictor.lines()
        learning.append(1000 * (middle - begin))
        offering.append(1000 * (time.perf_counter() - middle))
    for name, times in (("learn_ms", learning), ("offer_ms", offering[-200:])):
        p50, p99 = np.percentile(times, [50, 99])
        yield {
            "name": name,
            "value": round(float(p50), 3),
            "unit": "ms",
            "better": "lower",
            "n": len(times),
            "p50": round(float(p50), 3),
            "p99": round(float(p99), 3),
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write build/bench/habits.json."""
    parser = argparse.ArgumentParser(prog="tests.bench.habits", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the data set, unpacked")
    args = parser.parse_args(argv)
    games = participants(args.folder)
    people = [lines for game, found in games.items() if game not in CHOSEN_ON for lines in found]
    if not people:
        print(f"There are no sandbox-*-useractions.json below {args.folder}. See --help.", file=sys.stderr)
        return 1
    scores = {name: [asdict(score(lines, make())) for lines in people] for name, make in PREDICTORS.items()}
    entries = [
        entry(
            name,
            [each[name] for each in scores["habits"]],
            {rival: [each[name] for each in found] for rival, found in scores.items() if rival != "habits"},
        )
        for name in ("verb_first", "verb_among_first", "line_first", "line_among_first")
    ]
    rule = {"newest with what is typed": [saved(lines, habits=False) for lines in people]}
    entries.append(entry("keys_saved", [saved(lines, habits=True) for lines in people], rule))
    entries += sure(people)
    entries += cost([line for lines in people for line in lines][:2000])
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(entries, indent=2) + "\n")
    print(OUT.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
