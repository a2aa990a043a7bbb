# SPDX-License-Identifier: Apache-2.0
"""The gate reads the hours of a real Prometheus, and its decision is what the channel then says."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.fleet.prometheus import Prometheus
from jepa.updates.channel import SUMS, WITHDRAWN
from jepa.updates.waves import WAVES
from jepa_lab.cli import main
from jepa_lab.fleet.gate import Decision
from jepa_lab.fleet.gate_figures import judge
from jepa_lab.fleet.waves import Waves, signer
from tests.unit.fleet.prometheus_server import Past, prometheus
from tests.unit.updates.channels import release_key

HOUR = 3600
BEFORE, AFTER = 24, 30
NOW = int(time.time())
START = NOW - AFTER * HOUR - 60 + 0.2718
"""Nobody releases at a full second."""
NAMES = [f"m{number}" for number in range(7)]
SKILL = {"0.9.0": 0.5, "1.1.0": 0.7, "1.3.0": 0.7}


def past() -> Past:
    """Seven machines. m0 gets 1.1.0 and is then forecast a fifth worse, m1 gets 1.2.0, m2 another image.

    m6 had the bad 0.9.0 until a quarter of an hour before it got 1.3.0, which is like 1.1.0.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    for number, name in enumerate(NAMES):
        chance = random.Random(number)
        total = {
            "windows": 0.0,
            "right": 0.0,
            "repeated_right": 0.0,
            "covered": 0.0,
            "frames": 0.0,
            "odd": 0.0,
        }
        version = ""
        for step in range(3 * (BEFORE + AFTER)):
            at = START - BEFORE * HOUR + step * HOUR // 3
            new = at >= START + 600
            now = {"m0": "1.1.0", "m1": "1.2.0", "m6": "1.3.0"}.get(name, "1.0.0") if new else "1.0.0"
            if name == "m6" and START - 6 * HOUR <= at < START - 900:
                now = "0.9.0"
            if now != version:
                version, total = now, dict.fromkeys(total, 0.0)
            skill = SKILL.get(version, 0.9)
            total["windows"] += 400
            total["right"] += 400 * (skill + chance.gauss(0, 0.01) - number / 100)
            total["repeated_right"] += 400 * 0.75
            total["covered"] += 400 * 0.9
            total["frames"] += 1200
            total["odd"] += 12
            of = f'job="jepa",instance="{name}"'
            pack = f'{of},pack="machine",version="{version}"'
            if name == "m6" and at == START:
                series[f"jepa_pack_info{{{pack}}}"].append((START - 60, 1.0))
                series[f'jepa_system_info{{{of},version="0.1.0",image="0.2.0"}}'].append((START - 60, 1.0))
            image = "0.3.0" if name == "m2" and new else "0.2.0"
            for text, value in {
                f"up{{{of}}}": 1.0,
                f'jepa_part_state{{{of},part="model",state="ok"}}': 1.0,
                f'jepa_system_info{{{of},version="0.1.0",image="{image}"}}': 1.0,
                f"jepa_pack_info{{{pack}}}": 1.0,
                f'jepa_forecast_windows_total{{{pack},horizon_s="5"}}': total["windows"],
                f'jepa_forecast_right_total{{{pack},horizon_s="5"}}': total["right"],
                f'jepa_forecast_repeated_right_total{{{pack},horizon_s="5"}}': total["repeated_right"],
                f'jepa_forecast_covered_total{{{pack},horizon_s="5"}}': total["covered"],
                f"jepa_surprise_frames_total{{{pack}}}": total["frames"],
                f"jepa_surprising_frames_total{{{pack}}}": total["odd"],
                f'jepa_alerts_total{{{of},kind="anomaly",outcome="false"}}': 3.0,
            }.items():
                series.setdefault(text, []).append((at, value))
    return series


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with prometheus(past()) as address:
        yield address


@pytest.fixture(scope="module")
def key() -> Iterator[Path]:
    with release_key() as made:
        yield made


@pytest.mark.parametrize(
    ("title", "decision", "machine"),
    [
        ("machine_1.1.0", Decision.BACK, "m0"),
        ("machine_1.2.0", Decision.GO, "m1"),
        ("machine_1.3.0", Decision.BACK, "m6"),
        ("jepa-os_0.3.0", Decision.GO, "m2"),
    ],
)
def test_the_hours_since_a_release_decide(title: str, decision: Decision, machine: str, server: str) -> None:
    judged = judge(Prometheus(server, {}), "jepa", title, START, NOW)
    assert judged.gate.decision is decision
    assert judged.machines == (machine,)
    assert judged.others == 3, "not those that got something else in the same hours"
    found = {each.name: each for each in judged.gate.findings()}
    accuracy = found["accuracy above repetition"]
    assert accuracy.difference is not None
    assert accuracy.difference == pytest.approx(-0.2 if decision is Decision.BACK else 0.0, abs=0.01)
    assert found["time in order"].difference == pytest.approx(0.0)


def test_who_had_it_in_an_earlier_wave_is_on_neither_side(server: str) -> None:
    judged = judge(Prometheus(server, {}), "jepa", "machine_1.1.0", START + 4 * HOUR, NOW)
    assert judged.machines == ()
    assert judged.others == 6


def test_a_version_that_no_machine_has_yet_waits(server: str) -> None:
    judged = judge(Prometheus(server, {}), "jepa", "machine_9.0.0", START, NOW)
    assert judged.gate.decision is Decision.WAIT
    assert judged.machines == ()


def test_within_the_first_hour_nothing_is_said(server: str) -> None:
    assert judge(Prometheus(server, {}), "jepa", "machine_1.1.0", START, START + 1800).hours == 0


def test_without_a_past_the_gate_says_so(server: str) -> None:
    with pytest.raises(JepaError, match="no machine in the job 'other' from before"):
        judge(Prometheus(server, {}), "other", "machine_1.1.0", START, NOW)


def test_the_decision_is_carried_out_when_it_is_asked_for(
    server: str, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = tmp_path / "channel"
    waves = Waves(channel, signer(key), lambda: float(START))
    for version in ("1.1.0", "1.2.0", "9.0.0"):
        image = tmp_path / f"machine_{version}.raw"
        image.write_text(version)
        waves.start([image])
    asked = ["fleet", "gate", str(channel), "--prometheus", server, "--keys", str(key)]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {each["title"]: each["decision"] for each in told} == {
        "machine_1.1.0": "back",
        "machine_1.2.0": "go",
        "machine_9.0.0": "wait",
    }
    assert {each.wave for each in waves.released()} == {"canary"}, "nothing was done"
    assert main([*asked, "--do"]) == 0
    said = capsys.readouterr().out
    assert "machine_1.1.0 was taken back." in said
    assert "machine_1.2.0 was released to tenth." in said
    assert main(["fleet", "waves", str(channel)]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["machine_9.0.0", "canary"],
        ["machine_1.1.0", "back"],
        ["machine_1.2.0", "tenth"],
    ]


def test_shorter_pieces_than_hours_are_judged_when_it_is_asked_for(
    server: str, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    channel, image = tmp_path / "channel", tmp_path / "machine_1.1.0.raw"
    image.write_text("1.1.0")
    Waves(channel, signer(key), lambda: float(START)).start([image])
    asked = ["fleet", "gate", str(channel), "--prometheus", server]
    assert main([*asked, "--period", "2400"]) == 0
    pieces = int(time.time() - int(START)) // 2400
    assert f"machine_1.1.0, canary, {pieces} x 2400 s on 1 machines beside" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*asked, "--period", "0"])


def test_releasing_by_hand(key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channel, image = str(tmp_path / "channel"), tmp_path / "machine_1.0.0.raw"
    image.write_text("x")
    keys = ["--keys", str(key)]
    assert main(["fleet", "release", channel, str(image), *keys]) == 0
    assert main(["fleet", "next", channel, "machine_1.0.0", *keys]) == 0
    assert main(["fleet", "back", channel, "machine_1.0.0", *keys]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "machine_1.0.0 was released to canary.",
        "machine_1.0.0 was released to tenth.",
        "machine_1.0.0 was taken back.",
    ]
    assert main(["fleet", "next", channel, "machine_1.0.0", *keys]) == 1
    assert "was taken back" in capsys.readouterr().err


def test_no_wave_has_an_empty_list_of_sums(key: Path, tmp_path: Path) -> None:
    """systemd-sysupdate takes one for a transfer that broke off, and the machine's owner is told so."""
    channel, image = tmp_path / "channel", tmp_path / "machine_1.0.0.raw"
    image.write_text("x")
    (channel / "all").mkdir(parents=True)
    (channel / "all" / SUMS).touch()
    assert main(["fleet", "release", str(channel), str(image), "--keys", str(key)]) == 0
    listed = {wave: (channel / wave / SUMS).read_text().split() for wave in WAVES}
    assert [names[1::2] for names in listed.values()] == [[image.name, WITHDRAWN], [WITHDRAWN], [WITHDRAWN]]


def test_without_a_key_nothing_is_released(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "machine_1.0.0.raw"
    image.write_text("x")
    words = ["fleet", "release", str(tmp_path / "channel"), str(image), "--keys", str(tmp_path / "none")]
    assert main(words) == 1
    assert "cannot be signed" in capsys.readouterr().err
