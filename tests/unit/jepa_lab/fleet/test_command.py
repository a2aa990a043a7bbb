# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab fleet` from its keys to the names in a store."""

import json
import time
from pathlib import Path

import pytest

from jepa.fleet.keys import read_fleet_key
from jepa.fleet.spool import Spool
from jepa_lab.cli import main
from tests.unit.fleet.machines import PERSON, UNIT, Clock, a_recording, put, store_in, uploader


def test_from_keys_to_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "keys", str(tmp_path)]) == 0
    assert "owner.key stays with you" in capsys.readouterr().out
    store, spool = store_in(tmp_path / "store"), Spool(tmp_path / "spool")
    ask = [store.address, "--key", str(tmp_path / "owner.key")]
    assert main(["fleet", "ls", *ask]) == 0
    assert capsys.readouterr().out.startswith("0 machines, 0.0 hours\n")
    clock = Clock(time.time_ns())
    put(spool, a_recording(clock.now_ns - 60 * 10**9))
    uploader(spool, store, read_fleet_key(tmp_path / "fleet.key"), clock).run()
    assert main(["fleet", "ls", *ask, "--json", "--check"]) == 0
    (host,) = json.loads(capsys.readouterr().out)["hosts"]
    assert host["parts"] == 1
    assert main(["fleet", "names", *ask]) == 0
    assert set(json.loads(capsys.readouterr().out)[host["host"]].values()) == {UNIT, PERSON}


def test_a_machine_has_not_the_owners_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["fleet", "keys", str(tmp_path)])
    store = store_in(tmp_path / "store").address
    assert main(["fleet", "ls", store, "--key", str(tmp_path / "fleet.key")]) == 1
    assert "'private'" in capsys.readouterr().err


def test_what_cannot_be_trained_is_said_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["fleet", "keys", str(tmp_path)])
    ask = [store_in(tmp_path / "store").address, "--key", str(tmp_path / "owner.key")]
    assert main(["fleet", "tune", *ask, "--version", "1.0.0", "--out", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
    out = ["--out", str(tmp_path / "out")]
    assert main(["fleet", "ablate", *ask, *out, "--only", "no second runs"]) == 1
    assert "no variant 'no second runs'" in capsys.readouterr().err
    assert main(["fleet", "train", *ask, *out, "--version", "1.0.0", "--frames", "240"]) == 1
    assert "240 frames is too small" in capsys.readouterr().err
