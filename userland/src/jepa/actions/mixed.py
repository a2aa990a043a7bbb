# SPDX-License-Identifier: Apache-2.0
"""A setting that many things have, each for itself, as one value: what most have, then those that differ.

Written as ``powersave`` or ``powersave; policy4: performance``; keys and values contain no ``;`` or ``: ``.
"""

from collections import Counter
from collections.abc import Mapping

from jepa.actions.catalogue import Value


def encode(values: Mapping[str, Value]) -> Value:
    """The values by key, of which there is at least one, as one."""
    counts = Counter(values.values())
    usual = max(counts, key=lambda value: counts[value])
    unlike = [f"{key}: {value}" for key, value in values.items() if value != usual]
    return "; ".join([str(usual), *unlike]) if unlike else usual


def decode(value: Value) -> dict[str, str]:
    """The value of each key that differs, and under the empty key that of all others."""
    usual, *unlike = str(value).split("; ")
    return {"": usual} | dict(each.split(": ", 1) for each in unlike)


def of(values: Mapping[str, str], key: str) -> str:
    """What ``decode`` gave for ``key``."""
    return values.get(key, values[""])


def is_mixture(found: Value, old: Value, new: Value) -> bool:
    """Whether each thing in ``found`` has what it had in ``old`` or what it was to get by ``new``."""
    before, after = decode(old), decode(new)
    return all(
        value in (of(before, key), of(after, key)) or (not key and value in before.values())
        for key, value in decode(found).items()
    )
