# SPDX-License-Identifier: Apache-2.0
"""What tests of waves share: the machine for a wave, what its figures tell, and what the gate decides."""

import json
import re
import time
import urllib.request
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from jepa.fleet.prometheus import Prometheus
from jepa.updates.waves import position, wave_at
from jepa_lab.cli import main
from tools.vm.machine import Say

PORT = 9790
_PATIENCE_S = 120.0
"""To answer may take an emulated machine long beside others."""
_PACK = re.compile(r'^jepa_pack_info\{pack="machine",version="(.+)"\} 1$', re.MULTILINE)

_JUDGED = re.compile(r"^jepa_forecast_windows_total\{.*\} ([1-9]\d*)$", re.MULTILINE)


def identity(wave: str, kind: str, seed: int) -> str:
    """A machine ID that belongs to ``wave`` for versions of ``kind``."""
    drawn = (sha256(f"{seed} {number}".encode()).hexdigest()[:32] for number in count())
    return next(each for each in drawn if wave_at(position(each, kind)) == wave)


def figures(place: str) -> str:
    """The running figures at HOST:PORT.

    Asked again where nothing is answered: who comes while it answers as many as it may is hung up on.
    """
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(f"http://{place}/metrics", timeout=_PATIENCE_S) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > end:
                raise
        time.sleep(1)


def pack_of(place: str) -> str:
    """The version of the machine pack in use, as the figures at HOST:PORT have it."""
    (version,) = _PACK.findall(figures(place))
    return str(version)


def wait_for_pack(place: str, version: str, longest_s: float = _PATIENCE_S) -> None:
    """Wait until the figures at HOST:PORT are of ``version``: the frame after it was put in use."""
    end = time.monotonic() + longest_s
    while (now := pack_of(place)) != version:
        assert time.monotonic() < end, f"{place} has {now}, not {version}"
        time.sleep(1)


def wait_until_judged(place: str, longest_s: float) -> None:
    """Wait until windows are judged at HOST:PORT, as from ten minutes of a machine's frames on."""
    end = time.monotonic() + longest_s
    while not _JUDGED.search(found := figures(place)):
        assert time.monotonic() < end, found
        time.sleep(10)


def wait_until_known(server: str, places: Sequence[str], times: int, longest_s: float) -> None:
    """Wait until the Prometheus ``server`` has seen the figures at each of ``places`` so many ``times``."""
    end = time.monotonic() + longest_s
    while True:
        seen = Prometheus(server).instant("count_over_time(jepa_frames_total[1h])")
        known = {each.machine for each in seen if each.last >= times}
        if known >= set(places):
            return
        assert time.monotonic() < end, f"{sorted(set(places) - known)} answered less than {times} times"
        time.sleep(5)


class Owner:
    """Who releases to the channel in waves ``place`` by `jepa-lab fleet`, with ``keys``."""

    def __init__(
        self, place: Path, keys: Path, capsys: pytest.CaptureFixture[str], say: Say = lambda line: None
    ) -> None:
        self._place, self._keys, self._capsys, self._say = str(place), str(keys), capsys, say

    def release(self, *files: Path) -> None:
        """To the first wave."""
        self._do("release", *map(str, files))

    def next(self, title: str) -> None:
        """To the next wave."""
        self._do("next", title)

    def decided(self, server: str, period_s: int, longest_s: float) -> str:
        """What the gate decided, and did, on the one version under way; it is looked at each period."""
        words = ("--prometheus", server, "--period", str(period_s), "--do", "--json")
        end = time.monotonic() + longest_s
        while time.monotonic() < end:
            (told,) = json.loads(self._do("gate", *words))
            self._say(_line(told))
            if told["decision"] != "wait":
                return str(told["decision"])
            time.sleep(period_s)
        raise AssertionError(told)

    def _do(self, command: str, *words: str) -> str:
        self._capsys.readouterr()
        assert main(["fleet", command, self._place, *words, "--keys", self._keys]) == 0
        return self._capsys.readouterr().out


def _line(told: dict[str, Any]) -> str:
    """What the gate knows: of each figure the difference, and what is bet on that it is worse, and sound."""
    of_figures = (
        f"{100 * (each['difference'] or 0):+.1f} % ({each['worse']:.2g}, {each['sound']:.2g})"
        for each in told["figures"]
    )
    return f"{told['title']}, {told['wave']}, {told['hours']}: {told['decision']}; {'; '.join(of_figures)}"
