# SPDX-License-Identifier: Apache-2.0
"""The owner's store: files below one address, reached through fsspec, each written whole or not at all.

`file://` (a directory, also one mounted from elsewhere) is in fsspec itself. `s3://` needs obstore, the
extra `s3`: one library of 15 MiB, where s3fs brings all of botocore.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jepa.errors import JepaError
from jepa.telemetry.clocks import Clock

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

PATIENCE_S: Final = 120.0
"""For so long a store is asked again that cannot be reached."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0
_UNREACHABLE: Final = 503
_SCHEMES: Final = ("file", "s3")
_DEEPEST: Final = 6
"""Folders deeper than this are none of ours: perhaps a link that leads back to itself."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file in a store."""

    path: str
    """Below the store's address."""
    size: int


Answer = TypeVar("Answer")


def patiently(ask: Callable[[], Answer], clock: Clock, patience_s: float = PATIENCE_S) -> Answer:
    """What ``ask`` answers, asked again for ``patience_s`` while the store cannot be reached."""
    until, wait = clock.monotonic() + patience_s, _FIRST_WAIT_S
    while True:
        try:
            return ask()
        except JepaError as error:
            if not is_away(error) or clock.monotonic() + wait > until:
                raise
        clock.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT_S)


def is_away(error: JepaError) -> bool:
    """Whether a store cannot be reached now, which may be over by itself."""
    return error.status == _UNREACHABLE


class Store:
    """Files below ``address``. A JepaError has status 503 while it cannot be reached, 403 without rights."""

    def __init__(self, address: str) -> None:
        self.address = address
        scheme, _, place = address.partition("://")
        if (
            scheme not in _SCHEMES
            or not place.strip("/")
            or (scheme == "file" and not place.startswith("/"))
        ):
            raise JepaError(
                f"{address!r} is no address of a store.",
                "Write file:///DIRECTORY or s3://BUCKET/PREFIX.",
                status=400,
            )
        self._local = scheme == "file"
        self._root = place.rstrip("/")
        self._files = _file_system(scheme)

    def write(self, path: str, content: bytes) -> None:
        """Put ``content`` at ``path``, in one step: nobody sees half of it."""
        target = self._at(path)
        with self._failing(path):
            if not self._local:  # an object appears when it is complete
                self._files.pipe_file(target, content)
                return
            self._check_mounted()
            temporary = f"{target}.part"
            self._files.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            with self._files.open(temporary, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            self._files.mv(temporary, target)

    def size(self, path: str) -> int | None:
        """Bytes at ``path``; None when nothing is there."""
        with self._failing(path):
            try:
                return int(self._files.info(self._at(path))["size"])
            except FileNotFoundError:
                self._check_mounted()
                return None

    def read(self, path: str, most: int) -> bytes:
        """What is at ``path``; JepaError, with nothing read, when that is more than ``most`` bytes."""
        found = self.size(path)
        if found is None:
            raise JepaError(f"{path} is not in the store.", "", status=404)
        if found > most:
            raise JepaError(f"{path} has {found} bytes, more than {most}.", "", status=413)
        with self._failing(path):
            return bytes(self._files.cat_file(self._at(path), start=0, end=most + 1))

    def find(
        self, folder: str, refused: Callable[[str, JepaError], object] | None = None
    ) -> list[StoredFile]:
        """Every file below ``folder``, by name; none when there is no such folder.

        A folder below it that may not be read is given to ``refused``, where there is that. (fsspec's own
        find passes over it in silence.)
        """
        found: list[StoredFile] = []
        folders = [folder]
        while folders:
            here = folders.pop()
            try:
                files, below = self._list(here)
            except JepaError as error:
                if refused is None or here == folder or is_away(error):
                    raise
                refused(here, error)
                continue
            found += files
            folders += [each for each in below if each.count("/") < _DEEPEST]
        return sorted(found, key=lambda each: each.path)

    def _list(self, folder: str) -> tuple[list[StoredFile], list[str]]:
        with self._failing(folder):
            self._check_mounted()
            self._files.invalidate_cache()
            place = self._at(folder)
            try:
                listed: list[dict[str, Any]] = self._files.ls(place, detail=True)
            except FileNotFoundError:
                return [], []
        start = len(self._root) + 1
        below = [(str(each["name"]).rstrip("/")[start:], each) for each in listed if each["name"] != place]
        files = [StoredFile(path, int(each["size"])) for path, each in below if each["type"] == "file"]
        return files, [path for path, each in below if each["type"] == "directory"]

    def modified_ns(self, path: str) -> int:
        """When ``path`` was written, by the clock of the store."""
        with self._failing(path):
            return int(self._files.modified(self._at(path)).timestamp() * 1e9)

    def _check_mounted(self) -> None:
        """A directory that is not there is a disk or a share that is away, not an empty store."""
        if self._local and not self._files.isdir(self._root):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), self._root)

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _failing(self, path: str) -> Iterator[None]:
        try:
            yield
        except JepaError:
            raise
        except Exception as error:  # every file system has errors of its own
            raise self._fault(path, error) from error

    def _fault(self, path: str, error: Exception) -> JepaError:
        reason = (
            getattr(error, "strerror", None) or (str(error).splitlines() or [""])[0] or type(error).__name__
        )
        reason = reason.partition(": <?xml")[0]  # what an S3 server sends with it
        if (
            isinstance(error, PermissionError)
            or type(error).__name__ in _NO_RIGHTS
            or any(code in str(error) for code in _REFUSALS)
        ):
            return JepaError(
                f"The store {self.address} refuses {path}: {reason}.",
                "Give this machine the right to it.",
                status=403,
            )
        return JepaError(
            f"The store {self.address} cannot be reached: {reason}.",
            "What was not sent is kept, and sent when it answers.",
            status=_UNREACHABLE,
        )


_NO_RIGHTS: Final = ("PermissionDeniedError", "UnauthenticatedError")
"""obstore's words for it."""
_REFUSALS: Final = ("status code: 401 ", "status code: 403 ")
"""What it says where a list is refused, for which it has no word."""


def _file_system(scheme: str) -> "AbstractFileSystem":
    import fsspec

    if scheme == "s3":
        try:
            from obstore.fsspec import register
        except ImportError:
            raise JepaError("s3:// needs the extra `s3`.", "pip install 'jepa[s3]'", status=501) from None
        register("s3")
        # Whoever uploads tries again by itself, and has other work meanwhile.
        retries = {"max_retries": 2, "retry_timeout": timedelta(seconds=30)}
        return fsspec.filesystem("s3", skip_instance_cache=True, retry_config=retries)
    return fsspec.filesystem("file", skip_instance_cache=True)
