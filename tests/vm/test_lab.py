# SPDX-License-Identifier: Apache-2.0
"""The lab in the VM: programs play roles, actions are taken on real control groups, and all is recorded."""

from pathlib import Path

import pytest

from jepa.telemetry.recording import load_recording
from jepa.telemetry.schema import load_schema
from tools.record_vm import LAB, bring, prepare
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

SESSION = """\
from pathlib import Path
from jepa_lab.record import record_session
from jepa_lab.workloads.session import Session
session = Session("tiny", "train", "busy", 3, ("burst", "log"), 0.0, seconds=45, acts=True)
record_session(session, Path("{lab}/recordings/tiny"), Path("{lab}/scratch"))
"""


@pytest.mark.slow
def test_actions_are_taken_and_recorded_with_what_each_role_did(machine: Machine, tmp_path: Path) -> None:
    prepare(machine)
    machine.succeed(f"cat > {LAB}/tiny.py <<'EOF'\n{SESSION.format(lab=LAB)}EOF")
    machine.succeed(f"PYTHONPATH=/usr/lib/jepa:{LAB} python3 {LAB}/tiny.py", 120)
    bring(machine, Path("recordings/tiny"), tmp_path)
    schema = load_schema()
    recording = load_recording(tmp_path, schema)
    assert recording.actions
    assert all({"role", "value"} <= set(action.args) for action in recording.actions)
    cpu = [
        recording.values[:, schema.index(f"system.role.{role}.cpu")] for role in ("foreground", "background")
    ]
    assert max(float(each[each == each].max()) for each in cpu) > 10
    assert machine.execute("ls -d /sys/fs/cgroup/lab.slice").status != 0, "the groups are gone afterwards"
    assert machine.succeed("cat /proc/sys/vm/swappiness").strip() == "60"
