# SPDX-License-Identifier: Apache-2.0
"""Puts an engine together from this machine's telemetry, the history on disk and the pack in use."""

from pathlib import Path
from typing import Literal

from jepa.service.engine import Engine
from jepa.service.events import EventStore
from jepa.service.history import History
from jepa.service.predictor import Loaded
from jepa.tasks.store import TaskStore
from jepa.telemetry.collector.feed import Feed, collector_socket
from jepa.telemetry.machine import open_machine
from jepa.telemetry.schema import Schema, load_schema


def machine_engine(state: Path | None, *, mode: Literal["daemon", "local"]) -> Engine:
    """An engine over this machine, not yet started; without ``state`` it keeps frames in memory only.

    JepaError (409) when another process writes the history in ``state``.
    """
    schema = load_schema()
    history = History(None) if state is None else History.open(state / "frames", schema)
    events = EventStore(None) if state is None else EventStore.open(state / "events")
    source = machine_source(schema, local=mode == "local")
    engine = Engine(
        source,
        history,
        lambda: load_default(schema),
        mode=mode,
        events=events,
        goals_file=None if state is None else state / "goals.jsonl",
        alerts_file=None if state is None else state / "alerts.json",
        tasks=TaskStore(None if state is None or mode == "local" else state / "tasks.jsonl"),
    )
    source.listen(engine.add_event)
    return engine


def machine_source(schema: Schema, *, local: bool) -> Feed:
    """This machine's frames and events: the collector's, or read here while there is no collector.

    In a ``local`` process a person who may load BPF programs has them; jepad never may.
    """
    return Feed(collector_socket(), schema, lambda: open_machine(schema=schema, kernel=local))


def load_default(schema: Schema) -> Loaded:
    """The model of the default pack; JepaError when there is none or it does not fit ``schema``."""
    # Imported in the loading thread: ONNX Runtime takes longer to import than all else together.
    from jepa.packs.pack import default_pack_dir, load_pack
    from jepa.world.model import WorldModel

    pack = load_pack(default_pack_dir(), schema)
    return Loaded(pack.title, WorldModel.load(pack, schema))
