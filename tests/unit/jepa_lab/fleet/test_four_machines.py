# SPDX-License-Identifier: Apache-2.0
"""Four jepads that a Prometheus scrapes follow a channel: a worse pack goes no further, a good one does.

Real are the jepads, their figures, Prometheus, the gate, signatures, and how each follows; an "hour" is
three seconds. The packs are numbers (jepad_of_packs.py), and are copied instead of mounted.
"""

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.fleet.prometheus import Prometheus
from jepa.packs.images import Images
from jepa.packs.manifest import Manifest
from jepa.service.client import HttpClient
from jepa.updates.channel import read_channel
from jepa.updates.pack_changes import Here, PackChanges
from jepa.updates.updater import run
from jepa_lab.fleet.gate import Decision
from jepa_lab.fleet.gate_figures import judge
from jepa_lab.fleet.waves import Waves, signer
from tests.unit.fleet.prometheus_server import prometheus, scraped
from tests.unit.updates.channels import release_key, trusting

JEPAD = Path(__file__).with_name("jepad_of_packs.py")
STEP_S = 3.0
LONGEST_S = 400.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Shelf(Images):
    """Packs in a folder; to mount them takes the image."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.chosen = "machine_1.0.0"

    def add(self, source: Path) -> Manifest:  # type: ignore[override]
        shutil.copy(source, self._folder)
        name, version = source.stem.split("_")
        return Manifest.model_construct(name=name, version=version, kind="machine")

    def drop(self, title: str) -> None:
        (self._folder / f"{title}.raw").unlink()

    def choose(self, kind: str, title: str | None) -> None:
        assert title is not None
        self.chosen = title

    def here(self) -> list[Here]:
        titles = [path.stem for path in self._folder.glob("*.raw")]
        return [Here("machine", title.split("_")[1], "machine", title) for title in titles]


@dataclass
class Machine:
    """A machine in a wave, with a jepad of its own."""

    wave: str
    shelf: Shelf
    client: HttpClient
    had: set[str] = field(default_factory=set)

    def follow(self, channel: Path, root: Path) -> None:
        changes = PackChanges(
            self.shelf, lambda: self.client, self.shelf.here, lambda kind: self.shelf.chosen
        )
        changes.follow(read_channel((channel / self.wave).as_uri(), root, run))
        self.had.add(str(self.client.status().pack))

    @property
    def uses(self) -> str | None:
        return self.client.status().pack


@contextlib.contextmanager
def machine(wave: str, folder: Path) -> Iterator[tuple[Machine, str]]:
    """A machine, and where its figures can be read."""
    packs = folder / "packs"
    packs.mkdir(parents=True)
    (packs / "machine_1.0.0.raw").write_text("1.0")
    path = folder / "s"
    command = [sys.executable, str(JEPAD), str(path), str(packs)]
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


def test_a_worse_pack_goes_no_further_and_a_good_one_reaches_all(place: Path) -> None:
    channel = place / "channel"
    with contextlib.ExitStack() as stack:
        key = stack.enter_context(release_key())
        root = trusting(place / "root", key)
        waves = Waves(channel, signer(key), time.time)
        made = [
            stack.enter_context(machine(wave, place / str(number)))
            for number, wave in enumerate(("canary", "tenth", "all", "all"))
        ]
        fleet = [each for each, _ in made]
        server = Prometheus(stack.enter_context(prometheus({}, [target for _, target in made])), {})
        time.sleep(60)  # what they were before

        def follow() -> list[str | None]:
            for each in fleet:
                each.follow(channel, root)
            return [each.uses for each in fleet]

        def release(version: str, factor: float) -> None:
            image = place / f"machine_{version}.raw"
            image.write_text(str(factor))
            waves.start([image])

        def decision(title: str) -> Decision:
            """What the gate says in the end, looked at as often as can be."""
            (since,) = (each.since_s for each in waves.released() if each.title == title)
            end = time.monotonic() + LONGEST_S
            while time.monotonic() < end:
                judged = judge(server, "jepa", title, since, time.time(), STEP_S)
                if judged.gate.decision is not Decision.WAIT:
                    return judged.gate.decision
                time.sleep(STEP_S)
            raise AssertionError(judged.gate.findings())

        release("1.1.0", 5.0)
        assert follow() == ["machine 1.1.0", *["machine 1.0.0"] * 3]
        assert decision("machine_1.1.0") is Decision.BACK
        waves.back("machine_1.1.0")
        assert follow() == ["machine 1.0.0"] * 4
        assert not any("machine 1.1.0" in each.had for each in fleet[1:])

        time.sleep(30)  # the canary as it was before
        release("1.2.0", 1.0)
        assert follow() == ["machine 1.2.0", *["machine 1.0.0"] * 3]
        assert decision("machine_1.2.0") is Decision.GO
        waves.next("machine_1.2.0")
        assert follow() == ["machine 1.2.0", "machine 1.2.0", "machine 1.0.0", "machine 1.0.0"]
        assert decision("machine_1.2.0") is Decision.GO
        waves.next("machine_1.2.0")
        assert follow() == ["machine 1.2.0"] * 4
