# SPDX-License-Identifier: Apache-2.0
"""Numbers with units as people say them: amounts, durations and times of day, as slots of a template."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from jepa.language.tokens import Token

_SMALL: Final = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS: Final = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2
    )
}
_FRACTIONS: Final = {"half": 0.5, "quarter": 0.25, "third": 1 / 3}
_SECONDS: Final = {
    unit: seconds
    for units, seconds in (
        ("s sec secs second seconds", 1),
        ("m min mins minute minutes", 60),
        ("h hr hrs hour hours", 3600),
        ("d day days", 86_400),
        ("w week weeks", 604_800),
    )
    for unit in units.split()
}
_MIB: Final = {
    "mib": 1.0,
    "mb": 1.0,
    "megabyte": 1.0,
    "megabytes": 1.0,
    "mebibytes": 1.0,
    "megs": 1.0,
    "meg": 1.0,
    "m": 1.0,
    "kib": 1 / 1024,
    "kb": 1 / 1024,
    "kilobytes": 1 / 1024,
}
_GIB: Final = {
    "gib": 1.0,
    "gb": 1.0,
    "gigabyte": 1.0,
    "gigabytes": 1.0,
    "gibibytes": 1.0,
    "gigs": 1.0,
    "gig": 1.0,
    "g": 1.0,
    "tb": 1024.0,
    "tib": 1024.0,
    "terabyte": 1024.0,
    "terabytes": 1024.0,
}
_CORES: Final = ("core", "cores", "cpus", "vcpus", "processors")
_PERCENT: Final = ("%", "percent", "pct", "percents")
_PER: Final = ("s", "sec", "second")
_COMING: Final = ("next", "coming", "following")
_DAYTIME: Final = {"noon": "12:00", "midnight": "00:00", "midday": "12:00"}
LARGEST: Final = 1e9

Found = Iterable[tuple[int, Any]]


def _split(token: Token) -> tuple[str, str]:
    """``40gib`` as its number and what follows; the number is empty where it has none."""
    text = token.text
    end = 0
    while end < len(text) and (
        text[end].isdecimal() or (end and text[end] in ".," and text[end + 1 : end + 2].isdecimal())
    ):
        end += 1
    return text[:end], text[end:]


def _numbers(tokens: Sequence[Token], at: int) -> Iterator[tuple[int, float]]:
    """A number said in digits or words from ``at`` on: where it ends, and its value."""
    if at >= len(tokens):
        return
    token = tokens[at]
    after = tokens[at + 1].text if at + 1 < len(tokens) else ""
    if token.kind == "number" and ":" not in token.text:
        yield at + 1, float(token.text.replace(",", "."))
    elif token.text in _TENS:
        ones = _SMALL.get(after, 0)
        if 1 <= ones <= 9:
            yield at + 2, float(_TENS[token.text] + ones)
        else:
            yield at + 1, float(_TENS[token.text])
    elif "-" in token.text and token.text.partition("-")[0] in _TENS:
        tens, _, ones_word = token.text.partition("-")
        if 1 <= _SMALL.get(ones_word, 0) <= 9:
            yield at + 1, float(_TENS[tens] + _SMALL[ones_word])
    elif token.text in _SMALL:
        if after == "hundred":
            yield at + 2, 100.0 * _SMALL[token.text]
        else:
            yield at + 1, float(_SMALL[token.text])
    elif token.text in ("a", "an"):
        if after in ("single", "couple"):
            yield at + 2, 1.0 if after == "single" else 2.0
            if after == "couple" and at + 2 < len(tokens) and tokens[at + 2].text == "of":
                yield at + 3, 2.0
        elif after not in _FRACTIONS:
            yield at + 1, 1.0
        if after == "hundred":
            yield at + 2, 100.0
    elif token.text == "hundred":
        yield at + 1, 100.0


def _with_units(tokens: Sequence[Token], at: int) -> Iterator[tuple[int, float, str]]:
    """A number and the word behind it, or both as one token: where it ends, the value, the unit."""
    if at >= len(tokens):
        return
    number, unit = _split(tokens[at])
    if tokens[at].kind == "word" and number and unit:
        yield at + 1, float(number.replace(",", ".")), unit
    for end, value in _numbers(tokens, at):
        if end < len(tokens) and tokens[end].kind in ("word", "percent"):
            unit = tokens[end].text
            yield end + 1, value, unit
            if unit == "cpu" and end + 1 < len(tokens) and tokens[end + 1].text in _CORES:
                yield end + 2, value, tokens[end + 1].text
            if unit == "per" and end + 1 < len(tokens) and tokens[end + 1].text == "cent":
                yield end + 2, value, "%"


def amounts(tokens: Sequence[Token], at: int) -> Found:
    """Amounts from ``at`` on, as the task spec writes them; the longest first."""
    found: list[tuple[int, dict[str, Any]]] = []
    if at < len(tokens):
        text = tokens[at].text
        lead = at + 1 if text in ("a", "an", "one") else at
        if lead < len(tokens) and tokens[lead].text in _FRACTIONS:
            share = _FRACTIONS[tokens[lead].text]
            after = lead + 1
            if after < len(tokens) and tokens[after].text in ("a", "of"):
                after += 1
                if after < len(tokens) and tokens[after].text in ("a", "one"):
                    after += 1
            if after > lead + 1 and after < len(tokens) and tokens[after].text in _CORES:
                found.append((after + 1, {"value": share, "unit": "cores"}))
            found.append((lead + 1, {"value": round(100 * share, 2), "unit": "%"}))
    for end, value, unit in _with_units(tokens, at):
        if value > LARGEST:
            continue
        if unit in _PERCENT:
            found.append((end, {"value": value, "unit": "%"}))
        elif unit in _CORES:
            found.append((end, {"value": value, "unit": "cores"}))
        else:
            bare, slash, per = unit.partition("/")
            for names, name in ((_MIB, "MiB"), (_GIB, "GiB")):
                if bare not in names:
                    continue
                scaled = value * names[bare]
                if slash and per in _PER:
                    found.append((end, _rate(scaled, name)))
                elif (
                    not slash
                    and end + 1 < len(tokens)
                    and tokens[end].text in ("per", "a")
                    and tokens[end + 1].text in _PER
                ):
                    found.append((end + 2, _rate(scaled, name)))
                elif not slash:
                    found.append((end, {"value": scaled, "unit": name}))
    return sorted(found, key=lambda each: -each[0])


def _rate(value: float, unit: str) -> dict[str, Any]:
    return {"value": value * (1024 if unit == "GiB" else 1), "unit": "MiB/s"}


def durations(tokens: Sequence[Token], at: int) -> Found:
    """Spans of time from ``at`` on, as seconds; the longest first."""
    found = sorted(_durations(tokens, at), key=lambda each: -each[0])
    return [(end, seconds) for end, seconds in found if 0 < seconds <= 366 * 86_400]


def _durations(tokens: Sequence[Token], at: int) -> Iterator[tuple[int, int]]:
    if at >= len(tokens):
        return
    # "half an hour", "a quarter of an hour", "half hour"
    lead = at + 1 if tokens[at].text in ("a", "an") else at
    if lead < len(tokens) and tokens[lead].text in _FRACTIONS:
        after = lead + 1
        while after < len(tokens) and tokens[after].text in ("of", "a", "an"):
            after += 1
        if after < len(tokens) and tokens[after].text in _SECONDS:
            yield after + 1, round(_FRACTIONS[tokens[lead].text] * _SECONDS[tokens[after].text])
    if at and tokens[at - 1].text in _COMING and tokens[at].text in _SECONDS:  # "the next hour"
        yield at + 1, _SECONDS[tokens[at].text]
    for end, value, unit in _with_units(tokens, at):
        if unit not in _SECONDS or value > LARGEST:
            continue
        whole = value * _SECONDS[unit]
        yield end, round(whole)
        # "an hour and a half", "2 hours and 30 minutes", "1h 30m"
        after = end + 1 if end < len(tokens) and tokens[end].text == "and" else end
        if after + 1 < len(tokens) and tokens[after].text == "a" and tokens[after + 1].text in _FRACTIONS:
            yield after + 2, round(whole + _FRACTIONS[tokens[after + 1].text] * _SECONDS[unit])
        for more_end, more, more_unit in _with_units(tokens, after):
            if more_unit in _SECONDS and _SECONDS[more_unit] < _SECONDS[unit] and more <= LARGEST:
                yield more_end, round(whole + more * _SECONDS[more_unit])
        if end < len(tokens) and tokens[end].text == "and":
            continue
    for end, value in _numbers(tokens, at):  # "one and a half hours"
        if [token.text for token in tokens[end : end + 3]] == ["and", "a", "half"] and end + 3 < len(tokens):
            unit = tokens[end + 3].text
            if unit in _SECONDS:
                yield end + 4, round((value + 0.5) * _SECONDS[unit])


def iso(seconds: int) -> str:
    """A span of time as ISO 8601 writes it: PT30M, PT90S, P1DT2H."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    if not days and not hours and minutes == 1 and left:  # ninety seconds stay what was said
        minutes, left = 0, rest
    time = "".join(f"{value}{unit}" for value, unit in ((hours, "H"), (minutes, "M"), (left, "S")) if value)
    return "P" + (f"{days}D" if days else "") + (f"T{time}" if time else "")


def clocks(tokens: Sequence[Token], at: int) -> Found:
    """Times of day from ``at`` on, as HH:MM; the longest first."""
    if at >= len(tokens):
        return []
    token = tokens[at]
    after = tokens[at + 1].text if at + 1 < len(tokens) else ""
    if token.text in _DAYTIME:
        return [(at + 1, _DAYTIME[token.text])]
    number, unit = _split(token)
    if token.kind == "number" and ":" in token.text:
        hour, minute = map(int, token.text.split(":"))
        return [(at + 1, f"{hour:02}:{minute:02}")] if hour < 24 and minute < 60 else []
    if token.kind == "word" and number.isdecimal() and unit in ("am", "pm"):
        return _half_day(int(number), unit, at + 1)
    if token.kind == "number" and token.text.isdecimal():
        if after in ("am", "pm"):
            return _half_day(int(token.text), after, at + 2)
        if after in ("o'clock", "oclock") and int(token.text) < 24:
            return [(at + 2, f"{int(token.text):02}:00")]
    return []


def span_to(clock: str, now: datetime) -> str:
    """The ISO 8601 span from ``now``, a local time without a zone, to the next time that is ``clock``."""
    hour, minute = map(int, clock.split(":"))
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if then <= now:
        then += timedelta(days=1)
    # By way of the time zone: a night in which clocks are changed has an hour more or less.
    return iso(max(1, round(then.timestamp() - now.timestamp())))


def _half_day(hour: int, half: str, end: int) -> Found:
    if not 1 <= hour <= 12:
        return []
    return [(end, f"{hour % 12 + (12 if half == 'pm' else 0):02}:00")]
