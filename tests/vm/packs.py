# SPDX-License-Identifier: Apache-2.0
"""Makes extension images of packs for tests: of other versions, changed, damaged, or signed by others."""

import re
import shutil
from pathlib import Path

from tests.worse_pack import disturb
from tools import keys, pack_image
from tools.partitions import partitions
from tools.userland import NOT_OF_A_PACK
from tools.vm.image import ROOT
from tools.vm.machine import Machine

SHIPPED = ROOT / "model-packs/machine"
NEWER = "99.1.0"
TRUSTED = "/etc/verity.d"
STRANGE = (r"verity: .*failed", "the kernel itself knows none of the tests' keys")


class Packs:
    """Makes images of variants of the machine pack in a directory."""

    def __init__(self, place: Path, own: keys.Pair) -> None:
        """In ``place``; signed with the key of ``own`` where no other is named."""
        self.place = place / "served"
        self.place.mkdir()
        self._work, self.own = place, own

    def make(
        self, version: str, *changes: tuple[str, str], key: keys.Pair | None = None, noise: float = 0.0
    ) -> str:
        """An image of the shipped pack as ``version``, with ``changes`` to its manifest; its file name.

        With ``noise`` the weights that forecast are off by so many of their own deviations.
        """
        pack = self._work / "pack"
        shutil.rmtree(pack, ignore_errors=True)
        shutil.copytree(SHIPPED, pack, ignore=shutil.ignore_patterns(*NOT_OF_A_PACK))
        text = (pack / "pack.toml").read_text()
        for pattern, replacement in ((r'^version = ".*"', f'version = "{version}"'), *changes):
            text, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
            assert count == 1, pattern
        (pack / "pack.toml").write_text(text)
        if noise:
            disturb(pack, noise)
        signing = key or self.own
        return pack_image.make(pack, self.place, signing.key, signing.certificate).name

    def flip(self, name: str) -> None:
        """Alter one bit of the files in the image ``name``, a good way into them."""
        path = self.place / name
        files = max(partitions(path), key=lambda each: each.size)
        content = bytearray(path.read_bytes())
        content[files.start + files.size // 2] ^= 1
        path.write_bytes(content)


def pair(place: Path, name: str) -> keys.Pair:
    """A key called ``name`` and its certificate in ``place``, made anew."""
    made = keys.Pair(place / f"{name}.key", place / f"{name}.crt")
    keys.make_pair(made, name)
    return made


def trust(machine: Machine, packs: Packs) -> None:
    """Let ``machine`` trust the key of ``packs``, and have a network to fetch them over."""
    certificate = packs.own.certificate.read_text()
    machine.succeed(f"mkdir -p {TRUSTED}; cat >{TRUSTED}/own.crt <<'END'\n{certificate}END")
    machine.wait_until_succeeds("ip route | grep default")
