# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus for tests, with a past that is written into it and machines that it scrapes."""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jepa.fleet.figures_page import serve

START_S = 60.0
Past = Mapping[str, Sequence[tuple[float, float]]]
"""By series, as NAME{LABELS}: times in seconds and values."""


def program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing: run make test, which installs Debian's package prometheus"
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def scraped(jepad: Path) -> Iterator[str]:
    """HOST:PORT where the figures of ``jepad`` are, as jepa-figures.socket gives them."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answering() -> None:
            with contextlib.suppress(OSError):
                serve(server, jepad)

        threading.Thread(target=answering, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def prometheus(past: Past, targets: Sequence[str] = (), every_s: int = 1) -> Iterator[str]:
    """The address of a server that knows ``past`` and scrapes ``targets`` each ``every_s``, as job jepa."""
    with (
        tempfile.TemporaryDirectory() as name,
        _prometheus(Path(name), past, targets, every_s) as address,
    ):
        yield address


@contextlib.contextmanager
def _prometheus(folder: Path, past: Past, targets: Sequence[str], every_s: int) -> Iterator[str]:
    data = folder / "data"
    if past:
        text = folder / "past.txt"
        text.write_text(
            "".join(f"{series} {value} {at:.3f}\n" for series, pairs in past.items() for at, value in pairs)
            + "# EOF\n"
        )
        command = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
        command += [str(text), str(data)]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    config = folder / "prometheus.yml"
    job = {"job_name": "jepa", "static_configs": [{"targets": list(targets)}]}
    scraping = {
        "global": {"scrape_interval": f"{every_s}s", "scrape_timeout": f"{every_s}s"},
        "scrape_configs": [job],
    }
    config.write_text(json.dumps(scraping))  # JSON is YAML
    port = free_port()
    command = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={data}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=60d"]
    command += ["--scrape.discovery-reload-interval=100ms"]  # for targets it otherwise waits for 5 s
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(f"{address}/-/ready", process, folder / "log")
            yield address
        finally:
            process.terminate()


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())
