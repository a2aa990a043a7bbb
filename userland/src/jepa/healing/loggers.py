# SPDX-License-Identifier: Apache-2.0
"""Of which units the newest lines in the journal are."""

import json
import subprocess
from collections import Counter

_COMMAND = (
    "journalctl",
    "--lines=300",
    "--output=json",
    "--output-fields=_SYSTEMD_UNIT",
    "--no-pager",
    "--quiet",
)
_LIMIT_S = 5.0


def newest_loggers() -> Counter[str]:
    """Lines by unit, of the newest 300; empty when the journal cannot be read in time."""
    try:
        answer = subprocess.run(_COMMAND, capture_output=True, timeout=_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return Counter()
    found: Counter[str] = Counter()
    for line in answer.stdout.splitlines():
        try:
            unit = json.loads(line).get("_SYSTEMD_UNIT")
        except ValueError:
            continue
        if isinstance(unit, str):
            found[unit] += 1
    return found
