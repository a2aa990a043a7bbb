# SPDX-License-Identifier: Apache-2.0
"""A signed channel: files, the list of their sums, and that list's signature by a key that is trusted here.

It is what systemd-sysupdate reads, with the same keys. Beside versions it may list ``withdrawn``: those that
whoever released them has taken back.
"""

import hashlib
import re
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from jepa.errors import JepaError

SUMS: Final = "SHA256SUMS"
WITHDRAWN: Final = "withdrawn"
"""A file of a channel: a line, NAME_VERSION, for each version that was taken back."""
KEYRINGS: Final = ("etc/systemd/import-pubring.gpg", "usr/lib/systemd/import-pubring.gpg")
"""The keys that are trusted, below the root; the first that is there takes the place of the other."""
_PATIENCE_S: Final = 30.0
_LONGEST_LIST: Final = 1 << 20
_PIECE: Final = 1 << 20
_LINE: Final = re.compile(r"(?P<sum>[0-9a-f]{64}) [ *](?P<name>[A-Za-z0-9][A-Za-z0-9._+~-]*)")
_TITLE: Final = re.compile(r"[a-z0-9][a-z0-9-]*_[0-9A-Za-z.+~-]+")

Runner = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
"""Runs a command and returns what it wrote and its exit status."""


@dataclass(frozen=True, slots=True)
class SignedChannel:
    """What a channel held when it was read."""

    address: str
    sums: Mapping[str, str]
    """SHA-256 of each file, by its name."""
    withdrawn: frozenset[str]
    """NAME_VERSION of each version that was taken back."""

    def fetch(self, name: str, folder: Path) -> Path:
        """The file ``name``, in ``folder``, when it is what was signed. JepaError says why not."""
        file = folder / name
        digest = hashlib.sha256()
        with _answer(self.address, name) as answer, file.open("wb") as to:
            while piece := answer.read(_PIECE):
                digest.update(piece)
                to.write(piece)
        if digest.hexdigest() != self.sums[name]:
            raise JepaError(
                f"{name} is not what the list of sums at {self.address} says: altered, or cut short.",
                "Nothing was changed.",
                status=409,
            )
        return file


def read_channel(address: str, root: Path, run: Runner) -> SignedChannel:
    """The channel at ``address``, an http(s) or file address. JepaError unless its list is signed."""
    with tempfile.TemporaryDirectory(prefix="jepa-channel-") as name:
        folder = Path(name)
        listed = _small(address, SUMS)
        (folder / SUMS).write_bytes(listed)
        (folder / "signature").write_bytes(_small(address, f"{SUMS}.gpg"))
        _check_signature(folder, address, root, run)
    lines = listed.decode(errors="replace").splitlines()
    matches = [_LINE.fullmatch(line) for line in lines]
    sums = {match["name"]: match["sum"] for match in matches if match}
    if len(sums) != len(lines):
        raise JepaError(f"The list of sums at {address} cannot be read.", "Nothing was changed.", status=422)
    withdrawn: frozenset[str] = frozenset()
    if WITHDRAWN in sums:
        content = _small(address, WITHDRAWN)
        if hashlib.sha256(content).hexdigest() != sums[WITHDRAWN]:
            raise JepaError(
                f"{WITHDRAWN} at {address} is not what the list of sums says.",
                "Nothing was changed.",
                status=409,
            )
        withdrawn = frozenset(line for line in content.decode().splitlines() if _TITLE.fullmatch(line))
    return SignedChannel(address, sums, withdrawn)


def _check_signature(folder: Path, address: str, root: Path, run: Runner) -> None:
    keys = next((root / each for each in KEYRINGS if (root / each).is_file()), None)
    if keys is None:
        raise JepaError(
            "No key is trusted here that a channel could be signed with.",
            f"Put the public key of whoever signs it into /{KEYRINGS[0]}.",
            status=403,
        )
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    # As systemd-pull asks: this keyring and no other, no agent, no network, no database of trust.
    options = [
        "--batch",
        "--no-options",
        f"--homedir={home}",
        "--no-default-keyring",
        "--no-auto-key-locate",
    ]
    options += ["--no-auto-check-trustdb", "--trust-model=always", f"--keyring={keys}"]
    done = run(["gpg", *options, "--verify", str(folder / "signature"), str(folder / SUMS)])
    if done.returncode:
        raise JepaError(
            f"The list of sums at {address} was altered, or is signed with a key that is not trusted here.",
            "Nothing was changed.",
            status=403,
        )


def _small(address: str, name: str) -> bytes:
    with _answer(address, name) as answer:
        content: bytes = answer.read(_LONGEST_LIST + 1)
    if len(content) > _LONGEST_LIST:
        raise JepaError(f"{name} at {address} is too long.", "Nothing was changed.", status=422)
    return content


@contextmanager
def _answer(address: str, name: str) -> Iterator[IO[bytes]]:
    try:
        with urllib.request.urlopen(f"{address}/{name}", timeout=_PATIENCE_S) as answer:
            yield answer
    except OSError as error:  # URLError is one
        reason = getattr(error, "reason", None) or error
        gone = isinstance(reason, FileNotFoundError) or getattr(error, "code", None) == 404
        why = "it is not there" if gone else getattr(reason, "strerror", None) or reason
        raise JepaError(
            f"{address}/{name} cannot be fetched: {why}.",
            "Look at the address.",
            status=404 if gone else 502,
        ) from error
