# SPDX-License-Identifier: Apache-2.0
"""Build the image of the last commit twice, here and in a clone from nothing, and compare every byte.

Here it is built as `make image` does, with what earlier builds have left; the clone lies elsewhere and
installs each package anew. They share what was downloaded and mkosi's tools. Neither is signed, as nobody
else has the keys.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools import mkosi_source
from tools.partitions import Partition, partitions

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build/reproducible"
COMPARED = ("raw", "efi", "vmlinuz", "initrd", "cmdline", "manifest", "spdx.json", "licences.tar.xz")
SHARED = ("mkosi.pkgcache", "wheels", f"mkosi-{mkosi_source.VERSION}")
"""Below build/: what was downloaded, each file of it checked against a signature or a hash."""
TOOLS = ("tools.cache", "tools.manifest", "tools.metadata.cache", "tools.keyring.cache")
"""In mkosi's cache: the programs that build. mkosi writes there, so that the clone has a copy."""
NOT_KEPT = "model-packs/language"
"""Has files that git does not keep."""
CHUNK = 1 << 20


def git(*words: str) -> str:
    """Ask git about this tree."""
    done = subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def build(tree: Path, image: Path) -> None:
    """Build the image of the source tree `tree` into the directory `image`, without keys."""
    command = [
        sys.executable,
        "-m",
        "tools.build_image",
        "--keys",
        str(PLACE / "no-keys"),
        "--to",
        str(image),
    ]
    environment = os.environ | {"PYTHONPATH": f"{tree}:{tree / 'userland/src'}"}
    subprocess.run(command, cwd=tree, env=environment, check=True)


def clone(commit: str, to: Path) -> None:
    """Make a clone of this tree at `commit`, with its downloads."""
    subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(to)], check=True)
    subprocess.run(["git", "-C", str(to), "checkout", "--quiet", "--detach", commit], check=True)
    for path in (ROOT / NOT_KEPT).iterdir():
        if path.is_file():
            shutil.copy2(path, to / NOT_KEPT)
    cache = to / "build/mkosi.cache"
    cache.mkdir(parents=True)
    for name in SHARED:
        if (ROOT / "build" / name).exists():
            (to / "build" / name).symlink_to(ROOT / "build" / name)
    copied = [str(path) for name in TOOLS if (path := ROOT / "build/mkosi.cache" / name).exists()]
    subprocess.run(["cp", "--archive", "--reflink=auto", *copied, str(cache)], check=True)


def digest(path: Path, start: int = 0, size: int | None = None) -> str:
    """Return the SHA-256 of a file, or of `size` bytes of it from `start` on."""
    total = hashlib.sha256()
    left = path.stat().st_size - start if size is None else size
    with path.open("rb") as file:
        file.seek(start)
        while left > 0 and (block := file.read(min(CHUNK, left))):
            total.update(block)
            left -= len(block)
    return total.hexdigest()


def differing(one: Path, other: Path) -> Iterator[str]:
    """Yield what differs of the images in two directories: artifacts by name, and parts of the disk."""
    for suffix in COMPARED:
        pair = [place / f"jepa-os.{suffix}" for place in (one, other)]
        if digest(pair[0]) == digest(pair[1]):
            continue
        yield f"jepa-os.{suffix}"
        if suffix == "raw":
            yield from (f"jepa-os.raw, {part}" for part in differing_parts(*pair))


def differing_parts(one: Path, other: Path) -> Iterator[str]:
    """Yield what differs of two disks: the table, and each partition by its number and label."""
    tables = partitions(one), partitions(other)
    if tables[0] != tables[1]:
        yield "the table of partitions"

    def parts(disk: Path, table: list[Partition]) -> list[str]:
        return [digest(disk, each.start, each.size) for each in table]

    digests = zip(parts(one, tables[0]), parts(other, tables[1]), strict=False)
    for number, (first, second) in enumerate(digests):
        if first != second:
            yield f"partition {number + 1} ({tables[0][number].label})"


def main() -> int:
    """Build twice, compare, and return 0 when all is alike."""
    if git("status", "--porcelain", "--untracked-files=no"):
        print("There are changes that are not committed, which a clone does not have.", file=sys.stderr)
        return 1
    commit = git("rev-parse", "HEAD")
    shutil.rmtree(PLACE, ignore_errors=True)
    here, there = PLACE / "here", PLACE / "there"
    build(ROOT, here)
    with tempfile.TemporaryDirectory(prefix="another-clone-", dir=PLACE) as place:
        clone(commit, Path(place) / "jepa-os")
        build(Path(place) / "jepa-os", there)
    found = list(differing(here, there))
    for each in found:
        print(f"differs: {each}")
    print(f"{here} and {there}: {'not alike' if found else 'alike, byte for byte'}")
    print(f"SHA-256 of the disk: {digest(here / 'jepa-os.raw')}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
