# SPDX-License-Identifier: Apache-2.0
"""Compile the slim kernel for virtual machines from the source of the image's kernel: `make kernel`.

It lies in build/kernel/KEY/ as `vmlinuz`, with its `config` beside it, and is compiled anew only when KEY
would be another. VM tests find it by that, see tools/vm/slim.py.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from jepa.errors import JepaError
from tools import apt_source, mkosi_source, slim_kernel
from tools.vm.emulator import TOOLS_TREE

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
TRIPLE = "debian~trixie~x86-64"
"""How mkosi calls what it builds, and the folder of its objects."""


def compile_in(work: Path, version: str, log: Path) -> Path:
    """Compile with Debian's source ``version``; returns the folder with `vmlinuz` and `config`.

    Objects, caches and packages are kept in ``work``, mkosi's messages in ``log``. JepaError with the end of
    these when that fails.
    """
    if not TOOLS_TREE.is_dir():
        raise JepaError("The image's tools are not there to build with.", "Run: make image")
    mirrors = apt_source.find()
    apt_source.write_sandbox(BUILD / "sandbox", mirrors)
    for name in ("output", "cache", "workspace", "objects"):
        (work / name).mkdir(parents=True, exist_ok=True)
    (BUILD / "mkosi.pkgcache").mkdir(exist_ok=True)
    command, environment = mkosi_source.command(BUILD, mirrors.archive)
    series = ".".join(version.split(".")[:2])
    options = ["--directory", str(slim_kernel.PLACE), "--mirror", mirrors.archive, "--force"]
    options += ["--build-package", f"linux-source-{series}={version}"]
    options += ["--environment", f"SOURCE_VERSION={version}", "build"]
    with log.open("w") as messages:
        done = subprocess.run(
            [*command, *options], cwd=ROOT, env=environment, stdout=messages, stderr=messages
        )
    if done.returncode:
        end = log.read_text(errors="replace").splitlines()[-30:]
        raise JepaError("\n".join([*end, "The kernel was not built."]), f"The whole log is {log}.")
    return work / "objects" / TRIPLE


def keep(built: Path, kernels: Path, key: str) -> Path:
    """Put what was built into ``kernels`` under its ``key``, whole or not at all; the old one goes."""
    new = kernels / "new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for name in slim_kernel.FILES:
        shutil.copyfile(built / name, new / name)
    for old in kernels.iterdir():
        if old != new:
            shutil.rmtree(old)
    return new.rename(kernels / key)


def main() -> int:
    """Compile unless that is done, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, default=BUILD / "image", help="directory of the image")
    arguments = parser.parse_args()
    os.umask(0o022)
    kernels, work = BUILD / "kernel", BUILD / "kernel-build"
    for folder in (kernels, work):
        folder.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            version = slim_kernel.source_version(arguments.image)
            key = slim_kernel.key(version)
            if (there := kernels / key).is_dir():
                print(f"{there.relative_to(ROOT)}/vmlinuz is there already")
                return 0
            started = time.monotonic()
            log = BUILD / "kernel.log"
            print(
                f"compiling the slim kernel of {version}; messages go to {log.relative_to(ROOT)}", flush=True
            )
            there = keep(compile_in(work, version, log), kernels, key)
        except JepaError as error:
            print(error, file=sys.stderr)
            return 1
    size = (there / "vmlinuz").stat().st_size / 2**20
    took = time.monotonic() - started
    print(f"{there.relative_to(ROOT)}/vmlinuz: {size:.1f} MiB, built in {took:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
