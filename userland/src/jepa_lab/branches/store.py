# SPDX-License-Identifier: Apache-2.0
"""Recorded moments: one directory each, whole or not there at all.

``frames.parquet`` has one row a frame: ``branch`` (-1 is the context before the moment, others count the
courses of ``moment.json``), ``ts`` and one column a channel. ``moment.json`` says which run, machine and
programs it is of, what each course was, and what came of its actions.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from jepa.durable import sync_folder
from jepa.errors import JepaError
from jepa.telemetry import parquet
from jepa.telemetry.frame import FloatArray
from jepa.telemetry.schema import Schema

_FACTS: Final = "moment.json"
_FRAMES: Final = "frames.parquet"
CONTEXT: Final = -1
"""The branch number of the frames before the moment."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames one after the other."""

    ts_ns: npt.NDArray[np.int64]  # (T,)
    values: FloatArray  # (T, F), in the channels' units, NaN where absent


@dataclass(frozen=True, slots=True)
class Branch:
    """What followed the moment under one course."""

    name: str
    steps: tuple[Mapping[str, Any], ...]
    """As in ``schedule.Step``."""
    reports: tuple[Mapping[str, Any], ...]
    """What came of each step: ``ts``, ``state``, ``old``, ``new``, ``detail``."""
    frames: Stretch


@dataclass(frozen=True, slots=True)
class RecordedMoment:
    """One moment, what was before it, and what came after it in each branch."""

    facts: Mapping[str, Any]
    """All of moment.json but the courses."""
    context: Stretch
    branches: tuple[Branch, ...]


def there(folder: Path) -> bool:
    """Whether ``folder`` holds a moment."""
    return (folder / _FACTS).exists()


def write_moment(folder: Path, moment: RecordedMoment, schema: Schema) -> None:
    """Keep ``moment`` as the directory ``folder``, which is not there yet."""
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    parts = [(CONTEXT, moment.context), *((n, each.frames) for n, each in enumerate(moment.branches))]
    columns: dict[str, npt.NDArray[Any]] = {
        "branch": np.concatenate([np.full(len(part.ts_ns), number, np.int8) for number, part in parts]),
        "ts": np.concatenate([part.ts_ns for _, part in parts]),
    }
    values = np.concatenate([part.values for _, part in parts])
    columns |= {name: values[:, position] for position, name in enumerate(schema.names)}
    parquet.write_columns(temporary / _FRAMES, columns)
    courses = [
        {"name": each.name, "steps": list(each.steps), "reports": list(each.reports)}
        for each in moment.branches
    ]
    facts = {**moment.facts, "schema_version": schema.version, "schema_digest": schema.digest}
    text = json.dumps({**facts, "courses": courses}, indent=1)
    (temporary / _FACTS).write_text(text + "\n", encoding="utf-8")
    temporary.rename(folder)
    sync_folder(folder.parent)


def load_moment(folder: Path, schema: Schema) -> RecordedMoment:
    """The channels of ``schema`` in the moment in ``folder``; JepaError when that is none, or has others."""
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        courses = facts.pop("courses")
    except (OSError, ValueError, KeyError) as error:
        raise JepaError(
            f"{folder} holds no moment: {error}.", "Record it with `make record-branches`."
        ) from error
    if facts["schema_version"] != schema.version:
        raise JepaError(
            f"The moment {folder} has version {facts['schema_version']} channels, not {schema.version}.",
            "Record it again with this version.",
        )
    columns = parquet.read(folder / _FRAMES)
    missing = [name for name in ("branch", "ts", *schema.names) if name not in columns]
    if missing:
        raise JepaError(f"The moment {folder} lacks the channel {missing[0]}.", "Record it again.")
    values = np.stack(
        [np.ma.filled(np.ma.asarray(columns[name]).astype(np.float32), np.nan) for name in schema.names],
        axis=1,
    )
    number, ts = np.asarray(columns["branch"]), np.asarray(columns["ts"])

    def part(which: int) -> Stretch:
        return Stretch(ts[number == which], values[number == which])

    branches = tuple(
        Branch(each["name"], tuple(each["steps"]), tuple(each["reports"]), part(n))
        for n, each in enumerate(courses)
    )
    return RecordedMoment(facts, part(CONTEXT), branches)


def moments_in(root: Path, split: str | None = None) -> Sequence[Path]:
    """The directories of the moments below ``root``, by name; with ``split`` those of it alone."""
    found = sorted(path.parent for path in root.glob(f"*/*/{_FACTS}"))
    if split is None:
        return found
    return [folder for folder in found if json.loads((folder / _FACTS).read_text())["split"] == split]
