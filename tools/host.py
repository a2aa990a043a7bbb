# SPDX-License-Identifier: Apache-2.0
"""Check that this host can build and run the image; as root, install what is missing, saying what.

Called with the purposes: `venv`, `build`, `run`, `release`, `lint`, `tests`, `bpf`. What is there stays. An
image for another architecture than this host's asks for more: see `tools.foreign`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tools import foreign
from tools.architecture import NATIVE
from tools.vm import emulator
from tools.vm.board import BOARDS, Board

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
NEED_GIB = 7
"""At the peak of a first build, beside the venv of 2.7: tools tree 2, caches 2, image and its trees 2.6."""

PACKAGES = {
    "venv": {"python3-venv": f"{sysconfig.get_path('stdlib')}/ensurepip/__init__.py"},
    "build": {"debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg"},
    "run": {"qemu-utils": "/usr/bin/qemu-img"},
    "release": {"gpg": "/usr/bin/gpg", "gpg-agent": "/usr/bin/gpg-agent", "openssl": "/usr/bin/openssl"},
    "lint": {"shellcheck": "/usr/bin/shellcheck"},
    "tests": {
        "dbus-daemon": "/usr/bin/dbus-daemon",
        "e2fsprogs": "/usr/sbin/debugfs",
        "fish": "/usr/bin/fish",
        "groff-base": "/usr/bin/groff",
        "polkitd": "/usr/lib/polkit-1/polkitd",
        "prometheus": "/usr/bin/promtool",
        "systemd": "/usr/bin/systemd-analyze",
        "zsh": "/usr/bin/zsh",
    },
    "bpf": {
        "bpftool": "/usr/sbin/bpftool",
        "clang": "/usr/bin/clang",
        "libbpf-dev": "/usr/include/bpf/bpf_helpers.h",
        "llvm": "/usr/bin/llvm-strip",
    },
}
"""Debian package and the file that shows it is there, for each purpose; a machine to run is the board's."""
SERVICES = {"prometheus": "prometheus.service"}
"""A service that a package would start on this host, of which only the programs are wanted."""


def missing(purpose: str, board: Board) -> list[str]:
    """Return the Debian packages that `purpose` needs, with machines like `board`, and this host lacks."""
    packages = PACKAGES[purpose]
    if purpose == "run":
        if emulator.installed(board=board):
            return []
        packages = packages | dict(board.packages)
    return [package for package, path in packages.items() if not Path(path).exists()]


def install(packages: Sequence[str]) -> None:
    """Install Debian packages, or end with the command that a person must run."""
    words = " ".join(packages)
    if os.geteuid() != 0:
        raise SystemExit(f"This host lacks {words}. Run: sudo apt-get install {words}")
    if not shutil.which("apt-get"):
        raise SystemExit(f"This host lacks {words} and has no apt-get. Install them your own way.")
    print(f"installing on this host: {words}", flush=True)
    for package in SERVICES.keys() & set(packages):
        mask = Path("/etc/systemd/system") / SERVICES[package]
        if mask.parent.is_dir() and not mask.exists():
            print(f"its {mask.name} is masked, so that it does not run here", flush=True)
            mask.symlink_to("/dev/null")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    command = [*apt, "install", "--yes", "--no-install-recommends", *packages]
    quiet = subprocess.DEVNULL
    if subprocess.run(command, env=environment, stdout=quiet, stderr=quiet).returncode:
        # Lists may be missing or older than the mirror.
        subprocess.run([*apt, "update"], check=True)
        subprocess.run(command, env=environment, check=True, stdout=quiet)


def check_building() -> None:
    """End with one sentence and a remedy when no image can be built here."""
    namespaces = ["unshare", "--user", "true"]
    if os.geteuid() != 0 and subprocess.run(namespaces, stderr=subprocess.DEVNULL).returncode:
        raise SystemExit(
            "This user may not create user namespaces, which mkosi needs. Build as root, or run: "
            "sudo sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0"
        )
    BUILD.mkdir(exist_ok=True)
    free = shutil.disk_usage(BUILD).free / 2**30
    if free < NEED_GIB and not (BUILD / "mkosi.cache").exists():
        raise SystemExit(
            f"{BUILD} has {free:.0f} GiB free and a first build takes up to {NEED_GIB}. "
            "Free some, or make build/ a link to a larger disk."
        )
    lists = Path("/var/lib/apt/lists")
    if os.geteuid() == 0 and lists.is_dir() and not any(lists.glob("*Release")):
        subprocess.run(["apt-get", "-qq", "update"], check=True)


def check_foreign(architecture: str) -> None:
    """End with one sentence and a remedy unless programs for `architecture` run here; as root, see to it."""
    runner = foreign.Runner(architecture)
    if runner.ready():
        return
    if os.geteuid() != 0:
        raise SystemExit(
            f"This host does not run programs for {architecture}, as the build of such an image must. Run: "
            f"sudo {Path(sys.executable).name} -m tools.host build --architecture {architecture}"
        )
    if not runner.rule_file().exists():
        install([foreign.PACKAGE])
    runner.register()


def main() -> int:
    """Make the host fit for each purpose named and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("purposes", nargs="+", choices=sorted(PACKAGES))
    parser.add_argument("--architecture", choices=sorted(BOARDS), default=NATIVE, help="of the image")
    arguments = parser.parse_args()
    board = BOARDS[arguments.architecture]
    if os.geteuid() != 0:
        # mkosi then maps a range of users, which only these set-user-ID programs may do
        PACKAGES["build"]["uidmap"] = "/usr/bin/newuidmap"
    for purpose in arguments.purposes:
        if lacking := missing(purpose, board):
            install(lacking)
        if purpose == "build":
            check_building()
            if board.architecture != NATIVE:
                check_foreign(board.architecture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
