# SPDX-License-Identifier: Apache-2.0
"""Load a block device by direct I/O of some threads, and print what was done as JSON.

io_control.py runs it in the guest.
`python3 io_load.py DEVICE read|write BLOCK_BYTES DEPTH SECONDS READY BEGIN`: makes the file READY when it
can begin, and begins when the file BEGIN is there, for loads that shall run side by side. DEPTH threads then
each keep one request at a random place in flight. The first second is not counted.
"""

import json
import mmap
import os
import random
import sys
import threading
import time
from pathlib import Path


def main() -> None:
    """Do what the arguments say."""
    path, kind, block, depth, seconds, ready, begin = sys.argv[1:]
    size = int(block)
    device = os.open(path, os.O_RDWR | os.O_DIRECT)
    places = os.lseek(device, 0, os.SEEK_END) // size
    begun = threading.Event()
    start = end = 0.0
    latencies: list[float] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        buffer = mmap.mmap(-1, size)  # aligned, as direct I/O asks for
        act = os.preadv if kind == "read" else os.pwritev
        begun.wait()
        before = time.monotonic()
        while before < end:
            act(device, [buffer], chance.randrange(places) * size)
            after = time.monotonic()
            if start + 1 <= before and after <= end:
                latencies.append(after - before)
            before = after

    def busy_s() -> float:
        """What all CPUs have worked since boot, interrupts included."""
        words = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return (sum(words[:3]) + sum(words[5:7])) / os.sysconf("SC_CLK_TCK")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(int(depth))]
    for thread in threads:
        thread.start()
    Path(ready).touch()
    while not Path(begin).exists():
        time.sleep(0.05)
    start = time.monotonic()
    end = start + 1 + float(seconds)
    begun.set()
    time.sleep(1)
    worked = -busy_s()
    time.sleep(max(0.0, end - time.monotonic()))
    worked += busy_s()
    for thread in threads:
        thread.join()
    latencies.sort()
    done = len(latencies)
    told = {"per_s": done / float(seconds), "busy_s": worked}
    if done:
        told |= {
            "cpu_us": 1e6 * worked / done,
            "p50_ms": latencies[done // 2] * 1e3,
            "p99_ms": latencies[done * 99 // 100] * 1e3,
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
