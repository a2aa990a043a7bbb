# SPDX-License-Identifier: Apache-2.0
"""jepa-vision and a camera on the network: refused as shipped, watched with the drop-in of the how-to."""

import itertools
import json
import re
import textwrap
from collections.abc import Iterator

import numpy as np
import pytest

from tests.rtsp import RtspCamera
from tests.vm.guest import wait_for_event
from tests.vm.test_camera import FPS, said, source, wait_for
from tools.vm.image import ROOT
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

HOST = "10.0.2.2"
"""This machine, as a guest of QEMU's user network reaches it."""
HOW_TO = ROOT / "docs/how-to/watch-a-camera.md"
IN_HOW_TO = "192.0.2.7"
FILE = "/etc/jepa/vision.toml"
DROP_IN = "/etc/systemd/system/jepa-vision.service.d/override.conf"
SECRET = "hush-hush"
STATUS = "systemctl show -P StatusText jepa-vision"
TELLS = (
    "journalctl --boot --no-pager -u jepa-vision -u jepa-telemetry -u jepad",
    "jepa events --json",
    "jepa status --json",
    "jepa doctor",
    "systemctl status --no-pager --full jepa-vision",
)


def shades() -> Iterator[np.ndarray]:
    """Pictures that change a little, without end."""
    return (np.full((80, 96, 3), 100 + number % 20, np.uint8) for number in itertools.count())


def how_to(address: str) -> str:
    """The commands that the how-to gives for a camera at ``address``."""
    block = re.search(r"    systemctl edit --stdin .*\n(?:    .*\n)*", HOW_TO.read_text())
    assert block
    assert f"IPAddressAllow={IN_HOW_TO}\n" in block[0]
    return textwrap.dedent(block[0]).replace(IN_HOW_TO, address)


def allow(machine: Machine, address: str) -> None:
    machine.succeed(how_to(address), 120)
    assert f"IPAddressAllow={address}\n" in machine.succeed(f"cat {DROP_IN}")


@pytest.mark.slow
def test_a_camera_on_the_network_is_watched_once_its_address_is_allowed(machine: Machine) -> None:
    with RtspCamera(shades, FPS, every_s=1 / FPS, password=SECRET) as camera:
        name = f"rtsp://{HOST}:{camera.port}/yard"
        written = json.dumps([camera.url(HOST)])
        machine.succeed(f"mkdir -p /etc/jepa; printf %s 'fps = {FPS}\ncameras = {written}\n' > {FILE}")
        machine.succeed(f"chgrp video {FILE}; chmod 640 {FILE}")
        machine.wait_until_succeeds(f"ip route get {HOST} | grep -q ' src '")

        machine.succeed("systemctl start jepa-vision", 120)
        refused = wait_for_event(machine, "camera_lost", name, 60)
        machine.say(refused["detail"])
        assert "may not use the network" in refused["detail"]
        assert "systemctl edit jepa-vision" in refused["detail"]
        machine.wait_until_succeeds('jepa status --json | grep -q \'"vision","state":"degraded"\'')
        assert source(machine)["reason"].startswith(refused["detail"])

        allow(machine, IN_HOW_TO)
        machine.wait_until_succeeds(f"{STATUS} | grep -q '^{name} cannot be opened: it said nothing'")
        machine.say(said(machine))
        assert camera.methods == [], "what was allowed is another address"

        allow(machine, HOST)
        before = wait_for(machine, lambda now: now.clips > 4, 120)
        machine.say(said(machine))
        camera.off()
        machine.wait_until_succeeds(f"{STATUS} | grep -q '^{name} '")
        camera.on()
        now = wait_for(machine, lambda now: now.reconnects > before.reconnects and now.clips > before.clips)
        assert now.add_up(), now
        machine.say(said(machine))
        assert wait_for_event(machine, "camera_back", name)["source"] == "vision"

        for command in TELLS:
            told = machine.execute(command, 60)
            assert name in told.out or "doctor" in command, command
            assert SECRET not in told.out + told.err, command
            assert "viewer" not in told.out, command
        machine.succeed("systemctl stop jepa-vision")
    assert machine.succeed("systemctl show -P Result jepa-vision").strip() == "success"
    assert "TEARDOWN" in camera.methods
