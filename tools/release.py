# SPDX-License-Identifier: Apache-2.0
"""Make a release of the built image: the files that an update fetches, their sums, and a signature.

A directory of releases is a channel; versions lie side by side in it, and `jepa update` takes the newest. It
can be served over HTTP as it is, or carried on a disk.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from jepa.updates.versions import order
from tools import keys, release_notes, uki
from tools.architecture import MACHINES, NATIVE, folder
from tools.partitions import partitions

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
RELEASE = BUILD / "release"
SUMS = "SHA256SUMS"
CHUNK = 1 << 20
PRESET = 1
"""Of xz, for the hashes, half of whose partition is empty. /usr is compressed already, and stays as it is,
for a machine to fetch parts of it."""


def slots(image: Path) -> Iterator[tuple[str, uuid.UUID, int, int]]:
    """Yield kind, UUID, start and size of the two partitions that the root hash in the UKI names."""
    words = uki.command_line(image / "jepa-os.efi").split()
    root_hash = next(word.removeprefix("usrhash=") for word in words if word.startswith("usrhash="))
    kinds = {uuid.UUID(root_hash[:32]): "usr", uuid.UUID(root_hash[32:]): "usr-verity"}
    for partition in partitions(image / "jepa-os.raw"):
        if partition.uuid in kinds:
            yield kinds[partition.uuid], partition.uuid, partition.start, partition.size


def make(image: Path, release: Path, key: Path, architecture: str, *, compress: bool = True) -> str:
    """Add the image in the directory `image` to those in `release`, and return its version.

    The list of sums is written last, as a file that appears whole, and signed with the key in `key`.
    """
    version = uki.version(image / "jepa-os.efi")
    name = f"jepa-os_{version}_{architecture}"
    release.mkdir(parents=True, exist_ok=True)
    for kind, identity, start, size in slots(image):
        pack = compress and kind == "usr-verity"
        packed = release / f"{name}_{identity}.{kind}.raw{'.xz' if pack else ''}"
        with (
            (image / "jepa-os.raw").open("rb") as disk,
            lzma.open(packed, "wb", preset=PRESET) if pack else packed.open("wb") as file,
        ):
            disk.seek(start)
            for at in range(0, size, CHUNK):
                file.write(disk.read(min(CHUNK, size - at)))
    shutil.copyfile(image / "jepa-os.efi", release / f"{name}.efi")
    before = newest_before(version, release, architecture)
    shutil.copyfile(image / "jepa-os.manifest", release / f"{name}.manifest")
    text = release_notes.notes(version, architecture, release / f"{name}.manifest", before)
    (release / f"{name}.md").write_text(text)
    sign(release, key)
    return version


def newest_before(version: str, release: Path, architecture: str) -> tuple[str, Path] | None:
    """Return the newest version in `release` that is older than `version`, and its manifest."""
    found = {path.name.split("_")[1]: path for path in release.glob(f"jepa-os_*_{architecture}.manifest")}
    older = [each for each in found if order(each) < order(version)]
    return (newest, found[newest]) if (newest := max(older, key=order, default=None)) else None


def sign(release: Path, key: Path) -> None:
    """List the sums of all files in `release`, and sign the list."""
    lines = []
    for path in sorted(release.glob("jepa-os_*")):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    new = release / f".{SUMS}"
    new.write_text("".join(lines))
    keys.gpg(key, "--output", f"{new}.gpg", "--detach-sign", str(new))
    Path(f"{new}.gpg").rename(release / f"{SUMS}.gpg")
    new.rename(release / SUMS)


def main() -> int:
    """Make the release and say what it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=RELEASE, help="the channel: a directory")
    parser.add_argument("--architecture", choices=sorted(MACHINES), default=NATIVE)
    arguments = parser.parse_args()
    if not keys.public_key().exists():
        print("There is no key to sign with. Run: make keys, and then make image", file=sys.stderr)
        return 1
    image = folder(BUILD, "image", arguments.architecture)
    version = make(image, arguments.to, keys.KEYS, arguments.architecture)
    size = (
        sum(
            path.stat().st_size for path in arguments.to.glob(f"jepa-os_{version}_{arguments.architecture}*")
        )
        / 2**20
    )
    print(f"{arguments.to}: version {version}, {size:.0f} MiB to fetch")
    return 0


if __name__ == "__main__":
    sys.exit(main())
