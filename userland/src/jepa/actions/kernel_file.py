# SPDX-License-Identifier: Apache-2.0
"""Files of the kernel that hold one setting each (/proc/sys, /sys), and their errors in plain words."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from jepa.errors import JepaError

_REFUSALS: Final = {
    errno.EACCES: (403, "Act as root."),
    errno.EPERM: (403, "Act as root; a locked-down kernel may forbid it even then."),
    errno.EROFS: (403, "It is read-only here, as in a container."),
    errno.EINVAL: (422, "Try another value."),
    errno.ERANGE: (422, "Try another value."),
    errno.EOPNOTSUPP: (422, "The driver does not support it."),
    errno.EBUSY: (409, "It is in use: try again later."),
    errno.ENOENT: (422, "This kernel has no such thing: try another value."),
}
_GONE: Final = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
_LOOK: Final = "`jepa actions` shows what can be set here."


def missing(file: Path, name: str) -> str | None:
    """Why ``name``, held by ``file``, cannot be set here, in one sentence; None when it can."""
    if not file.exists():
        return f"This kernel has no {name}."
    if os.access(file, os.W_OK):
        return None
    if os.statvfs(file).f_flag & os.ST_RDONLY:
        return f"{name} cannot be set here: {file} is mounted read-only."
    return f"Only root may set {name}."


def read(file: Path, name: str) -> str:
    """The content, its spaces made single ones. JepaError (409) when it is gone, (500) when unreadable."""
    try:
        return " ".join(file.read_text().split())
    except OSError as error:
        if error.errno in _GONE:
            raise JepaError(f"{name} is gone.", _LOOK, status=409) from error
        raise JepaError(f"{name} cannot be read: {error.strerror}.", "Nothing was changed.") from error


def write(
    file: Path, text: str, name: str, look: Callable[[], None] = lambda: None, *, flags: int = 0
) -> None:
    """Write ``text``: the kernel takes all of it or nothing, which is a JepaError (403, 409, 422).

    ``look`` is called once the file is open, and may raise. What it sees then is what is written to, since
    the kernel takes nothing for a device that has gone, whatever has come in its place.
    ``flags`` are further ones of open(2).
    """
    try:
        # As `echo >` does it, but never creating: and unbuffered, so that an error is that of this write.
        descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | flags)
    except OSError as error:
        if error.errno in _GONE:
            raise JepaError(f"{name} is gone.", _LOOK, status=409) from error
        raise _refusal(f"{name} cannot be set", error) from error
    try:
        look()
        os.write(descriptor, text.encode())
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise JepaError(f"{name} is gone.", _LOOK, status=409) from error
        raise _refusal(f"The kernel does not take {text} for {name}", error) from error
    finally:
        os.close(descriptor)


def _refusal(problem: str, error: OSError) -> JepaError:
    status, remedy = _REFUSALS.get(error.errno or 0, (500, "Nothing was changed."))
    return JepaError(f"{problem}: {error.strerror}.", remedy, status=status)
