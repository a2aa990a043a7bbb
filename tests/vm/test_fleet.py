# SPDX-License-Identifier: Apache-2.0
"""The units of a fleet on the image: off as shipped; enabled, they send recordings without names.

And they show figures to whoever scrapes, and follow a channel of packs.
"""

import base64
import shutil
import time
import urllib.request
from pathlib import Path

import pytest

from jepa.fleet.keys import MACHINE_FILE, OWNER_FILE, make_keys, read_owner_key
from jepa.fleet.store import Store
from jepa.telemetry.schema import load_schema
from jepa_lab.fleet.survey import survey
from jepa_lab.fleet.waves import Waves, signer
from tests.unit.updates.channels import release_key
from tests.vm.guest import status
from tests.vm.packs import NEWER, STRANGE, Packs, pair, trust
from tests.vm.releases import TRUSTED, served
from tools import keys
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
SOON = """\
mkdir -p /run/systemd/system/{timer}.d
printf '[Timer]\\nOnActiveSec=1s\\nRandomizedDelaySec=0\\n' > /run/systemd/system/{timer}.d/soon.conf
systemctl daemon-reload
systemctl enable --now {timer}
"""
"""Enables a timer that would otherwise wait for minutes after the boot."""


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
    machine.succeed(SOON.format(timer="jepa-upload.timer"))
    machine.wait_until_succeeds(f"find {STORE} -name '*.json' | grep -q .", 90, poll=3)
    machine.wait_until_succeeds(
        "systemctl show jepa-upload | grep -cx -e ActiveState=inactive -e Result=success | grep -x 2"
    )

    machine.succeed(f"tar -c -f /run/sent.tar -C {STORE} .")
    (tmp_path / "sent.tar").write_bytes(machine.copy_from("/run/sent.tar"))
    shutil.unpack_archive(tmp_path / "sent.tar", tmp_path / "store")
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


def test_figures_are_shown_at_a_port_and_nothing_else_is(machine: Machine) -> None:
    assert machine.execute("systemctl is-enabled jepa-figures.socket").out.strip() == "disabled"
    machine.succeed("systemctl enable --now jepa-figures.socket")
    machine.wait_until_succeeds("ip route | grep default")
    address = f"http://{machine.forward(9790)}"
    with urllib.request.urlopen(f"{address}/metrics", timeout=60) as answer:
        page = answer.read().decode()
    told = {line.split("{")[0].split(" ")[0] for line in page.splitlines() if not line.startswith("#")}
    assert told >= {"jepa_system_info", "jepa_pack_info", "jepa_part_state", "jepa_frames_total"}
    assert not {"jepa_channel", "jepa_grants", "jepa_tasks"} & told


@pytest.mark.allow(*STRANGE)
def test_a_timer_brings_the_pack_that_the_owner_released_to_its_wave(
    machine: Machine, tmp_path: Path
) -> None:
    packs = Packs(tmp_path, pair(tmp_path, "own"))
    with release_key() as key, served(packs.place) as address:
        image = packs.place / packs.make(NEWER)
        Waves(packs.place, signer(key), time.time).start([image])
        machine.set_clock()  # signed now, and it was booted before
        trust(machine, packs)
        public = base64.b64encode(keys.public_key(key).read_bytes()).decode()
        machine.succeed(
            f"mkdir -p /etc/systemd /etc/jepa; echo {public} | base64 -d >{TRUSTED}"
            f'; printf \'source = "{address}"\\nwave = "canary"\\n\' >/etc/jepa/packs.toml'
        )
        assert machine.execute("systemctl is-enabled jepa-packs-update.timer").out.strip() == "disabled"
        machine.succeed(SOON.format(timer="jepa-packs-update.timer"))
        machine.wait_until_succeeds(
            f"journalctl -u jepa-packs-update | grep -F 'machine {NEWER} is in use'", 120, poll=3
        )
    assert status(machine)["pack"] == f"machine {NEWER}"
