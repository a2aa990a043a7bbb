# SPDX-License-Identifier: Apache-2.0
"""Capabilities are gone for good once they are dropped."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, sys
from jepa.telemetry.collector.privileges import drop_capabilities
drop_capabilities()
lines = open("/proc/self/status").read().splitlines()
print({line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("Cap", "NoNew"))})
"""


def test_nothing_is_left_not_even_for_children() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    left = eval(done.stdout)
    assert left["NoNewPrivs"] == "1"
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(left[name], 16) == 0, name


def test_dropping_takes_effect_on_this_very_thread() -> None:
    probe = (
        SCRIPT
        + "\ntry:\n    os.chown(sys.argv[1], 1, 1)\n    print('changed')\nexcept PermissionError:\n    pass"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, str(Path(__file__).parents[4] / "LICENSE")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "changed" not in done.stdout
