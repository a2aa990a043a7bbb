# SPDX-License-Identifier: Apache-2.0
"""Film one sentence at the shell on the serial console of the booted image, from the prompt to what came.

python -m tools.film docs/images/one-sentence.gif                 boots, records, draws
python -m tools.film OUT --recorded build/film/one-sentence.cast  draws again what was recorded before

Recording takes minutes on two emulated CPUs, and wants two of the host for itself.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from tools.film import frames, movie
from tools.film.cast import load, save
from tools.film.take import SENTENCE, Recorder, photograph, take
from tools.vm import priority
from tools.vm.image import BUILD, built_image, kvm_works
from tools.vm.machine import Machine, Setup
from tools.vm.ready import BAY, start_ready
from tools.vm.sources import push

FOLDER: Final = BUILD / "film"
LONGEST_S: Final = {"open": 3.0, "type": 6.0, "wait": 3.0, "read": 7.0, "apply": 4.0, "measured": 7.0}
"""How long each part is shown at most."""
WHERE: Final = "the image in QEMU, serial console"
"""Under each frame."""


def record(sentence: str, cast: Path, *, sources: bool, still: bool) -> None:
    """Record the shell of a machine of its own to ``cast``; with ``still`` also a picture of its screen."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    image = built_image()
    disk = image.overlay(FOLDER / "film.qcow2")
    setup = Setup(disk, kernel=image.kernel, initrd=image.initrd, devices=BAY, kvm=kvm_works())
    machine = Machine("film", setup, FOLDER, lambda line: print(line, file=sys.stderr, flush=True))
    try:
        start_ready(machine)
        if priority.permitted():
            machine.prioritise()
        if sources:
            push(machine)
            machine.wait_for_unit("jepad.service")
        recorder = Recorder()
        try:
            take(machine, recorder, sentence)
        finally:  # what went wrong shows in it, too
            save(recorder.cast, cast)
        if still:
            print(photograph(machine), file=sys.stderr)
    finally:
        machine.crash()


def main() -> int:
    """Record unless that was done, and draw."""
    description, _, usage = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=usage, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="ends in .gif, .png or .webp")
    parser.add_argument("--recorded", type=Path, metavar="CAST", help="an asciicast of before")
    parser.add_argument("--sentence", default=SENTENCE)
    parser.add_argument("--sources", action="store_true", help="run this tree's sources in the machine")
    parser.add_argument("--still", action="store_true", help=f"and a picture of its screen, in {FOLDER}")
    wanted = parser.parse_args()
    file = wanted.recorded or FOLDER / wanted.out.with_suffix(".cast").name
    if wanted.recorded is None:
        record(wanted.sentence, file, sources=wanted.sources, still=wanted.still)
    cast = load(file)
    film = frames.frames(cast, frames.parts(cast, LONGEST_S))
    movie.write(film, WHERE, wanted.out)
    seconds, size = sum(frame.lasts for frame in film), wanted.out.stat().st_size
    print(f"{wanted.out}: {len(film)} frames, {seconds:.0f} s, {size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
