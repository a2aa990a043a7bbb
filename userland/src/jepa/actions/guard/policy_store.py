# SPDX-License-Identifier: Apache-2.0
"""The policy in force: read anew when a file changed, and the last good one while what is there is wrong."""

import json
import logging
import os
import threading
from pathlib import Path
from typing import Final

from jepa.actions.guard import policy
from jepa.actions.guard.policy import Policy
from jepa.durable import PRIVATE, replace_file

KEPT: Final = "policy.json"
"""The texts of the last good policy, in the state directory, for an actuator that starts anew."""
_log = logging.getLogger(__name__)


class PolicyStore:
    """Gives the policy that is in force. Looks at the files' times when it is asked; for many threads."""

    def __init__(self, root: Path = Path("/"), kept: Path | None = None) -> None:
        self._root = root
        self._looked_at = (root / policy.PACKAGED, root / policy.OWN)
        self._folder = root / policy.OWN_FOLDER
        self._kept = kept
        self._lock = threading.Lock()
        self._seen: object = None
        self._policy: Policy | None = None
        self.fault = ""
        """Why the files are not what is in force; empty when they are."""

    def policy(self) -> Policy | None:
        """The policy in force; None, deny everything, when there never was one without a fault."""
        with self._lock:  # nobody may see that there is none yet while the first one is read
            seen = self._signature()
            if seen != self._seen:
                self._seen = seen
                self._read()
            return self._policy

    def _read(self) -> None:
        try:
            texts = policy.read(self._root)
            self._policy = policy.compose(texts)
        except (ValueError, OSError) as error:
            if self._policy is None:
                self._policy = self._last_good()
            what = "The last good policy stays in force" if self._policy else "Everything is refused"
            self.fault = f"{error}. {what} until it is corrected."
            _log.error("policy: %s", self.fault)
            return
        if self.fault:
            _log.warning("policy: the files are right again, and in force")
        self.fault = ""
        self._keep(texts)

    def _keep(self, texts: list[tuple[str, str]]) -> None:
        if self._kept is None:
            return
        content = json.dumps(texts)
        try:
            if self._kept.exists() and self._kept.read_text() == content:
                return
            replace_file(self._kept, content, PRIVATE)
        except OSError as error:
            _log.warning("policy: it is in force, but could not be kept for the next start: %s", error)

    def _last_good(self) -> Policy | None:
        if self._kept is None:
            return None
        try:
            return policy.compose(
                [(str(name), str(text)) for name, text in json.loads(self._kept.read_text())]
            )
        except (OSError, ValueError, TypeError):
            return None

    def _signature(self) -> object:
        """What differs when a file was written, added or removed."""
        try:
            with os.scandir(self._folder) as entries:
                own = sorted((entry.name, _state(entry)) for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            own = []
        except OSError as error:
            return str(error)
        return [*map(_state, self._looked_at), *own]


def _state(file: "Path | os.DirEntry[str]") -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode, found.st_uid
