# SPDX-License-Identifier: Apache-2.0
"""Causes on the network: connections asked for again and again, segments that get lost."""

from collections.abc import Iterator
from typing import Final

from jepa.explanation.evidence import Cause
from jepa.explanation.situation import Situation
from jepa.explanation.use import largest

MANY: Final = 100.0
"""Connections a second, from which on they may be a storm."""
_TIMES_USUAL: Final = 5.0
_SEEN: Final = 6
"""Connections that are seen of a unit before it is named."""
_LOST: Final = 20.0
_OVERFLOWS: Final = 1.0


def connection_storm(seen: Situation) -> Iterator[Cause]:
    """Far more connections than usual are asked for or taken in; the unit that asks for most of them."""
    opened, accepted = "system.network.tcp.opened", "system.network.tcp.accepted"
    overflows = seen.now("system.network.tcp.accept.overflows")
    name = max((opened, accepted), key=seen.now)
    many, usual = seen.now(name), seen.window.typical(name)
    stormy = many >= MANY and usual is not None and many >= _TIMES_USUAL * max(usual, 1.0)
    if not (stormy or overflows >= _OVERFLOWS):
        return
    asked = sum(use.connections for use in seen.uses.values())
    most = largest(seen.uses.values(), "connections", 1)
    asks = most[0] if stormy and most and most[0].connections >= max(_SEEN, asked / 2) else None
    suffering = [use.name for use in seen.uses.values() if use.waiting and use is not asks]
    evidence = seen.channels(
        opened,
        accepted,
        "system.network.tcp.accept.overflows",
        "system.network.tcp.accept.queue",
        "system.network.tcp.connect.p99",
        "system.process.exited.failed",
    )
    if asks is not None:
        text = f"{asks.name} asked for {asks.connections} of the {asked} that were seen"
        evidence.append(seen.unit(asks.name, text, asks.connections, "{connection}"))
    done = "asked for" if name == opened else "taken in"
    yield Cause(
        "connection_storm",
        "network",
        f"{many:.0f} connections a second are {done}"
        + (f", and {overflows:.0f} refused since no server took them in time" if overflows >= 1 else "")
        + (f"; {asks.name} asks for most" if asks else ""),
        0.55 if overflows >= _OVERFLOWS else 0.45,
        (seen.offender(asks, 100 * asks.connections / asked, "connections asked for"),) if asks else (),
        tuple(suffering[:3]),
        tuple(evidence),
    )


def network_loss(seen: Situation) -> Iterator[Cause]:
    """Segments are lost and sent again, far more often than usual."""
    name = "system.network.tcp.retransmits"
    lost, usual = seen.now(name), seen.window.typical(name)
    if lost < _LOST or usual is None or lost < _TIMES_USUAL * max(usual, 1.0):
        return
    yield Cause(
        "network_loss",
        "network",
        f"The network loses segments: {lost:.0f} a second are sent again",
        0.5,
        (),
        (),
        tuple(seen.channels(name, "system.network.errors", "system.network.tcp.round_trip.p50")),
    )
