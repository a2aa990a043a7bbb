# SPDX-License-Identifier: Apache-2.0
"""Say for people what a release is: its packages beside those of the one before, from manifests of mkosi."""

from __future__ import annotations

import json
from pathlib import Path


def notes(version: str, architecture: str, manifest: Path, before: tuple[str, Path] | None) -> str:
    """Return what `version` brings, in Markdown; `before` is the one before: its version and manifest."""
    now = _packages(manifest)
    kernels = ", ".join(sorted(f"{name} {now[name]}" for name in now if name.startswith("linux-image-")))
    lines = [f"# JEPA OS {version} for {architecture}", "", f"Kernel: {kernels or 'none'}.", ""]
    if before is None:
        lines.append(f"The first release here for {architecture}, with {len(now)} packages of Debian.")
        return "\n".join(lines) + "\n"
    older, was = before[0], _packages(before[1])
    rows = [
        f"| {name} | {was.get(name, '–')} | {now.get(name, '–')} |"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]
    if not rows:
        lines.append(f"The packages of Debian are those of {older}.")
    else:
        lines += [f"What changed of Debian's packages since {older}:", ""]
        lines += [f"| package | {older} | {version} |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _packages(manifest: Path) -> dict[str, str]:
    """The version of each package."""
    return {each["name"]: each["version"] for each in json.loads(manifest.read_text())["packages"]}
