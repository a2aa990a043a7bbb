# SPDX-License-Identifier: Apache-2.0
"""Recordings: frames, actions and events of one stretch of time, as Parquet in a directory.

While it runs, a recording is a frame log and two line logs in the directory, so that it
survives a kill at any time. Closing it, or opening one that was interrupted, turns them into
``frames.parquet`` (``ts`` int64 ns and one float column per channel, null where absent),
``actions.parquet`` (ts, action, args), ``events.parquet`` (ts, kind, unit, detail) and ``meta.json``.
"""

import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jepa.durable import replace_file
from jepa.errors import JepaError
from jepa.telemetry import parquet
from jepa.telemetry.clocks import Clock, SystemClock
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import FloatArray, Frame
from jepa.telemetry.frame_source import FrameSource
from jepa.telemetry.framelog import FrameLog, Frames, snapshot
from jepa.telemetry.linelog import LineLog, read_rows
from jepa.telemetry.sampler import Sampler
from jepa.telemetry.schema import Schema, load_schema
from jepa.telemetry.sources.memory import parse_meminfo

_UNBOUNDED = 1 << 62
_ACTIONS, _EVENTS = "actions.lines", "events.lines"
TWIN = ".twin"
"""What the name of a recording ends with that is the second run of another with the same seed."""
UNTOUCHED = ".untouched"
"""The same, of a run in which no action was taken: what the other would have been without."""
LISTENED = "listened"
"""The label of a recording that was listened to for events: what it does not list did not happen."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What a recording says of itself; the content of meta.json."""

    schema_version: int
    schema_digest: str
    cpus: int | None
    memory_mib: int | None
    kernel: str
    machine: str
    service_manager: bool | None = None
    """Whether systemd runs there, without which no unit can fail; None where nobody looked."""
    start_ns: int | None = None
    """Time of the first frame."""
    seconds: float = 0.0
    """From the first frame to the last."""
    frames: int = 0
    missed: int | None = None
    """Periods that passed without a frame; None when the recording was interrupted."""
    sources: list[dict[str, Any]] = field(default_factory=list)
    """State of each telemetry source at the end: name, ok, channels, of, reason."""
    labels: dict[str, Any] = field(default_factory=dict)
    """What the caller wanted to remember, such as the workload and its seed."""
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One action taken during a recording."""

    ts_ns: int
    action: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording in memory."""

    schema: Schema
    ts_ns: npt.NDArray[np.int64]  # (T,)
    values: FloatArray  # (T, F), in the channels' units, NaN where absent
    actions: tuple[Action, ...]
    events: tuple[Event, ...]
    meta: Meta


def describe_host(schema: Schema, root: Path = Path("/"), labels: Mapping[str, Any] | None = None) -> Meta:
    """The shape of this machine, as the start of a recording's meta."""
    try:
        total = parse_meminfo((root / "proc/meminfo").read_bytes()).total
    except OSError:
        total = None
    return Meta(
        schema_version=schema.version,
        schema_digest=schema.digest,
        cpus=os.cpu_count(),
        memory_mib=None if total is None else total // 1024,
        kernel=platform.release(),
        machine=platform.machine(),
        service_manager=(root / "run/systemd/system").is_dir(),  # as sd_booted(3) has it
        labels=dict(labels or {}),
    )


class Recorder:
    """Writes one recording into ``folder``; raises JepaError when that holds one already.

    With ``limit_bytes`` the oldest frames go once the log is that large.
    """

    def __init__(self, folder: Path, schema: Schema, meta: Meta, limit_bytes: int | None = None) -> None:
        self.folder = folder
        self.meta = meta
        self._schema = schema
        if (folder / "meta.json").exists():
            raise JepaError(
                f"{folder} already holds a recording.",
                "Name another directory, or remove this one.",
                status=409,
            )
        self._log = FrameLog(folder / "log", schema, limit_bytes or _UNBOUNDED, sync_s=1.0)
        try:
            _write_meta(folder, meta)
            self._actions = LineLog(folder / _ACTIONS)
            self._events = LineLog(folder / _EVENTS)
        except OSError as error:
            self._log.close()
            raise _failed(folder, error) from error

    def append(self, frame: Frame) -> None:
        """Keep one frame. Raises JepaError when there is no room."""
        self._log.append(frame)

    def action(self, action: Action) -> None:
        """Keep one action."""
        self._line(self._actions, {"ts": action.ts_ns, "action": action.action, "args": dict(action.args)})

    def event(self, event: Event) -> None:
        """Keep one event."""
        row = asdict(event)
        self._line(self._events, {"ts": row.pop("ts_ns"), **row})

    def close(self) -> Meta:
        """Turn what was kept into Parquet; JepaError, with nothing lost, when that cannot be written."""
        try:
            self._actions.close()
            self._events.close()
            _write_meta(self.folder, self.meta)
        except OSError as error:
            raise _failed(self.folder, error) from error
        finally:
            self._log.close()
        return finish(self.folder, self._schema)

    def _line(self, log: LineLog, row: Mapping[str, Any]) -> None:
        try:
            log.append(row)
        except OSError as error:
            raise _failed(self.folder, error) from error


def record(
    source: FrameSource,
    folder: Path,
    seconds: float | None,
    *,
    period_s: float = 1.0,
    clock: Clock | None = None,
    labels: Mapping[str, Any] | None = None,
    on_frame: Callable[[Frame], object] | None = None,
    listen: Callable[[Callable[[Event], object]], object] = lambda _: None,
    acting: Callable[[Callable[[Action], object]], object] = lambda _: None,
    limit_bytes: int | None = None,
) -> Meta:
    """Record ``source`` into ``folder`` for ``seconds``, or until interrupted; answers its meta.

    The first reading only starts the rates and is not kept. ``listen`` is given what is to be called with
    each event; those from before the recording are not kept. ``acting`` is given what is to be called with
    each action that is taken, from any thread. At ``limit_bytes`` the oldest frames go.
    """
    recorder = Recorder(folder, source.schema, describe_host(source.schema, labels=labels), limit_bytes)
    began_ns = (clock or SystemClock()).wall_ns()
    listen(lambda event: recorder.event(event) if event.ts_ns >= began_ns else None)
    acting(recorder.action)
    sampler = Sampler(source, period_s, clock)
    try:
        sampler.next()
        kept = 0
        while seconds is None or (kept + sampler.missed) * period_s < seconds:
            frame = sampler.next()
            recorder.append(frame)
            kept += 1
            if on_frame is not None:
                on_frame(frame)
    except KeyboardInterrupt:
        pass
    finally:
        states = [asdict(state) for state in source.sources()]
        recorder.meta = replace(recorder.meta, missed=sampler.missed, sources=states)
        meta = recorder.close()
    return meta


def finish(folder: Path, schema: Schema) -> Meta:
    """Turn an interrupted recording into Parquet; a finished one is left as it is.

    Raises JepaError when it is no recording, has other channels, is still written or cannot be.
    """
    meta = read_meta(folder)
    if meta.finished:
        _remove_working_files(folder)
        return meta
    _check_schema(folder, meta, schema)
    if (folder / "events.jsonl").exists():
        raise JepaError(
            f"The recording {folder} was interrupted under an earlier version of jepa.",
            "Complete it with the version that made it.",
        )
    if meta.schema_digest != schema.digest:
        raise JepaError(
            f"The recording {folder} was interrupted, and has other channels than this version of jepa.",
            "Complete it with the version that made it.",
        )
    log = FrameLog(folder / "log", schema, _UNBOUNDED)
    try:
        frames = log.arrays(since_ns=-(1 << 62))
        actions = [
            (row["ts"], row["action"], json.dumps(row["args"])) for row in read_rows(folder / _ACTIONS)
        ]
        events = [tuple(row.get(name) for name in _EVENT_COLUMNS) for row in read_rows(folder / _EVENTS)]
        _write_tables(folder, schema, frames, actions, events)
        ts = frames.ts_ns
        meta = replace(
            meta,
            start_ns=int(ts[0]) if len(ts) else None,
            seconds=float(ts[-1] - ts[0]) / 1e9 if len(ts) else 0.0,
            frames=len(ts),
            finished=True,
        )
        _write_meta(folder, meta)
    except OSError as error:
        raise _failed(folder, error) from error
    finally:
        log.close()
    _remove_working_files(folder)
    return meta


def save(folder: Path, recording: Recording) -> None:
    """Write ``recording`` as a finished one into ``folder``, which is there and empty. Raises OSError."""
    frames = Frames(recording.ts_ns, recording.values)
    actions = [(each.ts_ns, each.action, json.dumps(dict(each.args))) for each in recording.actions]
    events = [
        (each.ts_ns, each.kind, each.unit, each.detail, each.severity, each.source)
        for each in recording.events
    ]
    _write_tables(folder, recording.schema, frames, actions, events)
    _write_meta(folder, recording.meta)


def _write_tables(
    folder: Path,
    schema: Schema,
    frames: Frames,
    actions: Sequence[tuple[Any, ...]],
    events: Sequence[tuple[Any, ...]],
) -> None:
    columns: dict[str, npt.NDArray[Any]] = {"ts": frames.ts_ns}
    columns |= {name: frames.values[:, position] for position, name in enumerate(schema.names)}
    parquet.write_columns(folder / "frames.parquet", columns)
    parquet.write_rows(folder / "actions.parquet", _ACTION_COLUMNS, actions)
    parquet.write_rows(folder / "events.parquet", _EVENT_COLUMNS, events)


_ACTION_COLUMNS = {"ts": "BIGINT", "action": "VARCHAR", "args": "VARCHAR"}
_FIRST_EVENT_COLUMNS = ("ts", "kind", "unit", "detail")
"""Those of the first recordings."""
_EVENT_COLUMNS = dict.fromkeys((*_FIRST_EVENT_COLUMNS, "severity", "source"), "VARCHAR") | {"ts": "BIGINT"}


def load_twin(folder: Path, schema: Schema, ending: str = TWIN) -> Recording | None:
    """The second run of the workload recorded in ``folder``, from beside it; None where there is none.

    With ``ending`` UNTOUCHED, the run without actions.
    """
    twin = folder.with_name(folder.name + ending)
    return load_recording(twin, schema) if twin.is_dir() else None


def load_recording(folder: Path, schema: Schema) -> Recording:
    """The channels of ``schema`` in the recording in ``folder``, completed first when it was interrupted.

    One that is being written is given as it is now. Raises JepaError when there is none, or when it lacks a
    channel of ``schema``.
    """
    made = read_meta(folder)
    _check_schema(folder, made, schema)
    # An interrupted one can only be completed with all the channels it was made with.
    whole = schema if made.schema_digest == schema.digest else load_schema()
    try:
        meta = finish(folder, whole)
    except JepaError as error:
        if error.status != 409 or made.schema_digest != whole.digest:
            raise
        return _running(folder, made, schema, whole)
    frames = parquet.read(folder / "frames.parquet")
    missing = [name for name in ("ts", *schema.names) if name not in frames]
    if missing:
        raise JepaError(
            f"The recording {folder} lacks {len(missing)} columns, among them {', '.join(missing[:3])}.",
            "Record again with this version of jepa.",
        )
    if frames["ts"].dtype != np.int64 or np.ma.is_masked(frames["ts"]):
        raise JepaError(f"The recording {folder} has frames without a time.", "Record again.")
    ts_ns = np.asarray(frames["ts"])
    values = np.empty((len(ts_ns), len(schema.names)), np.float32)
    for position, name in enumerate(schema.names):
        values[:, position] = np.ma.filled(np.ma.asarray(frames[name]).astype(np.float32), np.nan)
    actions = parquet.read_rows(folder / "actions.parquet", tuple(_ACTION_COLUMNS))
    events = _read_events(folder / "events.parquet")
    return Recording(
        schema=schema,
        ts_ns=ts_ns,
        values=values,
        actions=tuple(Action(ts, action, json.loads(args)) for ts, action, args in actions),
        events=tuple(Event(*row) for row in events),
        meta=meta,
    )


def _read_events(file: Path) -> list[tuple[Any, ...]]:
    try:
        return parquet.read_rows(file, tuple(_EVENT_COLUMNS))
    except JepaError:
        return parquet.read_rows(file, _FIRST_EVENT_COLUMNS)


def _running(folder: Path, meta: Meta, schema: Schema, whole: Schema) -> Recording:
    """A recording that another process is writing, as far as it has come."""
    frames: Frames = snapshot(folder / "log", whole)
    ts = frames.ts_ns
    return Recording(
        schema=schema,
        ts_ns=ts,
        values=frames.values[:, [whole.index(name) for name in schema.names]],
        actions=tuple(Action(row["ts"], row["action"], row["args"]) for row in read_rows(folder / _ACTIONS)),
        events=tuple(Event(row.pop("ts"), **row) for row in read_rows(folder / _EVENTS)),
        meta=replace(
            meta,
            start_ns=int(ts[0]) if len(ts) else None,
            seconds=float(ts[-1] - ts[0]) / 1e9 if len(ts) else 0.0,
            frames=len(ts),
        ),
    )


def read_meta(folder: Path) -> Meta:
    """The content of meta.json; JepaError when the directory holds no recording."""
    file = folder / "meta.json"
    try:
        return Meta(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise JepaError(
            f"{folder} holds no recording.",
            "Make one with `jepa record DIR`, and name its directory.",
            status=404,
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise JepaError(
            f"{file} cannot be read: {error}.", "Record again with this version of jepa."
        ) from error


def _check_schema(folder: Path, meta: Meta, schema: Schema) -> None:
    if meta.schema_version != schema.version:
        raise JepaError(
            f"The recording {folder} has version {meta.schema_version} channels, not {schema.version}.",
            "Record again with this version of jepa, or read it with the version that made it.",
        )


def _write_meta(folder: Path, meta: Meta) -> None:
    # It syncs the folder: the Parquet files' names must be on the disk, too, before the frame log may go.
    replace_file(folder / "meta.json", json.dumps(asdict(meta), indent=2) + "\n")


def _remove_working_files(folder: Path) -> None:
    shutil.rmtree(folder / "log", ignore_errors=True)
    (folder / _ACTIONS).unlink(missing_ok=True)
    (folder / _EVENTS).unlink(missing_ok=True)


def _failed(folder: Path, error: OSError) -> JepaError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return JepaError(
        f"The recording {folder} cannot be written: {reason}.",
        "Free some space there; what was recorded is kept, and `jepa evaluate` completes it.",
        status=507,
    )
