# SPDX-License-Identifier: Apache-2.0
"""Keeps tasks in one file of checked lines: a damaged one costs itself, and the newest row counts."""

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from jepa.durable import PRIVATE, replace_file
from jepa.tasks.task import Task
from jepa.telemetry.linelog import LineLog, encode, read_rows

ENDED_KEPT: Final = 100
"""Tasks that have ended and are still shown."""
_COMPACT_BYTES: Final = 1 << 19


class TaskStore:
    """The tasks of this machine; may be used from any thread."""

    def __init__(self, path: Path | None) -> None:
        """Without a ``path`` they are kept in memory; ``fault`` says so when the file cannot be used."""
        self._path = path
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}
        self._log: LineLog | None = None
        self.fault = ""
        """Why tasks are not kept over a restart; empty when they are."""
        if path is None:
            return
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._tasks = _newest(path)
            self._compact(path)
        except OSError as error:
            self.fault = f"Tasks cannot be kept in {path}: {error.strerror}."

    def all(self) -> list[Task]:
        """Every task, the oldest first."""
        with self._lock:
            return sorted(self._tasks.values(), key=lambda task: task.since_ns)

    def get(self, task_id: str) -> Task | None:
        """The task of that id."""
        with self._lock:
            return self._tasks.get(task_id)

    def put(self, task: Task) -> None:
        """Keep ``task``; on the disk when this returns, unless there is a ``fault``."""
        with self._lock:
            self._tasks[task.id] = task
            if self._path is None:
                return
            try:
                if self._log is None or self._log.size_bytes > _COMPACT_BYTES:
                    self._compact(self._path)  # with the task itself
                else:
                    self._log.append(task.as_row())
                    self._log.sync()
                self.fault = ""
            except OSError as error:
                self.fault = f"Tasks cannot be kept in {self._path}: {error.strerror}."

    def close(self) -> None:
        """Close the file."""
        with self._lock, contextlib.suppress(OSError):
            if self._log is not None:
                self._log.close()
            self._log = None

    def _compact(self, path: Path) -> None:
        """Begin the file anew with one row a task: it appears whole or not at all."""
        over = sorted(
            (task for task in self._tasks.values() if not task.active), key=lambda task: task.since_ns
        )
        for task in over[:-ENDED_KEPT]:
            del self._tasks[task.id]
        if self._log is not None:
            self._log.close()
            self._log = None
        replace_file(path, b"".join(encode(task.as_row()) for task in self._tasks.values()), PRIVATE)
        self._log = LineLog(path)


def _newest(path: Path) -> dict[str, Task]:
    return {task.id: task for task in _tasks(path)}


def _tasks(path: Path) -> Iterable[Task]:
    for row in read_rows(path):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            yield Task.from_row(row)
