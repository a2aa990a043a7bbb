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


def interfaces(host: Any, **received: int) -> None:
    host.write(
        "proc/net/dev",
        "".join(f"{name}: {size} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n" for name, size in received.items()),
    )


def have(host: Any, name: str, where: str, index: int, link: int | None = None, master: str = "") -> None:
    folder = host.root / "sys/devices" / where / "net" / name
    folder.mkdir(parents=True)
    (folder / "ifindex").write_text(f"{index}\n")
    (folder / "iflink").write_text(f"{index if link is None else link}\n")
    if master:
        (folder / "master").symlink_to(f"../{master}")
    (host.root / "sys/class/net" / name).symlink_to(f"../../devices/{where}/net/{name}")


def received(host: Any, *names: str) -> float:
    """KiB/s that are counted when each of ``names`` received 1 KiB."""
    source = NetworkSource(host.root)
    interfaces(host, **dict.fromkeys(names, 0))
    source.read(1.0)
    interfaces(host, **dict.fromkeys(names, 1024))
    return source.read(2.0).values["system.network.io.receive"]


def test_the_same_packets_on_bonds_bridges_and_tunnels_count_once(host: Any) -> None:
    have(host, "enp1", "pci0000:00/1", 2, master="bond0")
    for index, name in enumerate(("bond0", "br0", "wg0", "enp1.7", "docker0"), 3):
        have(host, name, "virtual", index)
    assert received(host, "lo", "enp1", "bond0", "br0", "wg0", "enp1.7", "docker0") == pytest.approx(1)


def test_a_virtual_function_behind_the_interface_of_its_hypervisor_counts_once(host: Any) -> None:
    have(host, "hv0", "LNXSYSTM:00/vmbus", 2)
    have(host, "hv0vf", "pci0000:00/2", 3, master="hv0")
    assert received(host, "hv0", "hv0vf") == pytest.approx(1)


def test_ports_of_a_switch_count_by_the_interface_behind_them(host: Any) -> None:
    have(host, "end0", "platform/1", 2)
    have(host, "lan1", "platform/2", 3, link=2)
    assert received(host, "end0", "lan1") == pytest.approx(1)


def test_in_a_container_with_containers_the_default_route_leads_out(host: Any) -> None:
    for index, name in enumerate(("veth9", "docker0", "veth7"), 2):
        have(host, name, "virtual", index, link=40 + index)
    header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    local = "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    default = "veth9\t00000000\t0111A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    host.write("proc/net/route", header + local + default)
    assert received(host, "lo", "veth9", "docker0", "veth7") == pytest.approx(1)


def test_a_renamed_interface_makes_no_spike(host: Any) -> None:
    source = NetworkSource(host.root)
    interfaces(host, eth0=1000, eth1=9_000_000)
    source.read(1.0)
    interfaces(host, eth0=2024, lan0=9_000_000)
    assert source.read(2.0).values["system.network.io.receive"] == pytest.approx(1)
    interfaces(host, eth0=3048, lan0=9_001_024)
    assert source.read(3.0).values["system.network.io.receive"] == pytest.approx(1)
