# SPDX-License-Identifier: Apache-2.0
"""Lay out /usr/lib/jepa for the image: locked third-party wheels, then our own package and packs.

Two trees, because they change at different times: `build/site/ARCH` (from requirements/image.lock, cached by
mkosi together with the Debian packages) and `build/userland` (our code and packs, copied in at every build).
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.architecture import MACHINES

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOCK = ROOT / "requirements/image.lock"
PYTHON = "3.13"
GLIBC = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014")
"""Wheel platforms, newest first, that trixie's C library (2.41) runs and the packages publish."""

NOT_FOR_RUNNING = (
    "*.dist-info/RECORD",  # has the sums of scripts in bin, and so the path of who installed them
    "*/tests",
    "*/test",
    "bin",
    "include",
    "share",
    "duckdb/experimental",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/_pyinstaller",
    "numpy/doc",
    "numpy/f2py",
    "numpy/*/tests",
    "onnxruntime/backend",
    "onnxruntime/capi/libonnxruntime.so.*",  # for programs in C; Python's module has all of it in itself
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
)
"""What the wheels carry for developers; 65 MB that no part of the running system opens."""

LAB_ONLY = ("vision-push-t",)
"""Packs that nothing in the image has a robot for."""


NOT_OF_A_PACK = ("recordings", "scratch", "corpus", "heldout", "*.safetensors")
"""What a pack was trained on, and what its graphs are made of: it stays in the tree."""


def wheel_platforms(architecture: str) -> list[str]:
    """Return pip's options that pick wheels for the image's interpreter instead of the one that runs pip."""
    options = ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp"]
    for glibc in GLIBC:
        options += ["--platform", f"{glibc}_{MACHINES[architecture]}"]
    return options


def make_site(architecture: str) -> Path:
    """Bring `build/site/ARCH` up to the lock and return a script that stands for its content.

    Wheels are fetched into `build/wheels/ARCH` with the host's own pip configuration, then installed from
    there alone; both steps check every hash of the lock. The script does nothing: mkosi keeps its cache only
    while the text of all prepare scripts stays the same, and so notices other packages.
    """
    site = BUILD / "site" / architecture
    stamp = site.with_suffix(".prepare")
    recipe = LOCK.read_bytes() + Path(__file__).read_bytes()
    wanted = f"#!/bin/sh\n# third-party packages {hashlib.sha256(recipe).hexdigest()}\n"
    if site.is_dir() and stamp.exists() and stamp.read_text() == wanted:
        return stamp
    stamp.unlink(missing_ok=True)
    wheels = BUILD / "wheels" / architecture
    wheels.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check"]
    locked = ["--require-hashes", "--no-deps", *wheel_platforms(architecture), "-r", str(LOCK)]
    print(f"fetching the image's Python packages into {wheels.relative_to(ROOT)}", flush=True)
    subprocess.run([*pip, "download", *locked, "--dest", str(wheels)], check=True)
    shutil.rmtree(site, ignore_errors=True)
    # What the download chose fits 3.13; at this step pip would compare with the interpreter it runs on.
    offline = ["--no-index", "--find-links", str(wheels), "--ignore-requires-python", "--no-compile"]
    subprocess.run([*pip, "install", *locked, *offline, "--target", str(site)], check=True)
    for pattern in NOT_FOR_RUNNING:
        for path in site.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    stamp.write_text(wanted)
    stamp.chmod(0o755)
    return stamp


def is_whole(pack: Path) -> bool:
    """Whether the graphs that a pack names are there; says so where they are not."""
    graphs = tomllib.loads((pack / "pack.toml").read_text()).get("graphs", {})
    files = [graph[name] for graph in graphs.values() for name in ("file", "data") if name in graph]
    missing = [file for file in files if not (pack / file).exists()]
    if missing:
        print(f"{pack.relative_to(ROOT)} is left out: it has no {', '.join(missing)}", flush=True)
    return not missing


def make_userland() -> None:
    """Copy our package, and the packs that there are, into `build/userland/usr/lib/jepa`."""
    target = BUILD / "userland/usr/lib/jepa"
    shutil.rmtree(BUILD / "userland", ignore_errors=True)
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "userland/src/jepa", target / "jepa", ignore=unwanted)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    metadata = target / f"{project['name']}-{project['version']}.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        f"Summary: {project['description']}\nLicense: {project['license']}\n"
    )
    packs = sorted(manifest.parent for manifest in ROOT.glob("model-packs/*/pack.toml"))
    packs = [pack for pack in packs if pack.name not in LAB_ONLY and is_whole(pack)]
    for_pack = shutil.ignore_patterns(*NOT_OF_A_PACK)
    for pack in packs:
        shutil.copytree(pack, target / "packs" / pack.name, ignore=for_pack)
    if not any(pack.name == "machine" for pack in packs):
        print("there is no model-packs/machine yet: the image will not forecast", flush=True)
