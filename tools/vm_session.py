# SPDX-License-Identifier: Apache-2.0
"""Hold one machine with the sources of this tree, to try things by hand before a test is written.

python -m tools.vm_session up            start it (the first time boots and keeps that; then some seconds)
python -m tools.vm_session run COMMAND   run it in the machine's root shell
python -m tools.vm_session push          bring the sources as they are now, into the machine as it booted
python -m tools.vm_session reset         back to how it was after `up` or `push`
python -m tools.vm_session down          switch it off
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict

from tools.vm.image import BUILD, ROOT, built_image, kvm_works
from tools.vm.machine import Machine, MachineError, Setup
from tools.vm.ready import BAY, BOOTED, start_ready
from tools.vm.sources import push

HERE = BUILD / "vm-session" / ROOT.name
SOCKET = HERE / "socket"
LOG = HERE / "log"
PUSHED = "pushed"


class Holder:
    """The process that has the machine and does what clients ask, one after the other."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def begin(self) -> None:
        """Start the machine and bring the sources."""
        start_ready(self._machine)
        self._bring()

    def serve(self, server: socket.socket) -> None:
        """Answer one JSON line with another until asked to end."""
        ended = False
        while not ended:
            connection, _ = server.accept()
            with (
                connection,
                suppress(BrokenPipeError, ConnectionResetError),
                connection.makefile("rw") as lines,
            ):
                asked = json.loads(lines.readline())
                ended = asked["do"] == "down"
                try:
                    answer = self._do(**asked)
                except MachineError as error:
                    answer = {"status": 1, "out": "", "err": f"{error}\n"}
                lines.write(json.dumps(answer) + "\n")

    def _do(self, do: str, command: str) -> dict[str, object]:
        if do == "run":
            return asdict(self._machine.execute(command, 60))
        if do == "push":
            self._machine.restore(BOOTED)
            self._machine.drop_snapshot(PUSHED)
            self._bring()
        if do == "reset":
            self._machine.restore(PUSHED)
        if do == "down":
            self._machine.crash()
        return {"status": 0, "out": "", "err": ""}

    def _bring(self) -> None:
        push(self._machine)
        self._machine.wait_for_unit("jepad.service")
        self._machine.snapshot(PUSHED)


def hold() -> None:
    """Be the holder, until asked to end."""
    image = built_image()
    disk = image.overlay(HERE / "disk.qcow2")
    setup = Setup(disk, kernel=image.kernel, initrd=image.initrd, devices=BAY, kvm=kvm_works())
    machine = Machine(ROOT.name, setup, HERE, lambda line: print(line, flush=True))
    holder = Holder(machine)
    try:
        holder.begin()
    except BaseException:
        machine.crash()
        raise
    SOCKET.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(SOCKET))
        server.listen()
        print("ready", flush=True)
        holder.serve(server)
    SOCKET.unlink(missing_ok=True)


def up() -> int:
    """Start the holder in the background and tell its progress until it is ready; its exit status else."""
    HERE.mkdir(parents=True, exist_ok=True)
    if SOCKET.exists():
        print("A machine is up already. End it first: python -m tools.vm_session down", file=sys.stderr)
        return 1
    with LOG.open("w") as log:
        command = [sys.executable, "-m", "tools.vm_session", "hold"]
        holder = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    with LOG.open() as log:
        while holder.poll() is None and not SOCKET.exists():
            with suppress(subprocess.TimeoutExpired):
                holder.wait(0.5)
            print(log.read(), end="", flush=True)
        print(log.read(), end="", flush=True)
    return holder.poll() or 0


def ask(do: str, command: str) -> int:
    """Ask the holder, print its answer and return the exit status in it."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(os.path.relpath(SOCKET))
        except (FileNotFoundError, ConnectionRefusedError):
            SOCKET.unlink(missing_ok=True)
            print("No machine is up. Start one: python -m tools.vm_session up", file=sys.stderr)
            return 1
        with connection.makefile("rw") as lines:
            lines.write(json.dumps({"do": do, "command": command}) + "\n")
            lines.flush()
            answer = json.loads(
                lines.readline() or '{"status": 1, "out": "", "err": "the machine ended\\n"}'
            )
    sys.stdout.write(answer["out"])
    sys.stderr.write(answer["err"])
    return int(answer["status"])


def main() -> int:
    """Do what the command line says."""
    description, _, usage = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=usage, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("do", choices=("up", "run", "push", "reset", "down", "hold"))
    parser.add_argument("command", nargs="*", help="what the machine's shell shall run")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    if arguments.do == "hold":
        hold()
        return 0
    if arguments.do == "up":
        return up()
    return ask(arguments.do, " ".join(arguments.command))


if __name__ == "__main__":
    sys.exit(main())
