# SPDX-License-Identifier: Apache-2.0
"""QMP for synchronous tests: QEMU's own asynchronous client on a thread of its own."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import ConnectError, QMPClient, QMPError

T = TypeVar("T")


class JobError(RuntimeError):
    """A QEMU background job ended with an error."""


class Qmp:
    """One connection to one QEMU; every call blocks, with a timeout in seconds."""

    def __init__(self, socket: Path, *, connect_timeout: float = 30.0) -> None:
        """Connect, waiting for QEMU to open ``socket``; raises TimeoutError when it never does."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        self._client = QMPClient("test")
        self._jobs = 0
        deadline = time.monotonic() + connect_timeout
        while True:
            try:
                self._run(self._client.connect(str(socket)), connect_timeout)
                return
            except (ConnectError, FileNotFoundError):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"QEMU opened no QMP socket within {connect_timeout:.0f} s") from None
                time.sleep(0.05)

    def _run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout), self._loop).result()

    def execute(
        self, command: str, arguments: dict[str, object] | None = None, *, timeout: float = 30.0
    ) -> Any:
        """The ``return`` member of QEMU's answer; raises ``qemu.qmp.ExecuteError`` when it refuses."""
        return self._run(self._client.execute(command, arguments), timeout)

    def run_job(self, command: str, arguments: dict[str, object], *, timeout: float) -> None:
        """Run a command that works as a background job, to its end.

        Raises JobError with QEMU's reason, or TimeoutError.
        """
        self._jobs += 1
        job = f"test-{self._jobs}"
        self.execute(command, {"job-id": job, **arguments}, timeout=timeout)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            state = next(j for j in self.execute("query-jobs", timeout=timeout) if j["id"] == job)
            if state["status"] == "concluded":
                self.execute("job-dismiss", {"id": job})
                if "error" in state:
                    raise JobError(f"{command}: {state['error']}")
                return
            time.sleep(0.02)
        raise TimeoutError(f"{command} did not end within {timeout:.0f} s")

    def disk_node(self) -> str:
        """The block node of the one writable qcow2 disk, which is where snapshots live."""
        nodes = [
            device["inserted"]["node-name"]
            for device in self.execute("query-block")
            if device.get("inserted")
            and device["inserted"]["drv"] == "qcow2"
            and not device["inserted"]["ro"]
        ]
        if len(nodes) != 1:
            raise RuntimeError(f"a snapshot needs exactly one writable qcow2 disk, found {nodes}")
        return str(nodes[0])

    def close(self) -> None:
        """Disconnect and stop the thread; QEMU may already be gone."""
        # A killed QEMU ends the connection in its own way.
        with suppress(QMPError, EOFError, ConnectionError, TimeoutError):
            self._run(self._client.disconnect(), 5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._loop.close()
