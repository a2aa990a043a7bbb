# SPDX-License-Identifier: Apache-2.0
"""`jepa status`: the state of each part, and the budget used."""

from pathlib import Path

from jepa.probability import shown_surprise
from jepa.shell.durations import duration
from jepa.shell.request import Request
from jepa.updates.versions import tell, versions


def run(request: Request) -> int:
    """Show the status."""
    status = request.client.status()
    out = request.out
    if out.json:
        out.data(status)
        return 0
    out.line(
        f"{status.host}: {out.state(status.state)}, jepa {status.version}, {duration(status.uptime_s)} up"
    )
    system = versions(Path("/"))
    if system is not None:
        out.line(tell(system))
    surprise = shown_surprise(status.surprise, status.surprise_reason)
    out.line(f"{status.frames} frames, {status.missed} missed, surprise {surprise}")
    pack = status.pack or "no pack"
    out.line(f"{pack}, context {status.context_frames} of {status.context_limit} frames")
    out.line()
    width = max(len(part.name) for part in status.parts)
    for part in status.parts:
        why = f"{part.reason} {part.remedy}".strip()
        out.line(f"  {part.name:<{width}}  {out.state(part.state, 8)}  {why}".rstrip())
    out.line()
    absent = [source.name for source in status.sources if source.state == "off"]
    if absent:
        out.line(f"  sources without data: {', '.join(absent)}")
    used = status.budget
    tick = (
        "" if used.tick_ms_p50 is None else f", tick {used.tick_ms_p50:.1f} ms (p99 {used.tick_ms_p99:.1f})"
    )
    out.line(
        f"  {used.cpu_percent:.1f} % of a core, {used.rss_mib:.0f} MiB, "
        f"history {used.history_mib:.1f} of {used.history_limit_mib:.0f} MiB{tick}"
    )
    return 0
