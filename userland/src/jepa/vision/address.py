# SPDX-License-Identifier: Apache-2.0
"""Addresses of cameras on the network, and what of them may be said: they hold passwords."""

import re

STREAMS = ("rtsp://", "rtsps://")
_HIDDEN = "…"
_ADDRESS = re.compile(r"\w+://")
_VIEWER = re.compile(r"(?<=://).*@", re.DOTALL)
"""Up to the last @, since a / in a password hides where the host begins."""
_VALUE = re.compile(r"([^/?&;=#]*)=([^/&;#]*)")
_CHANNEL = re.compile(r"(channel|ch|camera|id|stream|subtype|substream|track|trackid|profile)=\d{1,3}", re.I)
"""What distinguishes two cameras of one recorder, and is no secret."""


def is_stream(where: str) -> bool:
    """Whether ``where`` is the address of a camera on the network."""
    return where.startswith(STREAMS)


def shown(where: str) -> str:
    """``where`` as people, events and journals may see it.

    Of an address the name and the password before its host are left out, and each ``name=value`` behind it
    loses its value, but for a channel's number, since some cameras want their password there. Any other
    ``where`` is as it was.
    """
    if not _ADDRESS.match(where):
        return where
    return _VALUE.sub(lambda found: _without_value(found[0], found[1]), _VIEWER.sub("", where))


def _without_value(pair: str, name: str) -> str:
    return pair if _CHANNEL.fullmatch(pair) else f"{name}={_HIDDEN}"
