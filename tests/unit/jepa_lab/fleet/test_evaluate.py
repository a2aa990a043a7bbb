# SPDX-License-Identifier: Apache-2.0
"""Two raylets on this machine judge what one process judges, to the digit, also when a worker is killed."""

import json
import pickle
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.evaluation.evaluate import judge
from jepa.evaluation.report import Evaluation, rounded_text
from jepa.evaluation.session import Session, judge_session, together
from jepa.fleet.keys import OwnerKey
from jepa.fleet.spool import Spool
from jepa.packs.pack import Pack
from jepa.telemetry.recording import Recording
from jepa_lab.fleet.cluster import Away, cluster
from jepa_lab.fleet.evaluate import evaluate_fleet, judge_part, parts_of, sum_up
from jepa_lab.fleet.survey import Host, Problem, survey
from tests.unit.fleet.machines import NOON_NS, SCHEMA, owner_in, put, store_in, uploader

FRAMES = 150
HOUR_NS = 3600 * 10**9


@pytest.fixture(scope="module")
def recordings(recording: Recording) -> list[Recording]:
    """Four different stretches of a real recording, each an hour after the one before."""
    made = []
    for number in range(4):
        part = slice(number * 30, number * 30 + FRAMES)
        ts_ns = recording.ts_ns[part] - recording.ts_ns[part][0] + NOON_NS + number * HOUR_NS
        meta = replace(recording.meta, start_ns=int(ts_ns[0]), frames=FRAMES, labels={"listened": True})
        made.append(Recording(recording.schema, ts_ns, recording.values[part], (), (), meta))
    return made


@pytest.fixture(scope="module")
def sent(
    recordings: list[Recording], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, tuple[Host, ...]]:
    """A store with them, of two machines."""
    folder = tmp_path_factory.mktemp("fleet")
    owner: OwnerKey = owner_in(folder / "keys")
    store = store_in(folder / "store")
    for machine in range(2):
        spool = Spool(folder / str(machine))
        for one in recordings[machine::2]:
            put(spool, one)
        assert uploader(spool, store, owner.fleet).run().fault is None
    return store.address, survey(store, owner, SCHEMA, NOON_NS + 9 * HOUR_NS).hosts


def in_order(hosts: tuple[Host, ...], recordings: list[Recording]) -> list[Recording]:
    """The recordings in the order in which the fleet has them."""
    by_start = {int(each.ts_ns[0]): each for each in recordings}
    return [by_start[part.start_ns] for host in hosts for part in host.parts]


def test_a_part_that_was_altered_is_a_problem_and_a_store_that_is_away_is_none(
    sent: tuple[str, tuple[Host, ...]], pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, (host, *_) = sent
    forged = replace_sums(host)
    assert isinstance(judge_part(address, host.host, forged, pack, None, True), Problem)
    monkeypatch.setattr("jepa_lab.fleet.fetch.SystemClock", Hurried)
    nowhere = (tmp_path / "none").as_uri()
    assert isinstance(judge_part(nowhere, host.host, host.parts[0], pack, None, True), Away)


class Hurried:
    """A clock on which no wait takes any time."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def replace_sums(host: Host) -> "object":
    """The first part, as if its machine had signed other files."""
    part = host.parts[0]
    files = {name: replace(file, sha256="0" * 64) for name, file in part.files.items()}
    return replace(part, files=files)


def compared(content: dict[str, object]) -> dict[str, object]:
    """Without what depends on whether recordings or machines are drawn."""
    skipped = ("recordings", "cohorts", "model_ahead_lower")
    return {
        key: compared(value) if isinstance(value, dict) else value
        for key, value in json.loads(rounded_text(content)).items()
        if key not in skipped and not key.endswith("_lower")
    }


def test_sums_by_machine_give_the_figures_of_single_recordings(
    sent: tuple[str, tuple[Host, ...]], recordings: list[Recording], pack: Pack
) -> None:
    hosts = sent[1]
    sessions = [judge_session(each, pack) for each in in_order(hosts, recordings)]
    judged = sum_up(hosts, [together([each]) for each in sessions], pack)
    assert compared(judged.to_json()) == compared(judge(sessions, pack).to_json())
    assert [each["parts"] for each in judged.evaluation.recordings] == [2, 2]
    ((cohort, found),) = judged.cohorts.items()
    assert (found.machines, found.figures) == (2, judged.evaluation.figures)
    assert cohort in judged.to_text()
    # What is kept does not grow with the hours.
    one, four = (len(pickle.dumps(together(some))) for some in (sessions[:1], sessions))
    assert four < 1.01 * one


def test_of_many_machines_no_more_is_held_than_groups_and_intervals_are_those_of_machines(
    sent: tuple[str, tuple[Host, ...]],
    recordings: list[Recording],
    pack: Pack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(1)
    answers = [together([judge_session(each, pack)]) for each in recordings]
    host = replace(sent[1][0], parts=sent[1][0].parts[:1])
    fleet = [replace(host, host=f"h-{number:016x}") for number in range(64)]
    given = [rng.choice(answers) for _ in fleet]
    held: list[int] = []

    def judged(groups: int) -> Evaluation:
        monkeypatch.setattr("jepa_lab.fleet.evaluate.GROUPS", groups)
        return sum_up(fleet, given, pack).evaluation

    def counted(sessions: list[Session], *others: Any) -> Evaluation:
        held.append(len(sessions))
        return judge(sessions, *others)

    monkeypatch.setattr("jepa_lab.fleet.evaluate.judge", counted)
    grouped, alone = judged(16), judged(64)
    assert held == [16, 16, 64, 64]  # of the one cohort, and of all
    assert [each["machine"] for each in grouped.recordings] == [each.host for each in fleet]
    ours, theirs = grouped.figures, alone.figures
    assert ours.banded_accuracy is not None and theirs.banded_accuracy is not None
    assert ours.banded_accuracy_lower is not None and theirs.banded_accuracy_lower is not None
    assert ours.banded_accuracy == pytest.approx(theirs.banded_accuracy)
    width = theirs.banded_accuracy - theirs.banded_accuracy_lower
    assert ours.banded_accuracy - ours.banded_accuracy_lower == pytest.approx(width, rel=0.5)


@pytest.mark.slow
def test_two_raylets_give_the_figures_of_one_process_also_when_a_worker_is_killed(
    sent: tuple[str, tuple[Host, ...]], raylets: str, killer: Callable[..., Any], pack: Pack
) -> None:
    import ray

    address, hosts = sent
    alone = sum_up(
        hosts,
        [judge_part(address, host, part, pack, None, True) for host, part in parts_of(hosts)],
        pack,
    ).to_json()
    with cluster(raylets):
        assert len(ray.nodes()) == 2
        dead = killer("judge_part")
        first = evaluate_fleet(address, hosts, pack)
        assert dead.end() is not None
        again = evaluate_fleet(address, hosts, pack)
    assert rounded_text(first.to_json()) == rounded_text(alone)
    assert rounded_text(again.to_json()) == rounded_text(alone)
    assert (first.hosts, first.problems) == (2, ())


@pytest.mark.slow
def test_a_store_that_is_away_for_a_minute_changes_no_figure(
    sent: tuple[str, tuple[Host, ...]], raylets: str, pack: Pack
) -> None:
    address, hosts = sent
    store = Path(address.removeprefix("file://"))
    away = store.with_name("away")
    with cluster(raylets):
        before = evaluate_fleet(address, hosts, pack)
        store.rename(away)
        back = threading.Timer(60, lambda: away.rename(store))
        back.start()
        began = time.monotonic()
        found = evaluate_fleet(address, hosts, pack)
        assert time.monotonic() - began > 55
        back.join()
    assert found.problems == ()
    assert rounded_text(found.to_json()) == rounded_text(before.to_json())


@pytest.mark.slow
def test_a_ray_of_another_version_is_refused_with_both(raylets: str) -> None:
    """The cluster says of itself that it is another; that is all that Ray looks at."""
    import ray
    from ray._private.ray_constants import KV_NAMESPACE_CLUSTER
    from ray._raylet import GcsClient

    told = GcsClient(address=raylets)
    place = {"key": b"CLUSTER_METADATA", "namespace": KV_NAMESPACE_CLUSTER}
    said = told.internal_kv_get(**place)
    assert ray.__version__ in said.decode()
    told.internal_kv_put(value=said.replace(ray.__version__.encode(), b"2.9.3"), overwrite=True, **place)
    try:
        with pytest.raises(JepaError, match=r"Version mismatch.*Ray: 2\.9\.3") as refused, cluster(raylets):
            pass
    finally:
        told.internal_kv_put(value=said, overwrite=True, **place)
    assert ray.__version__ in refused.value.remedy
    with cluster(raylets):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "a:b"])
def test_no_cluster_is_named_with_the_version_that_is_wanted(address: str) -> None:
    import ray

    with pytest.raises(JepaError, match="cannot be used") as refused, cluster(address):
        pass
    assert ray.__version__ in refused.value.remedy
