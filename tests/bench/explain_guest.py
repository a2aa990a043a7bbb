# SPDX-License-Identifier: Apache-2.0
"""Runs inside the machine: one scene of ``explain_scenes.py``, or a program of one. Python's library only.

explain_guest.py scene FOLDER    starts the units of FOLDER/scene.json, asks `jepa explain` once, and stops
                                 the machine by its pvpanic device; leaves FOLDER/found.json
explain_guest.py usual           what the machine does all the time: a service that is asked twice a second
explain_guest.py PROGRAM         one program that a scene names
"""

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

USUAL, SERVER = ("127.0.0.1", 8100), ("127.0.0.1", 8101)
PLACE = Path("/var/tmp/lab")
"""On the disk that is as slow as it is told to be."""
DELAY = Path("/sys/bus/pseudo/drivers/scsi_debug/ndelay")
MIB = 1 << 20


def append() -> None:
    """A ledger: a little is written, and has to be on the disk."""
    with (PLACE / "ledger").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            time.sleep(0.05)


def write() -> None:
    """As much as the disk takes, past the memory."""
    block = os.urandom(4096) * 256
    with (PLACE / "hog").open("wb", buffering=0) as file:
        while True:
            file.seek(0)
            for _ in range(64):
                file.write(block)
                os.fdatasync(file.fileno())


def leak() -> None:
    """Two mebibytes a second that are never given back."""
    held = []
    while True:
        held.append(bytearray(os.urandom(4096)) * (2 * MIB // 4096))
        time.sleep(1.0)


def hoard() -> None:
    """More than there is left, all of it used again and again; a quarter of each page says something."""
    held: list[bytearray] = []
    size = 4 * int(Path("/proc/meminfo").read_text().split()[1]) * 1024 // 5
    while True:
        if len(held) * 8 * MIB < size:
            held.append(bytearray((os.urandom(1024) + bytes(3072)) * (8 * MIB // 4096)))
        else:
            random.choice(held)[random.randrange(8 * MIB)] = 1


def steady() -> None:
    """A third of the memory, taken in ten seconds, then held."""
    size = int(Path("/proc/meminfo").read_text().split()[1]) * 1024 // 3
    held = []
    for _ in range(10):
        held.append(bytearray(os.urandom(4096)) * (size // 10 // 4096))
        time.sleep(1.0)
    time.sleep(9999)


def retry() -> None:
    """Connections to a port where nobody listens, at once again."""
    while True:
        with socket.socket() as connection:
            connection.connect_ex(("127.0.0.1", 9))


def convoy() -> None:
    """Threads that all need one lock, whose holder waits for something else meanwhile."""
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                time.sleep(0.002)

    for _ in range(24):
        threading.Thread(target=work).start()


def serve(address: tuple[str, int] = SERVER) -> None:
    """Answers one connection after another."""
    with socket.create_server(address, backlog=64) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                sum(n * n for n in range(3000))
                connection.sendall(b"done")


def visit(address: tuple[str, int] = SERVER) -> None:
    """Asks a server twice a second, and gives up after some seconds."""
    time.sleep(1.0)
    while True:
        threading.Thread(target=_ask, args=(address,)).start()
        time.sleep(0.5)


def _ask(address: tuple[str, int]) -> None:
    try:
        with socket.create_connection(address, 5) as connection:
            connection.settimeout(30)
            connection.recv(64)
    except OSError:
        pass


def usual() -> None:
    """A service and who asks it."""
    threading.Thread(target=serve, args=(USUAL,), daemon=True).start()
    visit(USUAL)


def scene(folder: Path) -> None:
    """Start the units, wait, ask, and stop the machine."""
    told = json.loads((folder / "scene.json").read_text())
    DELAY.write_text(str(10**9 // told["disk_operations"]))
    begin = time.monotonic()
    for unit in told["units"]:
        command = unit["command"]
        if command.startswith("@"):
            command = f"exec python3 {__file__} {command[1:]}"
        properties = [f"--property={each}" for each in unit["properties"]]
        run("systemd-run", "--quiet", f"--unit={unit['name']}", *properties, "sh", "-c", command)
    if told["then"]:
        time.sleep(max(0.0, begin + told["after_s"] / 2 - time.monotonic()))
        run("sh", "-c", told["then"])
    time.sleep(max(0.0, begin + told["after_s"] - time.monotonic()))
    asked = time.monotonic()
    answer = run("jepa", "explain", "--json")
    result = {"took_s": time.monotonic() - asked, "said": answer.stdout, "errors": answer.stderr[-2000:]}
    (folder / "found.json").write_text(json.dumps(result))
    with Path("/dev/port").open("r+b", buffering=0) as ports:
        os.pwrite(ports.fileno(), b"\x01", 0x505)


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)


PROGRAMS: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (append, write, leak, hoard, steady, retry, convoy, serve, visit, usual)
}

if __name__ == "__main__":
    if sys.argv[1] == "scene":
        scene(Path(sys.argv[2]))
    else:
        PROGRAMS[sys.argv[1]]()
