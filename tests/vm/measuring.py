# SPDX-License-Identifier: Apache-2.0
"""What a TPM has measured of a unified kernel image when its initrd runs, and who has signed that.

By the description of systemd-stub and the TPM 2.0 library, without the tools that built the image.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

MEASURED = (
    "linux",
    "osrel",
    "cmdline",
    "initrd",
    "ucode",
    "splash",
    "dtb",
    "uname",
    "sbat",
    "pcrpkey",
    "profile",
)
"""Sections in the order in which systemd-stub measures them, whatever that in the file."""
PHASE = "enter-initrd"
PCR = 11
_POLICY_PCR = 0x17F
"""The TPM's command of a policy that asks for values of PCRs."""
_SHA256 = 0x0B


def policy(sections: Mapping[str, bytes]) -> bytes:
    """The digest of a policy that a TPM is in its PCR 11 as ``sections`` leave it in their initrd."""
    value = bytes(32)
    for name in MEASURED:
        data = sections.get(f".{name}")
        if data is not None:
            for part in (f".{name}\0".encode(), data):
                value = _extended(value, part)
    value = _extended(value, PHASE.encode())
    selection = struct.pack(">IHB", 1, _SHA256, 3) + (1 << PCR).to_bytes(3, "little")
    asked = struct.pack(">I", _POLICY_PCR) + selection + hashlib.sha256(value).digest()
    return hashlib.sha256(bytes(32) + asked).digest()


def signed(sections: Mapping[str, bytes], key: RSAPublicKey) -> list[bytes]:
    """The digests of policies in the signature file among ``sections``, each signed with ``key``."""
    found = []
    for entry in json.loads(sections[".pcrsig"].rstrip(b"\0"))["sha256"]:
        digest = bytes.fromhex(entry["pol"])
        try:
            key.verify(base64.b64decode(entry["sig"]), digest, PKCS1v15(), SHA256())
        except InvalidSignature:
            continue
        assert entry["pcrs"] == [PCR]
        found.append(digest)
    return found


def _extended(value: bytes, data: bytes) -> bytes:
    return hashlib.sha256(value + hashlib.sha256(data).digest()).digest()
