# SPDX-License-Identifier: Apache-2.0
"""An installed pack that is not fit any more does not leave the machine without forecasts."""

import subprocess
import sys
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.packs import places
from jepa.service import assembly
from jepa.telemetry.schema import load_schema

SOURCE = Path(__file__).parents[3] / "model-packs" / "machine"


def test_what_takes_long_to_import_is_left_until_jepad_is_ready() -> None:
    program = (
        "import sys, jepa.service.assembly, jepa.service.http; "
        "print({'pydantic', 'onnxruntime', 'asyncio', 'unittest'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_the_systems_own_pack_is_used_where_the_chosen_one_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JEPA_PACK", raising=False)
    monkeypatch.setattr(assembly, "chosen_title", lambda kind: "machine_9.9.9")
    monkeypatch.setattr(assembly, "INSTALLED", SOURCE)
    loaded = assembly.load_default(load_schema())
    assert loaded.pack.startswith("machine ")
    assert loaded.instead is not None
    assert "machine_9.9.9" in loaded.instead.problem
    monkeypatch.setattr(assembly, "INSTALLED", tmp_path)
    with pytest.raises(JepaError, match="There is no pack in"):
        assembly.load_default(load_schema())


def test_a_pack_that_is_named_is_used_or_nothing_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(assembly, "chosen_title", lambda kind: "machine_9.9.9")
    monkeypatch.setenv("JEPA_PACK", str(SOURCE))
    assert assembly.load_default(load_schema()).instead is None
    monkeypatch.setenv("JEPA_PACK", str(tmp_path))
    with pytest.raises(JepaError, match="There is no pack in"):
        assembly.load_default(load_schema())


def test_another_pack_takes_over_between_two_frames_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JEPA_PACK", str(SOURCE))
    monkeypatch.setattr(places, "INSTALLED", SOURCE)
    engine = assembly.machine_engine(None, mode="daemon")
    engine.start()
    try:
        assert engine.ring.wait(3, timeout_s=30)
        assert engine.predictor.settled.wait(60)
        first = engine.ring.taken
        answer = engine.use_pack("machine")
        assert answer.pack == answer.before
        assert engine.ring.wait(engine.ring.taken + 2, timeout_s=30)
        entries = [entry for entry in engine.ring.newest() if entry.sequence >= first]
        assert [entry.sequence for entry in entries if entry.tick is None] == []
        assert engine.missed == 0
        with pytest.raises(JepaError, match=r"There is no pack 'nothing' here.*stays in use"):
            engine.use_pack("nothing")
    finally:
        engine.stop()
        engine.predictor.close()
