# SPDX-License-Identifier: Apache-2.0
"""Sends the running figures to an OpenTelemetry collector, by its authors' packages: the extra `otlp`.

They are read off jepad's page by Prometheus's own parser and sent under the same names, counters without
``_total``, which a collector adds again for Prometheus. It is a process of its own, and not in the image.
"""

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from jepa.errors import JepaError

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation

_PATIENCE_S = 10.0


class FigureSender:
    """Sends what ``page`` gives to the collector at ``address``, such as http://HOST:4318."""

    def __init__(self, address: str, page: Callable[[], str]) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.metrics.export import InMemoryMetricReader
            from opentelemetry.sdk.resources import Resource
        except ImportError:
            raise JepaError("OTLP needs the extra `otlp`.", "pip install 'jepa[otlp]'", status=501) from None
        self._address, self._page = address.rstrip("/"), page
        # It writes a line for each try; what is wrong is said once, below.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        resource = Resource.create({"service.name": "jepad", "host.name": socket.gethostname()})
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider([self._reader], resource)
        self._meter = self._provider.get_meter("jepa")
        self._exporter = OTLPMetricExporter(f"{self._address}/v1/metrics", timeout=_PATIENCE_S)
        self._known: set[str] = set()
        self._samples: dict[str, list[tuple[float, dict[str, str]]]] = {}

    def send(self) -> None:
        """Read the page and send it once; JepaError when jepad or the collector is away."""
        from opentelemetry.sdk.metrics.export import MetricExportResult
        from prometheus_client.parser import text_string_to_metric_families

        families = list(text_string_to_metric_families(self._page()))
        self._samples = {
            family.name: [(sample.value, sample.labels) for sample in family.samples] for family in families
        }
        for family in families:
            self._declare(family.name, family.type, family.documentation)
        data = self._reader.get_metrics_data()
        if data is None or self._exporter.export(data) is not MetricExportResult.SUCCESS:
            raise JepaError(
                f"The collector at {self._address} does not take the figures.",
                "Look whether it runs, and whether OTLP over HTTP is on.",
                status=502,
            )

    def run(self, every_s: float, ending: threading.Event, say: Callable[[str], object]) -> None:
        """Send now and then until ``ending``; what is away is said once, and asked again."""
        said = ""
        while not ending.is_set():
            try:
                self.send()
                said = ""
            except JepaError as fault:
                if str(fault) != said:
                    said = str(fault)
                    say(said)
            ending.wait(every_s)

    def close(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()
        self._provider.shutdown()

    def _declare(self, name: str, kind: str, text: str) -> None:
        if name in self._known:
            return
        self._known.add(name)
        make: Any = (
            self._meter.create_observable_counter
            if kind == "counter"
            else self._meter.create_observable_gauge
        )
        make(name, [self._observer(name)], description=text)

    def _observer(self, name: str) -> "Callable[[CallbackOptions], Iterable[Observation]]":
        from opentelemetry.metrics import Observation

        def observe(_: "CallbackOptions") -> "list[Observation]":
            return [Observation(value, labels) for value, labels in self._samples.get(name, [])]

        return observe
