# SPDX-License-Identifier: Apache-2.0
"""jepa-vision on the shipped image: a virtual camera is watched, pulled, put back, and counted."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.vm.guest import events, status, wait_for_event
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

FPS = 4
FRAMES = 4
"""Pictures of a clip."""
QUEUE = 64 + FRAMES
"""Pictures that may wait to be judged."""
CAMERA = "vivid.0"
DRIVER = "/sys/bus/platform/drivers/vivid"
START = f"""\
mkdir -p /etc/jepa && echo 'fps = {FPS}' > /etc/jepa/vision.toml
modprobe vivid n_devs=1 node_types=0x1
udevadm settle
"""
PATTERN = """\
import fcntl, struct
VIDIOC_S_CTRL, TEST_PATTERN, WHITE = 0xC008561C, 0x00F0F000, 6
with open("/dev/video0", "rb") as camera:
    fcntl.ioctl(camera, VIDIOC_S_CTRL, struct.pack("Ii", TEST_PATTERN, WHITE))
"""
"""Has the driver show a white picture in place of coloured bars (drivers/media/test-drivers/vivid)."""
PID = "$(systemctl show -P MainPID jepa-vision)"
GREW_MIB = 8.0
"""What a process may grow by once every part of it has worked: the allocator's arenas, not a leak."""


@dataclass(frozen=True)
class Counts:
    """What jepa-vision says of the one camera."""

    clips: int
    unchanged: int
    strange: int
    pictures: int
    dropped: int
    left: int
    reconnects: int

    def add_up(self) -> bool:
        """Whether every picture is in a clip, dropped, left, or waits."""
        return 0 <= self.pictures - FRAMES * self.clips - self.dropped - self.left <= QUEUE


def said(machine: Machine) -> str:
    """The one line that jepa-vision tells the service manager."""
    return machine.succeed("systemctl show -P StatusText jepa-vision").strip()


def counts(machine: Machine) -> Counts:
    found = re.search(
        r"(\d+) clips, (\d+) unchanged, (\d+) strange; (\d+) pictures, (\d+) dropped, (\d+) left, (\d+) rec",
        text := said(machine),
    )
    assert found, text
    return Counts(*map(int, found.groups()))


def wait_for(machine: Machine, condition: Callable[[Counts], bool], timeout: float = 60) -> Counts:
    deadline = time.monotonic() + timeout * machine.factor
    while not condition(now := counts(machine)):
        assert time.monotonic() < deadline, now
        time.sleep(2)
    return now


def source(machine: Machine) -> dict[str, str]:
    found: dict[str, str] = next(each for each in status(machine)["sources"] if each["name"] == "vision")
    return found


def plug_in(machine: Machine) -> None:
    machine.succeed(f"echo {CAMERA} > {DRIVER}/bind; udevadm settle")


def unplug(machine: Machine) -> None:
    machine.succeed(f"echo {CAMERA} > {DRIVER}/unbind; udevadm settle")


def replug(machine: Machine) -> Counts:
    """Pull the camera, and put it back once that was noticed; the counts when its pictures come again."""
    before = counts(machine)
    unplug(machine)
    machine.wait_until_succeeds("systemctl show -P StatusText jepa-vision | grep -q '^/dev/video0 '")
    plug_in(machine)
    now = wait_for(machine, lambda now: now.reconnects > before.reconnects and now.clips > before.clips)
    assert now.reconnects == before.reconnects + 1
    return now


def descriptors(machine: Machine) -> int:
    """Those that stay open: looking for cameras opens others for a moment."""
    return min(int(machine.succeed(f"ls /proc/{PID}/fd | wc -l")) for _ in range(3))


def resident_mib(machine: Machine) -> float:
    return int(machine.succeed(f"grep VmRSS /proc/{PID}/status").split()[1]) / 1024


def watched(machine: Machine) -> None:
    """Plug in the first camera, and wait until something is usual at it."""
    machine.succeed(START)
    machine.wait_for_unit("jepa-vision.service")
    wait_for(machine, lambda now: now.clips > 21, 120)


def test_without_a_camera_it_does_not_run(machine: Machine) -> None:
    assert machine.succeed("systemctl show -P ActiveState jepa-vision").strip() == "inactive"
    assert source(machine)["reason"] == "no camera is watched"


@pytest.mark.slow
@pytest.mark.shipped_kernel
def test_a_camera_is_watched_lost_and_found_in_one_timeline_with_the_machine(machine: Machine) -> None:
    watched(machine)
    machine.say(said(machine))
    assert source(machine)["state"] == "ok"
    machine.succeed(f"python3 -IS -c '{PATTERN}'")
    strange = wait_for_event(machine, "anomaly", "/dev/video0", 60)
    assert strange["source"] == "vision"
    assert "plain change of coarse pictures" in strange["detail"]
    machine.say(strange["detail"])
    wait_for_event(machine, "anomaly_over", "/dev/video0", 60)
    descriptors_before = descriptors(machine)
    replugged = replug(machine)
    machine.say(said(machine))
    assert replugged.add_up(), replugged
    assert descriptors(machine) == descriptors_before
    wait_for_event(machine, "camera_back", "/dev/video0")
    order = [each["kind"] for each in events(machine) if each["unit"] == "/dev/video0"]
    assert [kind for kind in order if kind.startswith(("anomaly", "camera"))] == [
        "anomaly",
        "anomaly_over",
        "camera_lost",
        "camera_back",
    ]
    assert order.count("device_removed") == 1, "udev's own news is in the same list"
    unplug(machine)
    machine.wait_until_succeeds('jepa status --json | grep -q \'"vision","state":"degraded"\'')
    assert "/dev/video0 " in source(machine)["reason"]
    machine.succeed("systemctl stop jepa-vision")
    assert machine.succeed("systemctl show -P Result jepa-vision").strip() == "success"


@pytest.mark.slow
@pytest.mark.shipped_kernel
def test_ten_minutes_of_a_camera_leave_nothing_behind(machine: Machine) -> None:
    watched(machine)
    replug(machine)  # once, so that every part has worked
    before = (descriptors(machine), resident_mib(machine))
    begin, first = time.monotonic(), counts(machine)
    while time.monotonic() - begin < 600:
        time.sleep(45)
        now = replug(machine)
        machine.say(f"{said(machine)}; {descriptors(machine)} descriptors, {resident_mib(machine):.1f} MiB")
        assert now.add_up(), now
    last = counts(machine)
    after = (descriptors(machine), resident_mib(machine))
    assert after[0] == before[0]
    assert after[1] - before[1] < GREW_MIB
    kinds = [each["kind"] for each in events(machine) if each["source"] == "vision"]
    assert kinds.count("camera_lost") == kinds.count("camera_back") == last.reconnects
    assert last.pictures - first.pictures > 0
