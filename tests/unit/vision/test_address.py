# SPDX-License-Identifier: Apache-2.0
"""What is said of a camera's address holds no password, and still tells two cameras apart."""

import pytest

from jepa.vision.address import is_stream, shown


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("rtsp://192.0.2.7/yard", "rtsp://192.0.2.7/yard"),
        ("rtsp://viewer:hush@192.0.2.7:8554/yard", "rtsp://192.0.2.7:8554/yard"),
        ("rtsps://viewer@yard.example/", "rtsps://yard.example/"),
        ("rtsp://viewer:hu@sh@[2001:db8::7]/yard", "rtsp://[2001:db8::7]/yard"),
        ("rtsp://viewer:hu/sh@192.0.2.7/yard", "rtsp://192.0.2.7/yard"),
        ("rtsp://viewer:hu?sh#@192.0.2.7/yard", "rtsp://192.0.2.7/yard"),
        (
            "rtsp://v:hush@192.0.2.7/cam/realmonitor?channel=1&subtype=0",
            "rtsp://192.0.2.7/cam/realmonitor?channel=1&subtype=0",
        ),
        ("rtsp://192.0.2.7/?user=viewer&password=hush&ch=2", "rtsp://192.0.2.7/?user=…&password=…&ch=2"),
        ("rtsp://192.0.2.7/?pin=12", "rtsp://192.0.2.7/?pin=…"),
        ("rtsp://192.0.2.7/user=viewer_password=hush_channel=1_stream=0.sdp", "rtsp://192.0.2.7/user=…"),
        ("http://viewer:hush@192.0.2.7/yard", "http://192.0.2.7/yard"),
        ("/dev/video0", "/dev/video0"),
        ("a=b@c.mp4", "a=b@c.mp4"),
    ],
)
def test_what_is_said_of_it(where: str, said: str) -> None:
    assert shown(where) == said


def test_only_some_addresses_are_streams() -> None:
    assert is_stream("rtsp://192.0.2.7/yard")
    assert is_stream("rtsps://192.0.2.7/yard")
    assert not is_stream("http://192.0.2.7/yard")
    assert not is_stream("/dev/video0")
