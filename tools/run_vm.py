# SPDX-License-Identifier: Apache-2.0
"""Boot the image in QEMU with this terminal as its console, which ends in the `jepa` shell.

The image itself is not written: changes go to an overlay in build/run, which the next run continues unless
--fresh. Nothing in the image opens the shell by itself; the credential handed in here does.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

from tools.architecture import NATIVE, folder, make_arguments
from tools.vm import kvm
from tools.vm.board import BOARDS
from tools.vm.emulator import newest
from tools.vm.image import BUILD, make_overlay, own_firmware
from tools.vm.qemu import Disk, qemu_command
from tools.vm.terminal import follow_size, port_arguments

STEPS = {
    "BdsDxe: starting": "the firmware starts the boot loader",
    "Reached target initrd-switch-root": "kernel and initrd done, the system starts",
    "Started jepad": "the world model watches",
    "Reached target multi-user": "the system runs",
}
"""Words of the boot messages, and what they tell a person who waits."""

PACE = {"x86-64": "emulated, about a minute on an idle host", "arm64": "emulated, two to four minutes"}

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def prepare_disk(image: Path, place: Path, *, fresh: bool) -> Disk:
    """Return the overlay of `image` in `place`, made anew when asked or when the image was rebuilt since."""
    overlay = place / "disk.qcow2"
    place.mkdir(parents=True, exist_ok=True)
    built = place / "image-of-disk"
    identity = f"{image.stat().st_mtime_ns} {image.stat().st_size}"
    same = overlay.exists() and built.exists() and built.read_text() == identity
    if not same and overlay.exists() and not fresh:
        print("the image is newer than the last run: starting from its fresh state")
    if fresh or not same:
        make_overlay(image, overlay)
        built.write_text(identity)
        (place / "variables.fd").unlink(missing_ok=True)
    return Disk(overlay, format="qcow2")


def report_progress(log: Path, stop: threading.Event, started: float) -> None:
    """Print a line whenever the boot messages in `log` reach the next of STEPS, until `stop`."""
    waiting = dict(STEPS)
    while not stop.wait(0.5):
        text = log.read_text(errors="replace") if log.exists() else ""
        text = COLOUR.sub("", text)
        for words in [words for words in waiting if words in text]:
            print(f"[{time.monotonic() - started:4.0f} s] {waiting.pop(words)}\r", flush=True)
        if not waiting:
            return


def main() -> int:
    """Run one machine until it is switched off and return QEMU's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="forget what the last run left")
    parser.add_argument("--architecture", choices=sorted(BOARDS), default=NATIVE)
    parser.add_argument("--image", type=Path, help="another one than that in build/")
    arguments = parser.parse_args()
    board = BOARDS[arguments.architecture]
    image: Path = arguments.image or folder(BUILD, "image", board.architecture) / "jepa-os.raw"
    if not image.exists():
        make = f"make image{make_arguments(board.architecture)}"
        raise SystemExit(f"There is no image at {image}. Run: {make}")

    place = folder(BUILD, "run", board.architecture)
    disk = prepare_disk(image, place, fresh=arguments.fresh)
    emulator = newest(board)
    accelerated = kvm.works(BUILD, emulator)
    messages = place / "console.log"
    messages.unlink(missing_ok=True)
    pace = "KVM, a few seconds" if accelerated else PACE[board.architecture]
    print(f"starting JEPA OS in {emulator} ({pace}). Ctrl-A X switches it off, Ctrl-A H helps.", flush=True)
    stop = threading.Event()
    progress = threading.Thread(target=report_progress, args=(messages, stop, time.monotonic()), daemon=True)
    progress.start()
    settings = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    columns, rows = os.get_terminal_size(sys.stdin.fileno()) if sys.stdin.isatty() else (0, 0)
    with follow_size(sys.stdin.fileno()) as sizes:
        command = qemu_command(
            emulator,
            disk,
            firmware=own_firmware(place, board=board),
            kvm=accelerated,
            credentials={"jepa.console.hvc0": f"{os.environ.get('TERM', 'vt220')} {columns} {rows}"},
            hvc="chardev:person",
            serials=(f"file:{messages}",),
            extra=(
                *(
                    "-action",
                    "reboot=reset",
                ),  # into an update, or after the loader gave its keys to the firmware
                *("-chardev", "stdio,id=person,mux=on,signal=off", "-mon", "chardev=person"),
                *port_arguments(f"socket,fd={sizes.fileno()}"),
            ),
        )
        try:
            return subprocess.run(command, pass_fds=[sizes.fileno()]).returncode
        finally:
            stop.set()
            if settings is not None:
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)


if __name__ == "__main__":
    sys.exit(main())
