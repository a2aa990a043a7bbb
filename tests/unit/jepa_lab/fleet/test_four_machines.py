# SPDX-License-Identifier: Apache-2.0
"""Four jepads that a Prometheus scrapes follow a channel: a worse pack goes no further, a good one does.

Real are the jepads, their packs and figures, Prometheus, the gate, signatures, and how each follows. They
live through recordings of idle VMs, 25 seconds in one, and periods of seconds take the place of hours. What
takes the image is not here: packs are archives that are unpacked, not images that are mounted.
"""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.packs.images import Images
from jepa.packs.manifest import Manifest
from jepa.service.client import HttpClient
from jepa.updates.channel import read_channel
from jepa.updates.pack_changes import Here, PackChanges
from jepa.updates.updater import run
from jepa_lab.cli import main
from tests.unit.conftest import MACHINE_PACK
from tests.unit.fleet.prometheus_server import prometheus, scraped
from tests.unit.updates.channels import release_key, trusting
from tests.worse_pack import disturb
from tools.userland import NOT_OF_A_PACK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

JEPAD = Path(__file__).with_name("jepad_replaying.py")
FIRST, WORSE, GOOD = "99.0.0", "99.1.0", "99.2.0"
NOISE = 1.0
"""By how many of their own deviations the weights of the worse pack are off."""
MEMBERS = (
    ("canary", "i01-idle", 0),
    ("tenth", "i01-idle", 7000),
    ("all", "i02-idle", 0),
    ("all", "i02-idle", 8000),
)
"""Of each machine the wave, the recording and where in it it begins."""
PERIOD_S = 5
BEFORE = 12
"""Periods in which it is learned what machines were before."""
LONGEST_S = 900.0


def archive(version: str, place: Path, noise: float = 0.0) -> Path:
    """The shipped pack as ``version``, in one file; its forecasts disturbed by ``noise``."""
    pack = place / f"machine_{version}"
    shutil.copytree(MACHINE_PACK, pack, ignore=shutil.ignore_patterns(*NOT_OF_A_PACK))
    text = (pack / "pack.toml").read_text()
    (pack / "pack.toml").write_text(re.sub(r'(?m)^version = ".*"', f'version = "{version}"', text, count=1))
    if noise:
        disturb(pack, noise)
    with tarfile.open(place / f"{pack.name}.raw", "w") as made:
        made.add(pack, pack.name)
    return place / f"{pack.name}.raw"


class Shelf(Images):
    """Packs in a folder; to mount them takes the image."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.chosen = f"machine_{FIRST}"

    def add(self, source: Path) -> Manifest:  # type: ignore[override]
        shutil.unpack_archive(source, self._folder, "tar")
        name, version = source.stem.split("_")
        return Manifest.model_construct(name=name, version=version, kind="machine")

    def drop(self, title: str) -> None:
        shutil.rmtree(self._folder / title)

    def choose(self, kind: str, title: str | None) -> None:
        assert title is not None
        self.chosen = title

    def here(self) -> list[Here]:
        titles = [path.name for path in self._folder.iterdir()]
        return [Here("machine", title.split("_")[1], "machine", title) for title in titles]


@dataclass
class Machine:
    """A machine in a wave, with a jepad of its own."""

    wave: str
    shelf: Shelf
    client: HttpClient
    had: set[str] = field(default_factory=set)

    def follow(self, channel: Path, root: Path) -> None:
        """Look into the channel, as the timer does each hour."""
        changes = PackChanges(
            self.shelf, lambda: self.client, self.shelf.here, lambda kind: self.shelf.chosen
        )
        changes.follow(read_channel((channel / self.wave).as_uri(), root, run))
        self.had.add(self.pack)

    @property
    def pack(self) -> str:
        """The version in use."""
        return str(self.client.status().pack).removeprefix("machine ")


@contextlib.contextmanager
def machine(
    wave: str, recording: str, first: int, folder: Path, pack: Path
) -> Iterator[tuple[Machine, str]]:
    """A machine, and where its figures can be read."""
    packs = folder / "packs"
    packs.mkdir(parents=True)
    Shelf(packs).add(pack)
    path = folder / "s"
    place = MACHINE_PACK / "recordings" / recording
    command = [sys.executable, str(JEPAD), str(path), str(packs), str(place), str(first), pack.stem]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process, scraped(path) as target:
        try:
            client = HttpClient(path)
            for _ in range(600):
                with contextlib.suppress(JepaError):
                    if client.status().pack:
                        break
                time.sleep(0.1)
            yield Machine(wave, Shelf(packs), client), target
        finally:
            process.terminate()


def test_a_worse_pack_goes_no_further_and_a_good_one_reaches_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = tmp_path / "channel"
    with contextlib.ExitStack() as stack:
        key = stack.enter_context(release_key())
        root = trusting(tmp_path / "root", key)
        shipped = archive(FIRST, tmp_path)
        made = [
            stack.enter_context(machine(*member, tmp_path / str(number), shipped))
            for number, member in enumerate(MEMBERS)
        ]
        fleet = [each for each, _ in made]
        server = stack.enter_context(prometheus({}, [target for _, target in made]))
        time.sleep(30 + BEFORE * PERIOD_S)

        def follow() -> list[str]:
            for each in fleet:
                each.follow(channel, root)
            return [each.pack for each in fleet]

        def release(image: Path) -> None:
            assert main(["fleet", "release", str(channel), str(image), "--keys", str(key)]) == 0

        def decided() -> dict[str, Any]:
            """What the gate decided, and did, on the one version under way; it is looked at each period."""
            asked = ["fleet", "gate", str(channel), "--prometheus", server, "--keys", str(key)]
            end = time.monotonic() + LONGEST_S
            while time.monotonic() < end:
                capsys.readouterr()
                assert main([*asked, "--period", str(PERIOD_S), "--do", "--json"]) == 0
                (told,) = json.loads(capsys.readouterr().out)
                if told["decision"] != "wait":
                    found: dict[str, Any] = told
                    return found
                time.sleep(PERIOD_S)
            raise AssertionError(told)

        release(archive(WORSE, tmp_path, NOISE))
        assert follow() == [WORSE, FIRST, FIRST, FIRST]
        assert decided()["decision"] == "back"
        assert follow() == [FIRST] * 4
        assert not any(WORSE in each.had for each in fleet[1:])

        release(archive(GOOD, tmp_path))
        assert follow() == [GOOD, FIRST, FIRST, FIRST]
        assert decided()["decision"] == "go"
        assert follow() == [GOOD, GOOD, FIRST, FIRST]
        assert decided()["decision"] == "go"
        assert follow() == [GOOD] * 4
