# SPDX-License-Identifier: Apache-2.0
"""Processes are the numbered folders of /proc; threads are the kernel's own count."""

from typing import Any

from jepa.telemetry.sources.processes import ProcessSource


def test_counts(host: Any) -> None:
    assert ProcessSource(host.root).read(1.0).values == {
        "system.process.count": 3,
        "system.process.threads": 217,
    }


def test_a_garbled_load_costs_the_threads_only(host: Any) -> None:
    host.write("proc/loadavg", "garbage\n")
    assert ProcessSource(host.root).read(1.0).values == {"system.process.count": 3}


def test_no_proc_at_all(host: Any) -> None:
    reading = ProcessSource(host.root / "nowhere").read(1.0)
    assert reading.values == {}
    assert "nowhere" in reading.reason
