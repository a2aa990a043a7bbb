# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab fleet train | tune | ablate | evaluate` by the command line, on two raylets.

The machines are real recordings, each begun somewhere else. How much a pack gains by tuning is not looked at
here (`test_publish` does): that the commands do on a cluster what they say, also when a worker is killed or
half of the store is rubbish, is.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jepa.evaluation.report import rounded_text
from jepa.evaluation.session import Session
from jepa.fleet.keys import OwnerKey
from jepa.fleet.spool import Spool
from jepa.fleet.store import Store
from jepa.fleet.upload import Uploader
from jepa.packs.pack import Pack, load_pack
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa_lab.cli import main
from jepa_lab.commands.fleet_training import NOT_BETTER
from jepa_lab.fleet.evaluate import judge_part, parts_of, sum_up
from jepa_lab.fleet.survey import Host, survey
from jepa_lab.weights import TRAINED
from tests.unit.conftest import MACHINE_PACK
from tests.unit.fleet.machines import SCHEMA, Clock, a_recording, owner_in, put, store_in, uploader
from tests.unit.jepa_lab.fleet.fleets import RECORDINGS, a_part, real

pytestmark = pytest.mark.slow
NAMES = ("t01-build", "t02-web", "t03-night", "t05-grow", "t06-storm", "t07-mixed")
FRAMES = 150
NOW_NS = time.time_ns()
HOUR_NS = 3600 * 10**9


def ending(recording: Recording, hours_ago: int) -> Recording:
    """``recording`` as if it had been made so long ago: the command looks at the clock of this machine."""
    ts_ns = recording.ts_ns - recording.ts_ns[-1] + NOW_NS - hours_ago * HOUR_NS
    return replace(recording, ts_ns=ts_ns, meta=replace(recording.meta, start_ns=int(ts_ns[0])))


def send(folder: Path, owner: OwnerKey, name: str, *recordings: Recording) -> Path:
    """Have the machine ``name`` send them; the folder of its files in the store."""
    store, spool = store_in(folder / "store"), Spool(folder / name)
    before = set((folder / "store").glob("hosts/*"))
    for each in recordings:
        put(spool, each)
    assert uploader(spool, store, owner.fleet, Clock(NOW_NS)).run().fault is None
    (mine,) = set((folder / "store").glob("hosts/*")) - before
    return mine


def alone(address: str, hosts: tuple[Host, ...], pack: Pack) -> str:
    """What one process without Ray finds, as the command writes it."""
    answers: list[Session] = []
    for host, part in parts_of(hosts):
        answer = judge_part(address, host, part, pack, None, True)
        assert isinstance(answer, Session)
        answers.append(answer)
    return rounded_text(sum_up(hosts, answers, pack).to_json())


def test_rubbish_is_named_and_a_killed_worker_changes_no_digit(
    raylets: str,
    killer: Callable[..., Any],
    pack: Pack,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    owner = owner_in(tmp_path / "keys")
    good = [ending(a_part(real(name), 0, FRAMES, 30 * place), 2) for place, name in enumerate(NAMES[:3])]
    machines = [send(tmp_path, owner, name, each) for name, each in zip(NAMES, good, strict=False)]
    address = f"file://{tmp_path}/store"
    wanted = alone(address, survey(Store(address), owner, SCHEMA, NOW_NS).hosts, pack)
    spoiled = dict(spoil(tmp_path, owner))
    spoiled[the_same_again(tmp_path, owner, machines[0], good[0])] = "It is the same recording as"
    capsys.readouterr()
    out = tmp_path / "found.json"
    dead = killer("judge_part")
    given = [address, "--key", str(tmp_path / "keys/owner.key"), "--address", raylets]
    assert main(["fleet", "evaluate", *given, "--pack", str(MACHINE_PACK), "--out", str(out)]) == 0
    assert dead.end() is not None
    said = capsys.readouterr().err
    assert "\n3 machines\n" in said
    for host, why in spoiled.items():
        (line,) = (line for line in said.splitlines() if host in line and why in line)
        assert line.startswith("left out or doubtful: ")
    assert out.read_text() == wanted


def spoil(folder: Path, owner: OwnerKey) -> Iterator[tuple[str, str]]:
    """Add machines that each are wrong in their way; what of each is to be said."""
    some = [ending(a_part(real("t06-storm"), 0, FRAMES, 9 * number), 3) for number in range(7)]
    yield send(folder, owner, "future", ending(some[0], -48)).name, "It is from the future"
    yield other_channels(folder, owner), "It has other channels"
    half = send(folder, owner, "half", some[1])
    next(half.glob("*/events.parquet")).unlink()
    yield half.name, "events.parquet is missing"
    unclaimed = send(folder, owner, "unclaimed", some[2])
    next(unclaimed.glob("*.manifest")).unlink()
    yield unclaimed.name, "No manifest names it"
    zeros = send(folder, owner, "zeros", some[3])
    with next(zeros.glob("*/frames.parquet")).open("wb") as opened:
        opened.truncate(10 << 30)
    yield zeros.name, f"frames.parquet has {10 << 30} bytes"
    nothing = replace(some[4], values=np.zeros_like(some[4].values))
    yield send(folder, owner, "nothing", nothing).name, "It holds nothing but zeros"
    altered = send(folder, owner, "altered", some[5])
    file = next(altered.glob("*/frames.parquet"))
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    yield altered.name, "was altered since the machine sent it"
    signed = send(folder, owner, "signed", some[6])
    manifest = next(signed.glob("*.manifest"))
    manifest.write_bytes(manifest.read_bytes().replace(b'"frames":150', b'"frames":149'))
    yield f"{signed.name}/{manifest.name}", "altered"


def the_same_again(folder: Path, owner: OwnerKey, machine: Path, recording: Recording) -> str:
    """Another machine that sends the ``recording`` of ``machine``, and is looked at after that."""
    for number in range(64):
        copy = send(folder, owner, f"copy{number}", recording)
        if copy.name > machine.name:
            return copy.name
        shutil.rmtree(copy)
    raise AssertionError("none of 64 names comes after another")


def other_channels(folder: Path, owner: OwnerKey) -> str:
    """A machine whose version of jepa has a channel less."""
    schema = Schema(SCHEMA.version, SCHEMA.channels[:-1])
    spool = Spool(folder / "other")
    before = set((folder / "store").glob("hosts/*"))
    put(spool, ending(a_recording(schema=schema), 3))
    store = Store((folder / "store").as_uri())
    assert Uploader(spool, store, owner.fleet, schema, 1e9, clock=Clock(NOW_NS)).run().fault is None
    (mine,) = set((folder / "store").glob("hosts/*")) - before
    return mine.name


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, OwnerKey]:
    """Eighteen machines of one kind, of which six are held out."""
    folder = tmp_path_factory.mktemp("fleet")
    owner = owner_in(folder / "keys")
    for name in NAMES:
        for turn in (1, 2, 3):
            send(folder, owner, f"{name}-{turn}", ending(a_part(real(name), 0, FRAMES, 45 * turn), 1))
    return folder, owner


@pytest.fixture
def ask(fleet: tuple[Path, OwnerKey], raylets: str, tmp_path: Path) -> Callable[..., int]:
    """``ask(command, option, ...)``: its exit status, on two raylets."""
    folder, _ = fleet
    # Recordings without trials: what settings do would take longer to learn than all else here.
    shutil.copytree(RECORDINGS / "t01-build", tmp_path / "recorded/t01-build")
    training = ["--steps", "1", "--trials", str(tmp_path / "recorded")]

    def asked(command: str, *options: object) -> int:
        given = [f"file://{folder}/store", "--key", str(folder / "keys/owner.key"), "--address", raylets]
        more = [] if command == "evaluate" else training
        try:
            return main(["fleet", command, *given, *more, *map(str, options)])
        except SystemExit as ended:
            return int(str(ended.code))

    return asked


def test_a_pack_is_trained_and_then_tuned_though_a_worker_is_killed(
    ask: Callable[..., int],
    killer: Callable[..., Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    little, tuned, state = (tmp_path / name for name in ("little", "tuned", "state"))
    assert ask("train", "--out", little, "--version", "0.0.1", "--state", state) == 0
    assert "machine 0.0.1" in capsys.readouterr().out
    # A pack that knows little, beside the weights of the shipped one, from which its tuning begins.
    shutil.copy(MACHINE_PACK / TRAINED, little)
    dead = killer("RayTrainWorker")
    told = ("--from", little, "--version", "0.0.2", "--out", tuned, "--state", state)
    assert ask("tune", *told) == 0
    assert dead.end() is not None
    said = capsys.readouterr().out
    assert "beyond noise" in said
    assert "machine 0.0.2" in said
    assert load_pack(tuned, SCHEMA).title == "machine 0.0.2"
    assert json.loads((tuned / "results/heldout.json").read_text())["for"][0]["better"]


def test_a_pack_that_is_not_bettered_stays(
    ask: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    told = ("--from", MACHINE_PACK, "--version", "9.0.0", "--out", out, "--state", tmp_path / "state")
    assert ask("tune", *told) == NOT_BETTER
    said = capsys.readouterr()
    assert "not beyond noise" in said.out
    assert "Nothing is published" in said.err
    assert not out.exists()


def test_variants_are_trained_and_kept(ask: Callable[..., int], tmp_path: Path) -> None:
    out, names = tmp_path / "ablations.json", ["half of the sessions", "roles not mirrored"]
    assert ask("ablate", "--kept", tmp_path / "kept", "--out", out, "--only", *names) == 0
    rows = json.loads(out.read_text())["rows"]
    assert sorted(row[0] for row in rows) == sorted(names)
    assert all(0 < row[2] < 1 for row in rows)
