# SPDX-License-Identifier: Apache-2.0
"""Find the Debian mirrors that this host uses, so that the image is built from the same ones.

The repository names no mirror: apt's own configuration is the only source.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

RELEASE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FORMAT = "$(CREATED_BY)\t$(ORIGIN)\t$(LABEL)\t$(COMPONENT)\t$(REPO_URI)"


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Base addresses of the Debian archive and, where the host has one, of its security archive."""

    archive: str
    security: str | None


def choose(lines: Iterable[str]) -> Mirrors | None:
    """Pick the mirrors out of `apt-get indextargets --format FORMAT`, None without a Debian archive."""
    archive: str | None = None
    security: str | None = None
    for line in lines:
        kind, origin, label, component, address = (line.split("\t") + [""] * 5)[:5]
        if kind != "Packages" or origin != "Debian" or component != "main":
            continue
        if label == "Debian":
            archive = archive or address.rstrip("/")
        elif label == "Debian-Security":
            security = security or address.rstrip("/")
    return Mirrors(archive, security) if archive else None


def find() -> Mirrors:
    """Ask apt; SystemExit with one sentence when it knows no Debian archive."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", FORMAT], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    mirrors = choose(listing.splitlines())
    if mirrors is None:
        raise SystemExit(
            "apt knows no Debian archive to build from. Add one to its sources and run apt-get update."
        )
    return mirrors


def sources(mirrors: Mirrors) -> str:
    """Return the deb822 sources of the image: trixie, its updates and backports, security where known."""
    stanza = "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: {}\n"
    suites = f"{RELEASE} {RELEASE}-updates {RELEASE}-backports"
    text = stanza.format(mirrors.archive, suites, KEYRING)
    if mirrors.security:
        text += "\n" + stanza.format(mirrors.security, f"{RELEASE}-security", KEYRING)
    return text


def host_settings() -> str:
    """Return apt's settings of this host that reach a mirror: proxies and what it accepts as valid."""
    dump = subprocess.run(["apt-config", "dump"], check=True, stdout=subprocess.PIPE, text=True).stdout
    wanted = ("Acquire::http::", "Acquire::https::", "Acquire::Check-")
    return "".join(f"{line}\n" for line in dump.splitlines() if line.startswith(wanted))


def write_sandbox(directory: Path, mirrors: Mirrors) -> None:
    """Write the tree that mkosi lays over the /etc of its tools; unchanged files stay untouched."""
    for name, text in (
        ("etc/apt/sources.list.d/mkosi.sources", sources(mirrors)),
        ("etc/apt/apt.conf.d/90host", host_settings()),
    ):
        path = directory / name
        if path.exists() and path.read_text() == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
