# SPDX-License-Identifier: Apache-2.0
"""Sign what firmware starts, take a signature off, and check one, with the tools that built the image."""

import struct
import subprocess
from pathlib import Path

from tools.keys import Pair
from tools.vm.emulator import TOOLS_TREE

_OPTIONAL = 24
"""Where the optional header begins, behind the beginning of the PE header."""
_CERTIFICATES = _OPTIONAL + 112 + 4 * 8
"""Where the place and the size of the signatures stand, the fifth directory of a 64-bit PE file."""


def _tool(name: str, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run a program of the tools tree with its own libraries."""
    loader = next(TOOLS_TREE.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
    command = [loader, "--library-path", loader.parent, TOOLS_TREE / "usr/bin" / name, *words]
    return subprocess.run(command, capture_output=True, check=False)


def unsigned(program: bytes) -> bytes:
    """`program`, a PE file, without its signatures, which lie at its end."""
    data = bytearray(program)
    (header,) = struct.unpack_from("<I", data, 0x3C)
    place, size = struct.unpack_from("<II", data, header + _CERTIFICATES)
    assert place, "it has no signature"
    assert place + size == len(data)
    struct.pack_into("<II", data, header + _CERTIFICATES, 0, 0)
    return bytes(data[:place])


def sign(program: Path, pair: Pair, to: Path) -> None:
    """Sign the PE file `program` with the key of `pair` into the file `to`."""
    words = ("--key", pair.key, "--cert", pair.certificate, "--output", to, program)
    done = _tool("sbsign", *words)
    assert done.returncode == 0, done.stderr.decode()


def is_signed(program: Path, pair: Pair) -> bool:
    """Whether the PE file `program` has a signature that the certificate of `pair` fits."""
    done = _tool("sbverify", "--cert", pair.certificate, program)
    said = (done.stdout + done.stderr).decode()
    assert "erification" in said or "No signature" in said, said
    return done.returncode == 0
