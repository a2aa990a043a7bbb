# SPDX-License-Identifier: Apache-2.0
"""Puts an engine together from this machine's telemetry, the history on disk and the pack in use."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from jepa.errors import JepaError
from jepa.packs.places import INSTALLED, chosen_title, default_pack_dir, named_pack
from jepa.service.engine import Engine
from jepa.service.events import EventStore
from jepa.service.history import History
from jepa.service.predictor import Loaded
from jepa.service.share import Share
from jepa.tasks.store import TaskStore
from jepa.telemetry.collector.feed import CollectorFeed
from jepa.telemetry.collector.socket_path import collector_socket
from jepa.telemetry.machine import open_machine
from jepa.telemetry.schema import Schema, load_schema


def machine_engine(
    state: Path | None, *, mode: Literal["daemon", "local"], share: Share | None = None
) -> Engine:
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
        learning_file=None if state is None or mode == "local" else state / "learning.jsonl",
        alerts_file=None if state is None else state / "alerts.json",
        tasks=TaskStore(None if state is None or mode == "local" else state / "tasks.jsonl"),
        load_named=None if mode == "local" else lambda name: _load(named_pack(name), schema),
        share=share,
    )
    source.listen(engine.add_event)
    return engine


def machine_source(schema: Schema, *, local: bool) -> CollectorFeed:
    """This machine's frames and events: the collector's, or read here while there is no collector.

    In a ``local`` process a person who may load BPF programs has them; jepad never may.
    """
    return CollectorFeed(collector_socket(), schema, lambda: open_machine(schema=schema, kernel=local))


def load_default(schema: Schema) -> Loaded:
    """The model of the pack in use, or of the system's own where that one is not fit any more.

    JepaError when there is none or it does not fit ``schema``.
    """
    title = None if "JEPA_PACK" in os.environ else chosen_title("machine")
    if title is None:
        return _load(default_pack_dir(), schema)
    try:
        return _load(named_pack(title), schema)
    except JepaError as fault:
        return replace(_load(INSTALLED, schema), instead=fault)


def _load(folder: Path, schema: Schema) -> Loaded:
    # Imported in the loading thread: ONNX Runtime takes longer to import than all else together.
    from jepa.packs.pack import load_pack
    from jepa.world.model import WorldModel

    pack = load_pack(folder, schema)
    return Loaded(pack.title, WorldModel.load(pack, schema))
