# SPDX-License-Identifier: Apache-2.0
"""Say in one sentence why systemd-sysupdate took no update: it says so in many lines, for its developers."""

from __future__ import annotations

import re
from typing import Final

from jepa.errors import JepaError

_SAME: Final = "The version that runs is as it was."
_KNOWN: Final = (
    (r"No space left on device", "the partition that the firmware starts from is full"),
    (
        r"Signature verification failed",
        "its list of sums was altered, or is signed with a key that is not trusted here",
    ),
    (
        r"Checksum of (?:\S*/)?(?P<file>\S+) file did not check out",
        "{file} is not what its list of sums says: altered, or cut short",
    ),
    (
        r"SSL peer certificate|(?i:problem with the SSL CA cert)|certificate verify failed",
        "nobody who is trusted here vouches for its certificate",
    ),
    (r"HTTP request to \S+ failed with code 50[234]", "it answers no more"),
    (
        r"HTTP request to (?:\S*/)?(?P<file>\S+) failed with code (?P<code>\d+)",
        "{file} is not there (HTTP {code})",
    ),
    (r"(Couldn't|Could not|Failed to) (connect|resolve)", "nothing answers there"),
    (r"Timeout was reached", "it answers no more"),
    (
        r"Premature connection termination|Download truncated"
        r"|Transfer failed: (Transferred a partial|Fail.*when receiving|Recv failure)",
        "the connection broke off before all was here",
    ),
    (r"(Couldn't|Could not) (read a|open) file", "no release lies there"),
    (r"Transfer failed: (?P<what>.+?)\.?$", "the transfer broke off: {what}"),
    (
        r"two partition slots|enough partition slots|No available partition|Content too large|overly large",
        "this disk has no second slot that it fits into",
    ),
    (r"Update '.*' not found", "it is not there for this machine"),
    (r"Corrupt manifest|Truncated manifest|Manifest file|manifest line", "its list of sums cannot be read"),
)
"""What systemd-sysupdate 257 and systemd-pull write, the first cause first, and what that means."""


def refusal(stderr: str, status: int, what: str) -> JepaError:
    """The error for a person: ``what`` did not come about, for the first reason known in ``stderr``.

    Where none is known, the last line of it says why.
    """
    for pattern, meaning in _KNOWN:
        if match := re.search(pattern, stderr, re.MULTILINE):
            return JepaError(f"{what}: {meaning.format(**match.groupdict())}.", _SAME, status=409)
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    said = lines[-1] if lines else f"exit status {status}"
    return JepaError(f"{what}: {said.rstrip('.')}.", _SAME, status=409)
