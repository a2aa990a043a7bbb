# SPDX-License-Identifier: Apache-2.0
"""Do forecasts depend on the processor? The same recordings through one pack on x86-64 and on arm64.

`python -m tests.bench.architectures` boots the arm64 image, replays held-out recordings in it and here, each
with the packages of the image for that architecture, compares the forecasts tick by tick, and writes
build/bench/architectures.json.

They need not be alike to the last bit. Both libraries, ONNX Runtime and NumPy, choose other code on another
processor, which adds in another order, fuses other multiplications into additions, and has other polynomials
for exp and tanh; each of these rounds to float32 in another way. What counts is that nobody could see it: a
difference is put beside the band that the forecast itself has, P05 to P95.

One thing makes more of a difference than rounding. What adapts a forecast to the machine counts on which
side of a quantile a value came to lie; where it lies on the edge, the two may count differently, and are
apart by a step of that channel's adaptation until later values have outweighed it.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jepa.packs.pack import load_pack
from tools import userland
from tools.vm.board import ARM
from tools.vm.emulator import TOOLS_TREE, newest
from tools.vm.image import BUILD, ROOT, built_image, own_firmware
from tools.vm.machine import Machine, Setup
from tools.vm.ready import wait_until_ready
from tools.vm.sources import feed

PACK = ROOT / "model-packs/machine"
RECORDINGS = ("h01-shop", "eh1-trial")
"""A machine with two processors that were worked on, and one on which actions were taken."""
ROUNDING = 1e-3
"""Of the band: what rounding can come to. Less than the line is wide with which a band is drawn."""
MOST_BEYOND = 1e-4
"""Share of the numbers that may be further apart than that, by a step of adaptation."""
MOST_OF_BAND = 0.1
"""How far those may be apart: two steps of adaptation, where 0.044 was measured for one."""
MOST_OF_PROBABILITY = 1e-3
"""Below what is shown, whole per cents, and below the steps of a threshold of alerts."""
_SCRIPT = Path(__file__).with_name("replayed_forecasts.py")
_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Every forecast of one replay, and what made it."""

    quantiles: npt.NDArray[np.float64]  # (T, C, H, 2, Q), NaN where there is none
    probabilities: npt.NDArray[np.float64]  # (T, E, H)
    machine: str
    made_by: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Differences:
    """How far two replays of one recording are apart: of each tick, the largest."""

    absent: int
    """Forecasts that only one of them has."""
    of_value: npt.NDArray[np.float64]  # (T,)
    """Relative to the forecast itself, or to the channel's noise floor where that is more."""
    of_band: npt.NDArray[np.float64]  # (T,)
    """Relative to P95 - P05, or to the noise floor where that is more."""
    probability: npt.NDArray[np.float64]  # (T,)
    beyond: float
    """Share of the numbers that are further apart than rounding explains."""
    alike: float
    """Share of the numbers that are the same to the last bit."""


def read(archive: bytes) -> Forecasts:
    """What the script in the guest, or here, has written."""
    content = np.load(io.BytesIO(archive))
    machine, python, numpy, runtime, seconds = content["about"].tolist()
    made_by = f"Python {python}, NumPy {numpy}, ONNX Runtime {runtime}"
    quantiles, probabilities = (content[name].astype(np.float64) for name in ("quantiles", "probabilities"))
    return Forecasts(quantiles, probabilities, machine, made_by, float(seconds))


def differences(one: Forecasts, other: Forecasts, noise: npt.NDArray[np.float64]) -> Differences:
    """How far they are apart; ``noise`` is the noise floor of each channel."""
    absent = np.isnan(one.quantiles) != np.isnan(other.quantiles)
    first, second = np.nan_to_num(one.quantiles), np.nan_to_num(other.quantiles)
    apart = np.where(absent, 0.0, np.abs(first - second))
    value = np.maximum(np.maximum(np.abs(first), np.abs(second)), noise[:, None, None, None])
    band = np.maximum(first[..., -1:] - first[..., :1], noise[:, None, None, None])
    return Differences(
        absent=int(absent.sum()),
        of_value=(apart / value).max(axis=(1, 2, 3, 4)),
        of_band=(apart / band).max(axis=(1, 2, 3, 4)),
        probability=np.abs(one.probabilities - other.probabilities).max(axis=(1, 2)),
        beyond=float((apart / band > ROUNDING).mean()),
        alike=float((first == second).mean()),
    )


def replay_here(recording: Path) -> Forecasts:
    """Replay on this host, with the Python of the tools tree and the packages of the x86-64 image."""
    userland.make_site("x86-64")
    loader = next(TOOLS_TREE.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
    python = [str(loader), "--library-path", str(loader.parent), str(TOOLS_TREE / "usr/bin/python3"), "-IS"]
    libraries = f"{BUILD / 'site/x86-64'}:{ROOT / 'userland/src'}"
    with tempfile.NamedTemporaryFile(suffix=".npz") as out:
        asked = [str(_SCRIPT), libraries, str(PACK), str(recording), out.name]
        environment = {"PATH": os.defpath, "PYTHONHOME": str(TOOLS_TREE / "usr")}
        subprocess.run([*python, *asked], check=True, env=environment)
        return read(Path(out.name).read_bytes())


def replay_in(machine: Machine, recording: Path) -> Forecasts:
    """Replay in ``machine``, with its own packages and our sources of this tree.

    Its daemons are stopped for it: they take two fifths of an emulated CPU.
    """
    machine.succeed("systemctl stop jepad jepa-telemetry jepa-healing", 60)
    place = "/run/replayed"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(_SCRIPT, "script.py")
        archive.add(recording, "recording")
        archive.add(PACK / "pack.toml", "pack/pack.toml")
        for file in (*PACK.glob("*.onnx"), PACK / "effects.json"):
            archive.add(file, f"pack/{file.name}")
        archive.add(ROOT / "userland/src/jepa", "jepa", filter=_source)
    receive = f"rm -rf {place} && mkdir {place} && tar -x --gzip --no-same-owner -C {place}"
    feed(machine, packed.getvalue(), receive)
    # ours come before the image's own copy
    words = f"{place}:/usr/lib/jepa {place}/pack {place}/recording {place}/out.npz"
    machine.succeed(f"python3 -IS {place}/script.py {words}", _LIMIT_S)
    return read(base64.b64decode(machine.succeed(f"base64 {place}/out.npz", 60)))


def _source(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


def noise_floors() -> npt.NDArray[np.float64]:
    """The noise floor of each channel that the pack forecasts."""
    return np.array([channel.noise_floor for channel in load_pack(PACK).schema.channels])


def entry(
    name: str, values: Sequence[float] | npt.NDArray[np.float64], unit: str, setup: str
) -> dict[str, object]:
    """One benchmark in the form that every file in build/bench has; the value is the largest."""
    median, high = np.quantile(values, (0.5, 0.99))
    return {
        "name": name,
        "value": float(f"{np.max(values):.3g}"),
        "unit": unit,
        "better": "lower",
        "n": len(values),
        "p50": float(f"{median:.3g}"),
        "p99": float(f"{high:.3g}"),
        "baseline": None,
        "ratio": None,
        "setup": setup,
    }


def entries(recording: str, here: Forecasts, there: Forecasts, where: str) -> list[dict[str, object]]:
    """What is told of one recording."""
    found = differences(here, there, noise_floors())
    if found.absent:
        raise SystemExit(f"{recording}: {found.absent} forecasts are made on one architecture alone")
    how = (
        f"largest of each tick of {recording}; {here.made_by} on this host's CPU; "
        f"{there.made_by} on {where}; {found.alike:.0%} of the numbers are alike to the last bit, "
        f"{found.beyond:.2g} of them further apart than {ROUNDING} of the band"
    )
    name = f"arm64_{recording.replace('-', '_')}"
    return [
        entry(f"{name}_of_band", found.of_band, "of the band", how),
        entry(f"{name}_of_value", found.of_value, "of the forecast", how),
        entry(f"{name}_probability", found.probability, "of an event's probability", how),
    ]


def start(directory: Path, cpus: int = 1) -> Machine:
    """An arm64 machine, booted by UEFI and forecasting."""
    image = built_image("arm64")
    setup = Setup(
        image.overlay(directory / "arm64.qcow2"),
        firmware=own_firmware(directory, board=ARM),
        emulator=newest(ARM),
        cpus=cpus,
    )
    machine = Machine("arm64", setup, directory, lambda line: print(line, flush=True))
    machine.start()
    try:
        wait_until_ready(machine)
    except BaseException:
        machine.crash()
        raise
    return machine


def main() -> int:
    """Measure, print and write build/bench/architectures.json."""
    found: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="architectures-", dir=BUILD) as directory:
        machine = start(Path(directory))
        where = f"{machine.setup.emulator}, {ARM.cpu} emulated (TCG)"
        try:
            for name in RECORDINGS:
                recording = PACK / "heldout" / name
                there = replay_in(machine, recording)
                machine.say(f"{name} replayed in {there.seconds:.0f} s")
                found += entries(name, replay_here(recording), there, where)
        finally:
            machine.crash()
    target = BUILD / "bench/architectures.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=1) + "\n")
    for line in found:
        print(
            f"{line['name']:34} {line['value']:>10} {line['unit']}  (p50 {line['p50']}, p99 {line['p99']})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
