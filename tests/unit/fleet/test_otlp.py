# SPDX-License-Identifier: Apache-2.0
"""What a collector gets over OTLP, read by OpenTelemetry's messages, is what jepad's figures are."""

import contextlib
import gzip
import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from jepa.errors import JepaError
from jepa.fleet.otlp import FigureSender
from tests.unit.fleet.prometheus_server import free_port


@contextlib.contextmanager
def collector() -> Iterator[tuple[str, list[Any], threading.Event]]:
    """The address of a collector, what it got, and that it got something."""
    got: list[Any] = []
    came = threading.Event()

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/metrics"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            got.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()
            came.set()

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", got, came
        server.shutdown()


def points(message: Any) -> dict[tuple[str, str, tuple[tuple[str, str], ...]], float]:
    """Name, kind and labels of each value."""
    found = {}
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    labels = tuple(sorted((each.key, each.value.string_value) for each in point.attributes))
                    found[metric.name, kind, labels] = getattr(point, point.WhichOneof("value"))
    return found


PAGE = """\
# HELP jepa_forecast_right_total Right.
# TYPE jepa_forecast_right_total counter
jepa_forecast_right_total{pack="machine",version="1.0.0",horizon_s="5"} 7
# HELP jepa_surprise Surprise.
# TYPE jepa_surprise gauge
jepa_surprise 0.25
"""


def test_counters_and_gauges_are_sent_as_they_are() -> None:
    pages = [PAGE, PAGE.replace("} 7", "} 9") + "# TYPE jepa_pack_info gauge\njepa_pack_info 1\n"]
    with collector() as (address, got, _):
        sender = FigureSender(address, lambda: pages[len(got)])
        sender.send()
        sender.send()
        sender.close()
    right = ("jepa_forecast_right", "sum", (("horizon_s", "5"), ("pack", "machine"), ("version", "1.0.0")))
    assert points(got[0]) == {right: 7.0, ("jepa_surprise", "gauge", ()): 0.25}
    assert points(got[1])[right] == 9.0
    assert points(got[1])["jepa_pack_info", "gauge", ()] == 1.0, "a family that came later"
    attributes = {
        each.key: each.value.string_value for each in got[0].resource_metrics[0].resource.attributes
    }
    assert attributes["service.name"] == "jepad"


def test_the_command_sends_what_a_jepad_gives_until_it_is_stopped(served: Any) -> None:
    with collector() as (address, got, came):
        command = [sys.executable, "-m", "jepa.shell.cli", "fleet", "otlp", "--to", address, "--every", "1s"]
        environ = {**os.environ, "JEPA_SOCKET": str(served.socket)}
        with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
            assert came.wait(60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, process.stderr and process.stderr.read()
    names = {name for name, _, _ in points(got[0])}
    assert {"jepa_frames", "jepa_pack_info", "jepa_system_info"} <= names
    assert "jepa_channel" not in names


def test_a_collector_that_is_away_is_said_once_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jepa.fleet.otlp._PATIENCE_S", 0.2)
    sender = FigureSender(f"http://127.0.0.1:{free_port()}", lambda: PAGE)
    with pytest.raises(JepaError, match="does not take the figures"):
        sender.send()
    said: list[str] = []
    ending = threading.Event()
    thread = threading.Thread(target=sender.run, args=(0.01, ending, said.append))
    thread.start()
    ending.wait(1.0)
    ending.set()
    thread.join()
    sender.close()
    assert len(said) == 1
