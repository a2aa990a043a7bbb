# SPDX-License-Identifier: Apache-2.0
"""Runs in the guest: a customer's service with its faults, and the customer. Standard library alone.

guest_faults.py shop|db          the service, and the store that it asks for each answer
guest_faults.py customer         asks once a second; prints when, how long it took, whether it was answered
guest_faults.py hog|forks|runaway|logs|fill         one program that misbehaves
guest_faults.py schedule SEED SLOTS SECONDS         a fault in each slot; prints JSON lines
guest_faults.py work build|web|batch|mixed SEED SECONDS         busy work without any fault
"""

import hashlib
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

SHOP, DB = ("127.0.0.1", 8000), ("127.0.0.1", 8001)
DATA = Path("/var/lib/shop")
"""The shop's data disk: a file system of its own, on a device-mapper device."""
LEAK = Path("/run/shop.leaks")
ASK_S = 2.0
WORK = 12_000
"""Rounds of a hash that one answer takes: some 20 ms of the emulated CPU."""
LINES = 8
"""Lines that the shop logs for each answer."""
PERSON_S = 45.0
"""Seconds after its onset at which a person has put a fault right."""
REST_S = 30.0
"""Seconds without a fault after a person has been there: what one costs must not be the next one's."""
OUTAGE_S = 8.0
"""Seconds for which the data disk answers nothing but errors."""


def now() -> float:
    """Seconds since boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def ping() -> None:
    """Tell systemd's watchdog that the service is well, where it asks for that."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect(address.replace("@", "\0", 1))
            notify.send(b"WATCHDOG=1")


def log(line: str) -> None:
    """To the system's log, as syslog(3) does it: it waits while the log has no room."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.connect("/dev/log")
        journal.send(f"<14>shop: {line}".encode())


def sell() -> None:
    """What the shop does for an answer: ask its store, compute, log, and keep the sale on disk."""
    with socket.create_connection(DB, ASK_S) as store:
        store.settimeout(ASK_S)
        if store.recv(64) != b"kept":
            raise OSError("the store did not answer")
    hashlib.pbkdf2_hmac("sha256", b"sale", b"salt", WORK)
    for number in range(LINES):
        log(f"sale, step {number}")
    with (DATA / "sales").open("a") as sales:
        sales.write(f"{now():.1f} sold\n" + 100 * "." + "\n")
        sales.flush()
        os.fsync(sales.fileno())


def sell_in_child() -> None:
    """Sell in a process of its own, as many services do."""
    if (child := os.fork()) == 0:
        try:
            sell()
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise OSError("the sale failed")


def serve(address: tuple[str, int], answer: bytes, prepare: Callable[[], None]) -> None:
    """Answer connections one after another; who cannot be served is sent away without an answer."""
    held: list[bytes] = []
    with socket.create_server(address, backlog=32) as server:
        server.settimeout(5.0)
        while True:
            ping()
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            with connection:
                try:
                    prepare()
                    if LEAK.exists() and address == SHOP:
                        held.append(os.urandom(1 << 20) * 8)
                    connection.sendall(answer)
                except OSError:
                    continue  # as most services do: this request fails, the next may not


def customer() -> None:
    """Ask once a second."""
    while True:
        begin = now()
        served = answered()
        print(f"{begin:.2f} {now() - begin:.2f} {int(served)}", flush=True)
        time.sleep(max(0.0, 1.0 - (now() - begin)))


def answered() -> bool:
    """Whether the shop serves within two seconds."""
    end = now() + ASK_S
    try:
        with socket.create_connection(SHOP, ASK_S) as shop:
            shop.settimeout(max(0.01, end - now()))
            return shop.recv(64) == b"sold"
    except OSError:
        return False


def hog() -> None:
    """Take all memory."""
    held: list[bytes] = []
    while True:
        held.append(os.urandom(1 << 20) * 8)


def forks() -> None:
    """Start processes that do nothing, as many as there is room for."""
    while True:
        run("sh", "-c", "while :; do sleep 1000 & done")
        time.sleep(1.0)


def runaway() -> None:
    """Compute without end."""
    while True:
        pass


def logs() -> None:
    """Log without end."""
    while True:
        log("something happened that nobody needs to know " * 4)


def fill() -> None:
    """Write to the shop's data disk until it is full, and wait for more room."""
    burst = b"x" * (1 << 20)
    with (DATA / "fill").open("wb") as file:
        while True:
            try:
                file.write(burst)
                file.flush()
            except OSError:
                time.sleep(0.5)
            time.sleep(0.04)


def run(*command: str) -> None:
    """Run a command whatever comes of it, once there is room for its process."""
    while True:
        try:
            subprocess.run(command, check=False, capture_output=True)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return


def start(how: str, *properties: str) -> None:
    """Start a program that misbehaves, as a service of its own."""
    words = [word for each in properties for word in ("-p", each)]
    run("systemd-run", "--quiet", f"--unit=bad-{how}", *words, sys.executable, __file__, how)


def table(content: str) -> None:
    """Give the shop's data disk another table of the device mapper."""
    run("dmsetup", "suspend", "--noflush", "--nolockfs", "shop")
    run("dmsetup", "load", "shop", "--table", content)
    run("dmsetup", "resume", "shop")


def break_disk() -> None:
    """The data disk is gone for some seconds, as after a reset of its link."""
    size = subprocess.run(["blockdev", "--getsz", "/dev/mapper/shop"], capture_output=True, text=True).stdout
    table(f"0 {size.strip()} error")

    def come_back() -> None:
        time.sleep(OUTAGE_S)
        table(f"0 {size.strip()} linear /dev/loop0 0")

    threading.Thread(target=come_back).start()


FAULTS = {
    "crash": lambda: run("systemctl", "kill", "--signal=SEGV", "shop"),
    "hang": lambda: run("systemctl", "kill", "--signal=STOP", "shop"),
    "dependency": lambda: run("systemctl", "kill", "--signal=SEGV", "db"),
    "leak": lambda: LEAK.touch(),
    "hog": lambda: start("hog"),
    "forks": lambda: start("forks", "TasksMax=infinity"),
    "runaway": lambda: start("runaway", "CPUWeight=10000"),
    "logs": lambda: start("logs", "LogRateLimitIntervalSec=0"),
    "disk": lambda: start("fill"),
    "dm-error": break_disk,
}
PROGRAMS = {"hog": hog, "forks": forks, "runaway": runaway, "logs": logs, "fill": fill, "customer": customer}


def build(dice: random.Random) -> None:
    """Compress, scan and compile, several at once."""
    run(
        "sh", "-c",
        "cd /usr/lib/python3.13; (find . -name '*.py' | head -150 | xargs cat | xz -1 > /var/tmp/busy.xz) & "
        "(find /usr/lib /etc -type f | wc -l) & (python3 -m compileall -q -f -j 2 json email -d /x) & "
        "(tar -c asyncio ctypes | gzip -9 > /var/tmp/busy.gz) & wait",
    )  # fmt: skip


def web(dice: random.Random) -> None:
    """A crowd of customers, with some who hang up."""
    for _ in range(40):
        answered()
        with socket.socket() as impatient:
            impatient.settimeout(0.01)
            impatient.connect_ex(SHOP)
        time.sleep(dice.uniform(0.0, 0.1))


def batch(dice: random.Random) -> None:
    """A nightly job: reads much into memory, writes it out, logs, and starts many short programs."""
    held: list[bytes] = []
    for _ in range(dice.randrange(40, 90)):
        held.append(os.urandom(1 << 20) * 8)
        time.sleep(0.05)
    with Path("/var/tmp/busy").open("wb") as file:
        for part in held[:30]:
            file.write(part)
        os.fsync(file.fileno())
    held.clear()
    for number in range(400):
        log(f"row {number} of the report is written")
    run("sh", "-c", "i=0; while [ $i -lt 250 ]; do i=$((i+1)); (sleep 1) & done; wait")
    Path("/var/tmp/busy").unlink()


WORKS = {"build": build, "web": web, "batch": batch}
PAUSE_S = 100.0
"""Mean pause between two waves of work."""


def work(kind: str, seed: int, seconds: float) -> None:
    """Waves of one kind of work without any fault."""
    dice, end, waves = random.Random(seed), now() + seconds, 0
    while now() < end:
        WORKS[dice.choice(list(WORKS)) if kind == "mixed" else kind](dice)
        waves += 1
        time.sleep(min(dice.expovariate(1 / PAUSE_S), max(0.0, end - now())))
    print(json.dumps({"done": now(), "waves": waves}), flush=True)


def put_right() -> None:
    """What a person does who comes to the machine."""
    LEAK.unlink(missing_ok=True)
    for how in ("hog", "forks", "runaway", "logs", "fill"):
        kill = Path(f"/sys/fs/cgroup/system.slice/bad-{how}.service/cgroup.kill")
        if kill.exists():
            kill.write_text("1")  # there may be no room for another process
        run("systemctl", "stop", f"bad-{how}")
        run("systemctl", "reset-failed", f"bad-{how}")
    if (DATA / "fill").exists():
        (DATA / "fill").unlink()
    if not answered() and not answered():
        run("systemctl", "kill", "--signal=KILL", "shop", "db")
        run("systemctl", "stop", "shop", "db", "var-lib-shop.mount")
        run("systemctl", "reset-failed", "shop", "db", "var-lib-shop.mount")
        run("systemctl", "start", "db", "shop")


def schedule(seed: int, slots: int, seconds: float) -> None:
    """Each kind of fault in turn, in an order and at moments that the seed decides."""
    dice = random.Random(seed)
    kinds: list[str] = []
    while len(kinds) < slots:
        order = list(FAULTS)
        dice.shuffle(order)
        kinds += order
    begin = now()
    rested = begin
    for number, kind in enumerate(kinds[:slots]):
        time.sleep(max(0.0, begin + number * seconds + dice.uniform(5, 15) - now(), rested - now()))
        onset = now()
        print(json.dumps({"kind": kind, "onset": onset}), flush=True)
        FAULTS[kind]()
        time.sleep(max(0.0, onset + PERSON_S - now()))
        print(json.dumps({"kind": kind, "person": now()}), flush=True)
        put_right()
        print(json.dumps({"kind": kind, "put_right": now()}), flush=True)
        rested = now() + REST_S
    time.sleep(max(0.0, begin + slots * seconds - now()))
    print(json.dumps({"done": now()}), flush=True)


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    os.chdir("/")
    match arguments:
        case ["shop"]:
            serve(SHOP, b"sold", sell_in_child)
        case ["db"]:
            serve(DB, b"kept", lambda: None)
        case ["schedule", seed, slots, seconds]:
            schedule(int(seed), int(slots), float(seconds))
        case ["work", kind, seed, seconds]:
            work(kind, int(seed), float(seconds))
        case [how]:
            PROGRAMS[how]()


if __name__ == "__main__":
    main(sys.argv[1:])
