# SPDX-License-Identifier: Apache-2.0
"""Make the signed extension image of a pack, with the systemd-repart that the image is built with.

What it does by hand, on any machine with systemd 257: docs/how-to/make-a-pack.md.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tools import keys
from tools.build_image import set_modes
from tools.userland import NOT_OF_A_PACK
from tools.vm.emulator import TOOLS_TREE

ROOT = Path(__file__).resolve().parent.parent
RELEASE = "ID=_any\nARCHITECTURE={architecture}\n"
_INSIDE = """\
set -euo pipefail
tools=$1 work=$2
shift 2
mount --bind "$work" "$tools/mnt"
mount --rbind /proc "$tools/proc"
mount --rbind /dev "$tools/dev"
mount -t tmpfs tmpfs "$tools/tmp"
mount -t tmpfs tmpfs "$tools/var/tmp"
exec chroot "$tools" "$@"
"""


def make(pack: Path, to: Path, key: Path, certificate: Path, architecture: str = "x86-64") -> Path:
    """Write the image of the directory `pack` into the directory `to` and return its path, NAME_VERSION.raw.

    CalledProcessError when systemd-repart fails, with what it wrote.
    """
    manifest = tomllib.loads((pack / "pack.toml").read_text())
    name, title = manifest["name"], f"{manifest['name']}_{manifest['version']}"
    with tempfile.TemporaryDirectory(prefix="pack-", dir=TOOLS_TREE.parent) as folder:
        work = Path(folder)
        usr = work / "tree/usr/lib"
        shutil.copytree(pack, usr / "jepa/packs" / name, ignore=shutil.ignore_patterns(*NOT_OF_A_PACK))
        release = usr / f"extension-release.d/extension-release.{title}"
        release.parent.mkdir()
        release.write_text(RELEASE.format(architecture=architecture))
        set_modes(work / "tree")
        shutil.copyfile(key, work / "key")
        shutil.copyfile(certificate, work / "certificate")
        repart = ["systemd-repart", "--make-ddi=sysext", "--offline=yes", f"--architecture={architecture}"]
        sources = ["--copy-source=/mnt/tree", "--private-key=/mnt/key", "--certificate=/mnt/certificate"]
        space = ["unshare", "--map-root-user", "--mount", "bash", "-c", _INSIDE, "pack-image"]
        command = [*space, str(TOOLS_TREE), str(work), *repart, *sources, f"/mnt/{title}.raw"]
        subprocess.run(command, check=True, capture_output=True, text=True)
        to.mkdir(parents=True, exist_ok=True)
        shutil.move(work / f"{title}.raw", to / f"{title}.raw")
    return to / f"{title}.raw"


def main() -> int:
    """Make the image and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path, help="directory with pack.toml")
    own = keys.packs()
    parser.add_argument(
        "--key", type=Path, default=own.key, help="private key to sign with, PEM (default: of make keys)"
    )
    parser.add_argument("--certificate", type=Path, default=own.certificate, help="its certificate, PEM")
    parser.add_argument("--to", type=Path, default=ROOT / "build/packs", help="directory")
    parser.add_argument("--architecture", choices=("x86-64", "arm64"), default="x86-64")
    arguments = parser.parse_args()
    if not arguments.key.exists():
        print(f"There is no key {arguments.key} to sign with. Run: make keys", file=sys.stderr)
        return 1
    try:
        image = make(
            arguments.pack, arguments.to, arguments.key, arguments.certificate, arguments.architecture
        )
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return 1
    print(f"{image}: {image.stat().st_size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
