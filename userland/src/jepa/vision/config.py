# SPDX-License-Identifier: Apache-2.0
"""What jepa-vision watches: /etc/jepa/vision.toml, and the cameras that are plugged in."""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from jepa.errors import JepaError
from jepa.packs.manifest import Strict

FILE = Path("/etc/jepa/vision.toml")
MOST = 8
"""Cameras watched at a time."""
Camera = Annotated[str, Field(pattern=r"^(/dev/|rtsps?://)\S+$", max_length=250)]


class Config(Strict):
    """The content of the file, every part of which may be left out."""

    cameras: tuple[Camera, ...] | None = Field(default=None, max_length=MOST)
    """Devices and RTSP addresses; all that are plugged in when left out, none when empty."""
    fps: float = Field(default=1.0, gt=0, le=30)
    """Pictures of each that are looked at in a second."""
    pack: Path | None = None
    """The vision pack's directory; the first one here when left out."""


def load_config(path: Path = FILE) -> Config:
    """What ``path`` says, the defaults where there is none; JepaError naming what is wrong in it."""
    try:
        return Config.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise JepaError(f"{path} cannot be read: {error.strerror}.", _CORRECT) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise JepaError(f"{path} is not TOML: {error}.", _CORRECT) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise JepaError(f"{path}: {where}: {first['msg']}.", _CORRECT) from error


_CORRECT = "Correct it, or empty it to watch every camera."


def plugged_in() -> list[str]:
    """The cameras that udev knows, each by where it is plugged in, since their numbers change.

    JepaError where there is no libudev.
    """
    import pyudev

    try:
        context = pyudev.Context()
    except ImportError as error:
        raise JepaError(
            f"Cameras cannot be looked for: {error}.", f"Install libudev, or name them in {FILE}."
        ) from error
    found = []
    for device in context.list_devices(subsystem="video4linux"):
        # Metadata, outputs and radios are devices of this kind, too.
        if device.device_node and ":capture:" in device.properties.get("ID_V4L_CAPABILITIES", ""):
            links = [link for link in sorted(device.device_links) if link.startswith("/dev/v4l/by-path/")]
            found.append((links or [device.device_node])[0])
    return sorted(found)
