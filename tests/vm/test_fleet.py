# SPDX-License-Identifier: Apache-2.0
"""The units of a fleet on the image: off as shipped; enabled, they send recordings without names."""

import io
import tarfile
import time
from pathlib import Path

import pytest

from jepa.fleet.keys import MACHINE_FILE, OWNER_FILE, make_keys, read_owner_key
from jepa.fleet.store import Store
from jepa.telemetry.schema import load_schema
from jepa_lab.fleet.survey import survey
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

STORE = "/var/lib/owners-store"
SET_UP = f"""\
install -d -m 777 {STORE}
install -D -m 600 /dev/stdin /etc/jepa/fleet.key
echo 'store = "file://{STORE}"' > /etc/jepa/fleet.toml
mkdir -p /run/systemd/system/jepa-upload.service.d
printf '[Service]\\nReadWritePaths={STORE}\\n' > /run/systemd/system/jepa-upload.service.d/store.conf
systemctl daemon-reload
"""


def test_a_machine_sends_its_recording_without_names(machine: Machine, tmp_path: Path) -> None:
    enabled = machine.execute("systemctl is-enabled jepa-record.service jepa-upload.timer").out.split()
    assert enabled == ["disabled", "disabled"]
    make_keys(tmp_path / "keys")
    key = (tmp_path / "keys" / MACHINE_FILE).read_text()
    machine.succeed(f"cat <<'END' | {{\n{key.rstrip()}\nEND\n{SET_UP}}}")
    machine.succeed("systemctl start jepa-record.service")
    machine.wait_until_succeeds("ls /var/lib/jepa-fleet/*/log")
    time.sleep(8)
    machine.succeed("systemctl stop jepa-record.service")
    machine.succeed("systemctl start jepa-upload.service", 90)

    machine.succeed(f"tar -c -f /run/sent.tar -C {STORE} .")
    with tarfile.open(fileobj=io.BytesIO(machine.copy_from("/run/sent.tar"))) as sent:
        sent.extractall(tmp_path / "store", filter="data")
    found = survey(
        Store(f"file://{tmp_path / 'store'}"),
        read_owner_key(tmp_path / "keys" / OWNER_FILE),
        load_schema(),
        time.time_ns(),
        check=True,
    )
    assert found.problems == ()
    (host,) = found.hosts
    assert host.hours * 3600 > 5
    assert not machine.succeed("ls -A /var/lib/jepa-fleet | grep -v '^.fleet$' || true"), (
        "sent, and kept here"
    )
    hostname = machine.succeed("hostname").strip().encode()
    texts = [each.read_bytes() for each in (tmp_path / "store").rglob("*.json")]
    assert texts and not any(hostname in each or b".service" in each for each in texts)
