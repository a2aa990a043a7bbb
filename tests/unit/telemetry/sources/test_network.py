# SPDX-License-Identifier: Apache-2.0
"""Interfaces that lead out are counted, each packet once."""

from typing import Any

import pytest

from jepa.telemetry.sources.network import NetworkSource


def test_rates_without_loopback_and_virtual_interfaces(host: Any) -> None:
    source = NetworkSource(host.root)
    assert source.read(1.0).values == {}
    host.edit("proc/net/dev", "eth0: 1024000    1000    1    2", "eth0: 1034240    1010    3    4")
    host.edit("proc/net/dev", "512000     500    3    4", "514048     520    4    5")
    host.edit("proc/net/dev", "lo:    9000", "lo:  999000")
    host.edit("proc/net/dev", "veth1:    7000", "veth1:  777000")
    assert source.read(3.0).values == {
        "system.network.io.receive": pytest.approx(5),
        "system.network.io.transmit": pytest.approx(1),
        "system.network.packets": pytest.approx(15),
        "system.network.errors": pytest.approx(3),
    }


def test_in_a_container_the_virtual_interface_is_the_way_out(host: Any) -> None:
    content = (host.root / "proc/net/dev").read_text()
    host.write("proc/net/dev", "".join(line for line in content.splitlines(True) if "eth0:" not in line))
    source = NetworkSource(host.root)
    source.read(1.0)
    host.edit("proc/net/dev", "veth1:    7000", "veth1:    8024")
    assert source.read(2.0).values["system.network.io.receive"] == pytest.approx(1)


def test_a_new_interface_makes_no_spike(host: Any) -> None:
    source = NetworkSource(host.root)
    source.read(1.0)
    line = "  usb0: 99999999 1000 0 0 0 0 0 0 99999999 500 0 0 0 0 0 0\n"
    host.write("proc/net/dev", (host.root / "proc/net/dev").read_text() + line)
    assert source.read(2.0).values["system.network.io.receive"] == 0


def test_names_with_a_colon_are_read_whole(host: Any) -> None:
    from jepa.telemetry.sources.network import parse_net_dev

    assert set(parse_net_dev(b"eth0:1:1 2 3 4 5 6 7 8 9 10 11 12\n")) == {"eth0:1"}


def test_only_loopback_is_said(host: Any) -> None:
    content = (host.root / "proc/net/dev").read_text()
    host.write(
        "proc/net/dev", "".join(line for line in content.splitlines(True) if "lo:" in line or "|" in line)
    )
    assert "no network interface" in NetworkSource(host.root).read(1.0).reason
