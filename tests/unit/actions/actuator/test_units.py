# SPDX-License-Identifier: Apache-2.0
"""The units of the actuator, as systemd's own tool reads them."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from jepa.actions.actuator.polkit import GRANT, TIERS

EXTRA = Path(__file__).parents[4] / "mkosi.extra"
ANALYZE = shutil.which("systemd-analyze")


@pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze")
def test_the_actuator_runs_in_a_tight_sandbox(tmp_path: Path) -> None:
    shutil.copytree(EXTRA / "usr", tmp_path / "usr", symlinks=True)
    done = subprocess.run(
        [
            str(ANALYZE),
            "security",
            "--offline=true",
            f"--root={tmp_path}",
            "--no-pager",
            "jepa-actuator.service",
        ],
        capture_output=True,
        text=True,
    )
    found = re.search(r"Overall exposure level for jepa-actuator\.service: ([\d.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= 2.5


def test_every_capability_that_it_keeps_has_its_reason() -> None:
    text = (EXTRA / "usr/lib/jepa/actuator.conf").read_text()
    kept = re.search(r"^CapabilityBoundingSet=(.*)$", text, re.MULTILINE)
    assert kept
    for capability in kept[1].split():
        assert re.search(rf"^# {capability.removeprefix('CAP_')}: \w", text, re.MULTILINE), capability


def test_polkit_knows_every_action_that_is_asked_for() -> None:
    policy = ET.parse(EXTRA / "usr/share/polkit-1/actions/org.jepa.actuator.policy")
    defaults = {
        each.attrib["id"]: {default.tag: default.text for default in each.find("defaults") or ()}
        for each in policy.iter("action")
    }
    assert set(defaults) == {*TIERS.values(), GRANT}
    assert defaults["org.jepa.tune"]["allow_active"] == "yes"
    # a password that was given for one such change must not do for the next
    for action in ("org.jepa.disrupt", "org.jepa.irreversible", "org.jepa.grant"):
        assert set(defaults[action].values()) == {"auth_admin"}
