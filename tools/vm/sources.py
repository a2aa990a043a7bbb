# SPDX-License-Identifier: Apache-2.0
"""Put the sources of this tree into a running machine, over those of its image, without building an image.

Our package, the machine pack and the files of mkosi.extra/usr go into a file system in the guest's memory
that is mounted over /usr. What only a build makes stays the image's: packages, kernel, BPF programs, /etc.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path

from tools.vm.emulator import TOOLS_TREE
from tools.vm.image import BUILD, ROOT
from tools.vm.machine import Machine

PACK = Path("model-packs/machine")
HOST_ADDRESS = "10.0.2.2"
"""Where QEMU's user network shows its host to the guest."""

_RECEIVE = """\
set -e
mkdir /run/sources
tar -x --gzip -C /run/sources
mount -t overlay sources -o lowerdir=/run/sources/usr:/usr /usr
# over it, since the overlay would still show modules that are no more
mount --bind /run/sources/usr/lib/jepa/jepa /usr/lib/jepa/jepa
"""
_APPLY = """\
set -e
systemd-sysusers
systemd-tmpfiles --create 2>/dev/null || true
udevadm control --reload
cd /run/sources/usr/lib/systemd/system
systemctl --quiet --no-reload preset $(grep -l '^\\[Install\\]' jepa*)
systemctl daemon-reload
systemctl start --no-block sockets.target basic.target default.target
"""
_RESTART = "systemctl restart --no-block jepad.service jepa-telemetry.service"

ASKED_ANEW = ("actions", "shell", "evaluation")
"""Parts of the package that no daemon holds in memory before somebody asks for them."""


def push(machine: Machine, root: Path = ROOT) -> None:
    """Let ``machine`` run the sources under ``root`` from now on.

    Units that are new are started; jepad and jepa-telemetry start anew if what they run is not what the
    image was built with. Returns when all that is under way: wait for what is needed. Once after a boot: a
    second time needs the machine restored to what it was before.
    """
    feed(machine, bundle(root), _RECEIVE)
    machine.succeed(_APPLY, 60)
    built = BUILD / "userland/usr/lib/jepa"
    other = _digest(root / "userland/src/jepa") != _digest(built / "jepa")
    if other or _manifest(root / PACK) != _manifest(built / "packs/machine"):
        machine.succeed(_RESTART)
    machine.say(f"runs the sources of {root}")


def feed(machine: Machine, content: bytes, script: str) -> None:
    """Run ``script`` in the guest's shell with ``content`` on its standard input, over the user network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sender = threading.Thread(target=_send_once, args=(server, content), daemon=True)
        sender.start()
        wait = f"until ip route get {HOST_ADDRESS} >/dev/null 2>&1; do sleep 0.2; done"
        machine.succeed(f"{wait}\n(\n{script}\n) </dev/tcp/{HOST_ADDRESS}/{port}", 60)
        sender.join()


def _manifest(pack: Path) -> bytes:
    """What names every file of ``pack``; empty where there is none."""
    file = pack / "pack.toml"
    return file.read_bytes() if file.exists() else b""


def _digest(package: Path) -> str:
    """Stands for what the daemons run of ``package``."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package)
        if name.parts[0] not in ASKED_ANEW and path.is_file() and path.suffix != ".pyc":
            digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def bundle(root: Path) -> bytes:
    """What lies over the guest's /usr, as a compressed tar archive with system modes and owners."""
    with tempfile.TemporaryDirectory(prefix="sources-") as directory:
        tree = Path(directory)
        shutil.copytree(root / "mkosi.extra/usr", tree / "usr", symlinks=True)
        package = tree / "usr/lib/jepa/jepa"
        unwanted = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(root / "userland/src/jepa", package, ignore=unwanted)
        _compile(package)
        for part in ("pack.toml", "effects.json", "*.onnx"):
            for file in (root / PACK).glob(part):
                target = tree / "usr/lib/jepa/packs/machine" / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as archive:
            archive.add(tree / "usr", "usr", filter=_as_installed)
        return buffer.getvalue()


def _compile(package: Path) -> None:
    """Compile with the tools tree's Python, which is the image's version: the guest would take a minute."""
    loader = next(TOOLS_TREE.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
    python = [str(loader), "--library-path", str(loader.parent), str(TOOLS_TREE / "usr/bin/python3")]
    how = ["-q", "--invalidation-mode", "unchecked-hash"]
    names = ["-s", str(package.parent), "-p", "/usr/lib/jepa"]  # where tracebacks find the source
    environment = {"PATH": os.defpath, "PYTHONHOME": str(TOOLS_TREE / "usr")}
    subprocess.run([*python, "-m", "compileall", *how, *names, str(package)], check=True, env=environment)


def _as_installed(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Root's, readable by all, and writable by the owner alone, whatever the clone's modes are."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    if not member.issym():
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def _send_once(server: socket.socket, content: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(content)
