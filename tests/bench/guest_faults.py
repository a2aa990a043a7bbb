# SPDX-License-Identifier: Apache-2.0
"""Runs in the guest: a customer's service with its faults, and the customer. Standard library alone.

guest_faults.py shop|db          the service, and the store that it asks for each answer
guest_faults.py customer         asks once a second; prints when, how long it took, whether it was answered
guest_faults.py hog|leak|forks|runaway|logs|fill    one program that misbehaves
guest_faults.py schedule SEED SLOTS SECONDS         a fault in each slot; prints JSON lines
"""

import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

SHOP, DB = ("127.0.0.1", 8000), ("127.0.0.1", 8001)
LOG = Path("/var/lib/shop.log")
LEAK = Path("/run/shop.leaks")
ASK_S = 2.0


def now() -> float:
    """Seconds since boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def serve(address: tuple[str, int], answer: bytes, ask: tuple[str, int] | None) -> None:
    """Answer connections one after another; the shop asks its store and writes a log for each."""
    held: list[bytes] = []
    with socket.create_server(address, backlog=32) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                try:
                    if ask is not None:
                        with socket.create_connection(ask, ASK_S) as store:
                            store.settimeout(ASK_S)
                            store.recv(64)
                        with LOG.open("a") as log:
                            log.write(f"{now():.1f} sold\n")
                        if LEAK.exists():
                            held.append(os.urandom(1 << 20) * 4)
                    connection.sendall(answer)
                except OSError:
                    continue  # the store does not answer, or the disk is full: the customer gets nothing


def customer() -> None:
    """Ask once a second."""
    while True:
        begin = now()
        try:
            with socket.create_connection(SHOP, ASK_S) as shop:
                shop.settimeout(ASK_S)
                served = shop.recv(64) == b"sold"
        except OSError:
            served = False
        print(f"{begin:.2f} {now() - begin:.2f} {int(served)}", flush=True)
        time.sleep(max(0.0, 1.0 - (now() - begin)))


def misbehave(how: str) -> None:
    """Take all of something until somebody ends it."""
    held: list[bytes] = []
    burst = b"x" * (1 << 20)
    if how == "fill":
        with Path("/var/tmp/fill").open("wb") as file:
            while True:
                try:
                    file.write(burst)
                    file.flush()
                except OSError:
                    time.sleep(0.5)
                time.sleep(0.01)
    while True:
        if how == "hog":
            held.append(os.urandom(1 << 20) * 8)
        elif how == "forks":
            if os.fork() == 0:
                time.sleep(0.05)
        elif how == "logs":
            print("something happened that nobody needs to know " * 4, flush=True)


def run(*command: str) -> None:
    """Run a command whatever comes of it."""
    subprocess.run(command, check=False, capture_output=True)


def start(how: str, *properties: str) -> None:
    """Start a program that misbehaves, as a service of its own."""
    words = [word for each in properties for word in ("-p", each)]
    run("systemd-run", "--quiet", f"--unit=bad-{how}", *words, sys.executable, __file__, how)


FAULTS = {
    "crash": lambda: run("systemctl", "kill", "--signal=SEGV", "shop"),
    "hang": lambda: run("systemctl", "kill", "--signal=STOP", "shop"),
    "dependency": lambda: run("systemctl", "kill", "--signal=SEGV", "db"),
    "leak": lambda: LEAK.touch(),
    "hog": lambda: start("hog"),
    "forks": lambda: start("forks"),
    "runaway": lambda: start("runaway"),
    "logs": lambda: start("logs"),
    "disk": lambda: start("fill"),
}


def put_right() -> None:
    """What a person would do who comes at the end of a slot."""
    LEAK.unlink(missing_ok=True)
    for how in ("hog", "forks", "runaway", "logs", "fill"):
        run("systemctl", "kill", "--signal=KILL", f"bad-{how}")
        run("systemctl", "reset-failed", f"bad-{how}")
    Path("/var/tmp/fill").unlink(missing_ok=True)
    for unit in ("db", "shop"):
        state = subprocess.run(["systemctl", "is-active", unit], capture_output=True, text=True, check=False)
        stopped = unit == "shop" and not answered()
        if state.stdout.strip() != "active" or stopped:
            run("systemctl", "kill", "--signal=KILL", unit)
            run("systemctl", "reset-failed", unit)
            run("systemctl", "restart", unit)


def answered() -> bool:
    """Whether the shop serves now."""
    try:
        with socket.create_connection(SHOP, ASK_S) as shop:
            shop.settimeout(ASK_S)
            return shop.recv(64) == b"sold"
    except OSError:
        return False


def schedule(seed: int, slots: int, seconds: float) -> None:
    """Each kind of fault in turn, in an order and at moments that the seed decides."""
    dice = random.Random(seed)
    kinds: list[str] = []
    while len(kinds) < slots:
        order = list(FAULTS)
        dice.shuffle(order)
        kinds += order
    begin = now()
    for number, kind in enumerate(kinds[:slots]):
        time.sleep(max(0.0, begin + number * seconds + dice.uniform(5, 15) - now()))
        print(json.dumps({"kind": kind, "onset": now()}), flush=True)
        FAULTS[kind]()
        time.sleep(max(0.0, begin + (number + 1) * seconds - 5 - now()))
        well = answered()
        put_right()
        print(json.dumps({"kind": kind, "put_right": now(), "was_well": well}), flush=True)
    print(json.dumps({"done": now()}), flush=True)


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    os.chdir("/")
    match arguments:
        case ["shop"]:
            serve(SHOP, b"sold", DB)
        case ["db"]:
            serve(DB, b"kept", None)
        case ["customer"]:
            customer()
        case ["schedule", seed, slots, seconds]:
            schedule(int(seed), int(slots), float(seconds))
        case [how]:
            misbehave(how)


main(sys.argv[1:])
