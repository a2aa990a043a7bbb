# SPDX-License-Identifier: Apache-2.0
"""TCP's counters: names above numbers."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.sources.snmp import SnmpReader, parse_counters

SNMP = b"""Ip: Forwarding DefaultTTL
Ip: 2 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails RetransSegs
Tcp: 1 200 120000 -1 130 120 0 7
"""
WANTED = {"Tcp ActiveOpens": "a", "Tcp RetransSegs": "b", "Tcp MaxConn": "c", "Udp InDatagrams": "d"}


def test_counters_are_found_by_name_and_what_is_no_counter_is_missing() -> None:
    assert parse_counters(SNMP, WANTED) == {"Tcp ActiveOpens": 130, "Tcp RetransSegs": 7}


@given(st.binary(max_size=300))
def test_garbage_has_no_counters_or_some(content: bytes) -> None:
    assert set(parse_counters(content, WANTED)) <= set(WANTED)


@given(st.integers(0, len(SNMP)))
def test_a_cut_file_gives_a_part(length: int) -> None:
    assert parse_counters(SNMP[:length], WANTED).items() <= {
        "Tcp ActiveOpens": 130,
        "Tcp RetransSegs": 7,
    }.items() | {
        ("Tcp ActiveOpens", 13),
        ("Tcp ActiveOpens", 1),
    }


def test_rates_are_growth_a_second_and_a_reset_has_none(tmp_path: Path) -> None:
    folder = tmp_path / "proc/net"
    folder.mkdir(parents=True)
    (folder / "snmp").write_bytes(SNMP)
    reader = SnmpReader(tmp_path)
    assert reader.read(10.0) == {}
    (folder / "snmp").write_bytes(SNMP.replace(b"130 120 0 7", b"150 110 0 9"))
    assert reader.read(12.0) == pytest.approx(
        {"system.network.tcp.opened": 10.0, "system.network.tcp.retransmits": 1.0}
    )
    reader.close()
