# SPDX-License-Identifier: Apache-2.0
"""`jepa vision` on the image: a robot's goal that is a picture, the screen, and sources that are none."""

import json

import pytest

from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

GOAL = """\
import sys
sys.path.insert(0, "/usr/lib/jepa")
import av, numpy as np
from jepa.robots.two_room import draw
picture = draw(np.array([[150.0, 60.0]], np.float32))[0]
with av.open("/var/tmp/goal.png", "w", format="image2") as container:
    stream = container.add_stream("png", rate=1)
    stream.width, stream.height, stream.pix_fmt = 224, 224, "rgb24"
    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    container.mux(stream.encode())
"""


@pytest.mark.slow
def test_a_robots_course_towards_a_picture_is_imagined_by_the_shipped_pack(machine: Machine) -> None:
    machine.succeed(f"python3 -IS -c '{GOAL}'", 120)
    said = machine.succeed("jepa vision reach /var/tmp/goal.png --dry-run --json", 240)
    move = json.loads(said.splitlines()[0])
    assert set(move["action"]) == {"x", "y"}
    assert move["expected_left"] < move["left"] or move["reached"]


@pytest.mark.slow
def test_the_screen_is_watched_as_a_camera_is(machine: Machine) -> None:
    lines = machine.succeed("jepa vision watch screen --clips 2 --json", 240).splitlines()
    counts = json.loads(lines[-1])["counts"]
    machine.say(str(counts))
    assert counts["clips"] == 2
    assert counts["taken"] >= 8
    assert not any("camera_lost" in line for line in lines)


@pytest.mark.actuator_only
def test_what_is_no_source_or_no_pack_is_one_sentence(machine: Machine) -> None:
    for words in (
        "embed /dev/video7",
        "reach /nowhere.png",
        "embed /nowhere.mp4 --pack /usr/lib/jepa/packs/machine",
        "watch /dev/video7",
    ):
        done = machine.execute(f"jepa vision {words}", 120)
        assert done.status == 1, words
        assert "Traceback" not in done.out
