# SPDX-License-Identifier: Apache-2.0
"""Programs of Debian that the image does not carry, for a machine that is to be compared with ours."""

import hashlib
import lzma
import subprocess
import tarfile
import tempfile
import urllib.request
from io import BytesIO
from pathlib import Path

from tools.apt_source import RELEASE, find
from tools.vm.image import BUILD
from tools.vm.machine import Machine
from tools.vm.sources import feed

FOLDER = BUILD / "bench/debs"
ARCHITECTURE = "amd64"
_LAY_OVER = """\
set -e
mkdir /run/peers
tar -x --gzip -C /run/peers
mount -t overlay peers -o lowerdir=/run/peers/usr:/usr /usr
if [ -d /usr/lib/jepa/jepa ] && [ -d /run/sources ]; then
    mount --bind /run/sources/usr/lib/jepa/jepa /usr/lib/jepa/jepa
fi
if [ -d /run/peers/etc ]; then cp -a /run/peers/etc/. /etc/; fi
systemd-sysusers
systemctl daemon-reload
"""


def fetch(package: str) -> Path:
    """The package of the image's own release, from the mirror that this host uses; kept under build/."""
    kept = sorted(FOLDER.glob(f"{package}_*.deb"))
    if kept:
        return kept[-1]
    archive = find().archive
    index = f"{archive}/dists/{RELEASE}/main/binary-{ARCHITECTURE}/Packages.xz"
    with urllib.request.urlopen(index) as answer:
        stanzas = lzma.decompress(answer.read()).decode().split("\n\n")
    stanza = next(each for each in stanzas if each.startswith(f"Package: {package}\n"))
    fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
    with urllib.request.urlopen(f"{archive}/{fields['Filename']}") as answer:
        content: bytes = answer.read()
    if hashlib.sha256(content).hexdigest() != fields["SHA256"]:
        raise ValueError(f"{package} is not what its index says")
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / Path(fields["Filename"]).name
    path.write_bytes(content)
    return path


def install(machine: Machine, *packages: str) -> None:
    """Lay the files of ``packages`` over those of ``machine``, without their maintainer scripts."""
    with tempfile.TemporaryDirectory() as directory:
        for package in packages:
            subprocess.run(["dpkg-deb", "-x", str(fetch(package)), directory], check=True)
        buffer = BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            archive.add(directory, ".")
    feed(machine, buffer.getvalue(), _LAY_OVER)
