# SPDX-License-Identifier: Apache-2.0
"""A TPM 2 for a machine: swtpm of the tools tree, or the host, which keeps what it knows in a directory."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tools.vm.emulator import HOST, TOOLS_TREE

START_S = 10.0
"""For it to make its socket."""


def program(roots: tuple[Path, ...] = (TOOLS_TREE, HOST)) -> list[str]:
    """The beginning of its command, from the first of ``roots`` that has it; FileNotFoundError without."""
    for root in roots:
        found = root / "usr/bin/swtpm"
        if found.exists() and root == HOST:
            return [str(found)]
        if found.exists():
            loader = next(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
            libraries = f"{loader.parent}:{loader.parent}/swtpm"
            return [str(loader), "--library-path", libraries, str(found)]
    raise FileNotFoundError("There is no swtpm here. Run: make image")


def arguments(socket: Path) -> list[str]:
    """QEMU's for a machine with the TPM that listens at ``socket``."""
    chardev = ["-chardev", f"socket,id=tpm,path={socket}"]
    return [*chardev, "-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-tis,tpmdev=tpm"]


def start(state: Path, socket: Path) -> subprocess.Popen[bytes]:
    """Start the TPM whose memory is the directory ``state``, a new one where that is empty.

    It listens at ``socket``, and ends when QEMU leaves that.
    """
    state.mkdir(exist_ok=True)
    command = [*program(), "socket", "--tpm2", "--terminate", "--tpmstate", f"dir={state}"]
    command += ["--ctrl", f"type=unixio,path={socket}", "--log", f"file={state}/log,level=1"]
    started = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + START_S
    while not socket.exists():
        if started.poll() is not None or time.monotonic() > deadline:
            started.kill()
            raise RuntimeError(f"swtpm did not start; {state}/log says why")
        time.sleep(0.01)
    return started
