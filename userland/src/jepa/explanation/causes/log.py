# SPDX-License-Identifier: Apache-2.0
"""The cause in the log: so many lines that journald is busy with them."""

import shlex
from collections.abc import Iterator
from typing import Final

from jepa.explanation.evidence import Cause, Evidence, Offender
from jepa.explanation.situation import Situation

JOURNAL: Final = "systemd-journald.service"
_BUSY: Final = 10.0
"""Percent of one CPU."""
_SHARE: Final = 0.6


def log_storm(seen: Situation) -> Iterator[Cause]:
    """journald is busy, and most of the newest lines are of one unit."""
    journal = seen.uses.get(JOURNAL)
    busy = journal.cpu * seen.cpus if journal else 0.0
    lines = seen.machine.log_lines if seen.machine else {}
    total = sum(lines.values())
    name, most = max(lines.items(), key=lambda each: each[1], default=("", 0))
    if busy < _BUSY or not total or most < _SHARE * total:
        return
    share = 100 * most / total
    yield Cause(
        "log_storm",
        "log",
        f"{name} floods the log: {share:.0f} % of its newest lines, for which journald takes "
        f"{busy:.0f} % of a CPU",
        min(0.85, 0.7 + busy / 500),
        (Offender(name, round(share, 1), "the newest lines of the log"),),
        (),
        (
            seen.unit(JOURNAL, f"{JOURNAL} takes {busy:.0f} % of a CPU", busy, "%"),
            Evidence(
                "state", name, f"{most} of the newest {total} lines are of {name}",
                f"journalctl -u {shlex.quote(name)} -n 20", seen.window.at_ns, share, "%",
            ),
            *seen.said(name),
        ),
    )  # fmt: skip
