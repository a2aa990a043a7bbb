# SPDX-License-Identifier: Apache-2.0
"""Find an mkosi that fits, or bring trixie's, checked by its SHA-256, from the host's Debian mirror."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "25.3-7"
SHA256 = "ef56c81324fd47d65490e944ec4697bb3f6fb21326d0d071bfc2fb5ba5383252"
OLDEST = (25, 3)
NEWEST = (26,)
"""From 26 on, names of settings differ (see docs); what the host has is then passed over."""


def parse_version(text: str) -> tuple[int, ...]:
    """Return the numbers of `mkosi --version`, () when there are none."""
    found = re.search(r"(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def fits(version: tuple[int, ...]) -> bool:
    """Return whether our configuration was written for this version."""
    return OLDEST <= version < NEWEST


def command(build: Path, archive: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs mkosi and the environment it needs; fetches it into `build` when missing.

    `archive` is the base address of a Debian mirror.
    """
    if own := shutil.which("mkosi"):
        said = subprocess.run([own, "--version"], check=False, stdout=subprocess.PIPE, text=True).stdout
        if fits(parse_version(said)):
            return [own], dict(os.environ)
    tree = build / f"mkosi-{VERSION}"
    modules = tree / "usr/lib/python3/dist-packages"
    if not (modules / "mkosi").is_dir():
        bring(build, tree, archive)
    return [sys.executable, "-m", "mkosi"], os.environ | {"PYTHONPATH": str(modules)}


def bring(build: Path, tree: Path, archive: str) -> None:
    """Fetch the package with apt's downloader, which refuses another hash, and unpack it into `tree`."""
    print(f"bringing mkosi {VERSION}, as the host has none that fits", flush=True)
    build.mkdir(exist_ok=True)
    package = build / f"mkosi_{VERSION}_all.deb"
    address = f"{archive}/pool/main/m/mkosi/{package.name}"
    helper = "/usr/lib/apt/apt-helper"
    subprocess.run([helper, "download-file", address, str(package), f"SHA256:{SHA256}"], check=True)
    subprocess.run(["dpkg-deb", "-x", str(package), str(tree)], check=True)
