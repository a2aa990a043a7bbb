# SPDX-License-Identifier: Apache-2.0
"""`jepa fleet top`, of a real Prometheus: who is to be looked at, and what is said without one."""

import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.fleet import top
from jepa.fleet.prometheus import Prometheus, Series
from tests.unit.fleet.prometheus_server import free_port, prometheus, scraped

HOUR = 3600.0
RULES = Path(__file__).parents[3] / "contrib/prometheus/jepa.rules.yml"


def counter(now: float, per_hour: Sequence[float]) -> list[tuple[float, float]]:
    """A counter that grew by ``per_hour``, as it was at the ends of the days that are asked for."""
    total, pairs = 0.0, []
    for place, each in enumerate(per_hour):
        total += each
        hours = len(per_hour) - 1 - place
        if hours in (0, 23, 7 * 24, 7 * 24 + 23):
            pairs.append((now - HOUR * hours, total))
    return pairs


def machine(name: str, right: Sequence[float], **more: Any) -> dict[str, list[tuple[float, float]]]:
    """A machine with 1000 windows an hour, 800 of which repeating would hit, and ``right`` of which were."""
    now = time.time()
    of = f'job="jepa",instance="{name}"'
    pack = f'{of},pack="machine",version="1.0.0"'
    hours = len(right)
    latest = [(now, 1.0)]
    strange = more.get("strange", 0)
    return {
        f"up{{{of}}}": [(now, more.get("up", 1.0))],
        f'jepa_system_info{{{of},version="0.1.0",image="0.3.0"}}': latest,
        f"jepa_pack_info{{{pack}}}": latest,
        f'jepa_forecast_windows_total{{{pack},horizon_s="5"}}': counter(now, [1000] * hours),
        f'jepa_forecast_repeated_right_total{{{pack},horizon_s="5"}}': counter(now, [800] * hours),
        f'jepa_forecast_right_total{{{pack},horizon_s="5"}}': counter(now, right),
        f"jepa_surprise_frames_total{{{pack}}}": [(now - 1800, 0), (now, 1800)],
        f"jepa_surprising_frames_total{{{pack}}}": [(now - 1800, 0), (now, strange)],
        f'jepa_alerts_total{{{of},kind="anomaly",outcome="false"}}': counter(
            now, [more.get("vain", 0)] * hours
        ),
        f'jepa_part_state{{{of},part="history",state="degraded"}}': [(now, more.get("degraded", 0.0))],
    }


WEEK = 8 * 24


@pytest.fixture(scope="module")
def server(served: Any) -> Iterator[str]:
    past = {
        **machine("good", [900] * WEEK),
        **machine("regressed", [900] * (WEEK - 24) + [820] * 24),
        **machine("poor", [700] * WEEK),
        **machine("strange", [900] * WEEK, strange=900),
        **machine("vain", [900] * WEEK, vain=1),
        **machine("full", [900] * WEEK, degraded=1.0),
        **machine("away", [900] * WEEK, up=0.0),
        'ALERTS{job="jepa",instance="full",alertname="JepaPartFailed",alertstate="firing"}': [
            (time.time(), 1)
        ],
    }
    with scraped(served.socket) as target, prometheus(past, [target]) as address:
        asked = Prometheus(address, {})
        end = time.monotonic() + 30
        while len(asked.instant('jepa_system_info{job="jepa"}')) < 8 and time.monotonic() < end:
            time.sleep(0.1)
        yield address


def jepa(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "jepa.shell.cli", "fleet", "top", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_who_is_to_be_looked_at_comes_first_with_the_reason(server: str) -> None:
    found = {each.name: each for each in top.machines(Prometheus(server, {}), "jepa")}
    why = {name: each.why for name, each in found.items() if not name.startswith("127.")}
    assert why == {
        "away": ("away",),
        "full": ("history degraded", "JepaPartFailed"),
        "strange": ("surprised",),
        "poor": ("worse than repeating",),
        "regressed": ("regressed",),
        "vain": ("false alarms",),
        "good": (),
    }
    assert next(iter(found)) == "away"
    assert list(why)[-1] == "good"
    good = found["good"]
    assert (good.pack, good.image) == ("machine 1.0.0", "0.3.0")
    assert good.accuracy == pytest.approx(0.9)
    assert good.gain == pytest.approx(0.1)
    assert good.change == pytest.approx(0.0, abs=1e-9)
    assert found["regressed"].change == pytest.approx(-0.08, abs=0.005)
    assert found["strange"].surprising == pytest.approx(0.5)


def test_a_machine_that_was_scraped_is_among_them(server: str) -> None:
    (real,) = (each for each in top.machines(Prometheus(server, {}), "jepa") if each.name.startswith("127."))
    assert real.answers
    assert real.pack == "last-value 1"


def test_the_command_shows_it(server: str) -> None:
    said = jepa("--prometheus", server)
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert lines[1].split()[0] == "away"
    assert "of 8 machines are to be looked at." in lines[-1]
    assert not any(line.split()[:1] == ["good"] for line in lines)
    every = json.loads(jepa("--prometheus", server, "--all", "--json").stdout)
    assert {each["name"] for each in every} >= {"good", "poor"}
    assert every[0]["why"] == ["away"]


def test_an_unknown_job_is_said(server: str) -> None:
    with pytest.raises(JepaError, match="no machine in the job 'other'") as caught:
        top.machines(Prometheus(server, {}), "other")
    assert caught.value.status == 404


def test_a_query_that_is_refused_is_said(server: str) -> None:
    with pytest.raises(JepaError, match=r"refuses: .*parse error"):
        Prometheus(server, {}).instant("sum(")


def test_no_server_and_no_address_are_said() -> None:
    away = f"http://127.0.0.1:{free_port()}"
    said = jepa("--prometheus", away)
    assert said.returncode == 1
    assert f"No Prometheus answers at {away}: Connection refused." in said.stderr
    with pytest.raises(JepaError, match="No Prometheus server is named"):
        Prometheus(None, {})
    with pytest.raises(JepaError, match="no address"):
        Prometheus("localhost:9090", {})
    assert Prometheus(None, {"JEPA_PROMETHEUS": "http://a:1/"}).address == "http://a:1"


@pytest.mark.parametrize("body", [b"<html>", b'{"status":"success"}', b'{"data":{"result":[{"metric":1}]}}'])
def test_what_is_no_prometheus_is_said(body: bytes) -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.handle_request, daemon=True).start()
        with pytest.raises(JepaError, match="is no Prometheus server"):
            Prometheus(f"http://127.0.0.1:{other.server_port}", {}).instant("up")


def test_what_is_scraped_there_but_is_no_jepad_is_said() -> None:
    class Server:
        def instant(self, expression: str) -> list[Series]:
            up = expression.startswith("up")
            return [Series({"instance": "a"}, ((0.0, 1.0),))] if up else []

    with pytest.raises(JepaError, match="is not jepad"):
        top.machines(Server(), "jepa")


def test_the_limits_are_those_of_the_alerts() -> None:
    rules = RULES.read_text()
    for text in (
        f"surprising_share:1h > {top.SURPRISING}",
        f"[6h]) < {top.NO_GAIN}",
        f"offset 1w)) < {top.REGRESSED}",
        f"false_alarms:1d > {top.FALSE_ALARMS:.0f}",
    ):
        assert text in rules
