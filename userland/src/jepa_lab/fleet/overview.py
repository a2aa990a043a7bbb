# SPDX-License-Identifier: Apache-2.0
"""What an owner wants to see of a fleet: hours, shapes, gaps, and which machines are unlike the rest."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from jepa.telemetry.schema import Schema
from jepa.text import shown
from jepa.world.scale import Scale
from jepa_lab.fleet.survey import Host, Survey

GAP_S: Final = 300.0
"""Parts follow each other within a second or two; more than this is a gap."""
ENOUGH_HOSTS: Final = 4
"""Of fewer nobody can say which is the odd one."""
_DEVIATIONS: Final = 6.0
_LEAST: Final = 0.15
"""On the scale of a channel from 0 to 1: what is closer than that to the rest is like the rest."""
_FEW: Final = 0.25
"""The odd ones are no more than this share of all."""
_MAD_TO_DEVIATION: Final = 1.4826
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Gap:
    """A time between two parts of a machine of which there is nothing."""

    from_ns: int
    to_ns: int

    @property
    def hours(self) -> float:
        """How long it is."""
        return (self.to_ns - self.from_ns) / 3.6e12


def gaps(host: Host) -> list[Gap]:
    """Where ``host`` has nothing, between its first part and its last."""
    pairs = zip(host.parts, host.parts[1:], strict=False)
    return [
        Gap(one.end_ns, other.start_ns)
        for one, other in pairs
        if (other.start_ns - one.end_ns) / 1e9 > GAP_S
    ]


def unlike(hosts: Sequence[Host], schema: Schema) -> dict[str, list[str]]:
    """Which hosts are unlike the rest, and in what; none where there are too few to tell."""
    hosts = [host for host in hosts if host.parts]
    if len(hosts) < ENOUGH_HOSTS:
        return {}
    found: dict[str, list[str]] = {host.host: [] for host in hosts}
    shapes = {host.host: (host.parts[-1].shape.cpus, host.parts[-1].shape.machine) for host in hosts}
    (usual, count), *_ = Counter(shapes.values()).most_common(1)
    for host in hosts:
        if shapes[host.host] != usual and count > len(hosts) / 2:
            found[host.host].append(f"shape: {host.parts[-1].shape}")
    levels = np.array([_levels(host, schema) for host in hosts])  # (hosts, channels) on the unit scale
    seen = np.isfinite(levels)
    absent = ~seen & (seen.mean(axis=0) > 0.5)
    for position, host in enumerate(hosts):
        names = [schema.names[column] for column in np.flatnonzero(absent[position])]
        if names:
            found[host.host].append(f"lacks {len(names)} channels: {_some(names)}")
        far = _far(levels, position)
        order = sorted(np.flatnonzero(np.isfinite(far)), key=lambda column: -far[column])
        said = [
            f"{schema.names[column]} {levels[position, column]:.2f} beside "
            f"{np.nanmedian(np.delete(levels, position, 0)[:, column]):.2f}"
            for column in order
        ]
        if said:
            found[host.host].append(f"{len(said)} channels far off (0 to 1): {_some(said)}")
    return {host: reasons for host, reasons in found.items() if reasons}


def _levels(host: Host, schema: Schema) -> "np.ndarray[Any, np.dtype[np.float32]]":
    values = np.full(len(schema.names), np.nan, np.float32)
    for column, name in enumerate(schema.names):
        values[column] = host.levels.get(name, np.nan)
    return np.asarray(Scale(schema).to_unit(values[None])[0], np.float32)


def _far(
    levels: "np.ndarray[Any, np.dtype[np.float32]]", position: int
) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """(channels,) how many times further off than the rest are among themselves; NaN where it is not far."""
    rest = np.delete(levels, position, 0)
    known = (np.isfinite(rest).sum(axis=0) >= ENOUGH_HOSTS - 1) & np.isfinite(levels[position])
    far = np.full(levels.shape[1], np.nan, np.float32)
    others, own = rest[:, known], levels[position, known]
    middle = np.nanmedian(others, axis=0)
    spread = _MAD_TO_DEVIATION * np.nanmedian(np.abs(others - middle), axis=0)
    bound = np.maximum(_DEVIATIONS * spread, _LEAST)
    ratio = np.abs(own - middle) / bound
    # Of two kinds of machines that are as many, neither is the odd one.
    alike = 1 + (np.abs(others - own) <= bound).sum(axis=0)
    far[known] = np.where((ratio > 1) & (alike <= _FEW * len(levels)), ratio, np.nan)
    return far


def to_json(found: Survey, schema: Schema) -> dict[str, Any]:
    """Everything, for programs."""
    odd = unlike(found.hosts, schema)
    return {
        "hosts": [
            {
                "host": host.host,
                "hours": round(host.hours, 3),
                "parts": len(host.parts),
                "lost": host.lost,
                "first_ns": host.parts[0].start_ns if host.parts else None,
                "last_ns": host.parts[-1].end_ns if host.parts else None,
                "shapes": sorted({str(part.shape) for part in host.parts}),
                "gaps": [{"from_ns": gap.from_ns, "to_ns": gap.to_ns} for gap in gaps(host)],
                "unlike": odd.get(host.host, []),
            }
            for host in found.hosts
        ],
        "hours": round(sum(host.hours for host in found.hosts), 3),
        "problems": [{"place": each.place, "what": each.what} for each in found.problems],
    }


def to_text(found: Survey, schema: Schema) -> str:
    """The same, to read."""
    said = to_json(found, schema)
    lines = [f"{len(found.hosts)} machines, {said['hours']:.1f} hours", ""]
    lines.append(f"{'machine':20}{'hours':>8}{'parts':>7}{'lost':>6}{'gaps':>6}  {'last (UTC)':18}shape")
    for host, row in zip(found.hosts, said["hosts"], strict=True):
        last = "-" if row["last_ns"] is None else _time(row["last_ns"])
        lines.append(
            f"{host.host:20}{row['hours']:8.1f}{row['parts']:7}{row['lost']:6}{len(row['gaps']):6}"
            f"  {last:18}{'; '.join(row['shapes'])}"
        )
    longest = sorted(
        ((gap, host) for host in found.hosts for gap in gaps(host)), key=lambda pair: -pair[0].hours
    )
    lines += _section(
        "longest gaps",
        [f"{host.host}  {_time(gap.from_ns)}  {gap.hours:.1f} h" for gap, host in longest[:10]],
    )
    lines += _section(
        "unlike the rest", [f"{host}  {why}" for host, whys in _unlike(said).items() for why in whys]
    )
    lines += _section(
        "left out or doubtful", [f"{shown(each.place)}  {shown(each.what)}" for each in found.problems]
    )
    return "\n".join(lines)


def _unlike(said: Mapping[str, Any]) -> dict[str, list[str]]:
    return {row["host"]: row["unlike"] for row in said["hosts"]}


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _some(words: Sequence[str]) -> str:
    rest = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _time(at_ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at_ns / 1e9))
