# SPDX-License-Identifier: Apache-2.0
"""`jepa packs`: which models are here, whether each is whole and fits; and how one is built."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from jepa.errors import JepaError
from jepa.packs.pack import default_pack_dir, packs_here, verify_pack
from jepa.shell.request import Request
from jepa.text import shown


def run(request: Request) -> int:
    """List, verify or build; 1 when verifying finds a pack that is damaged or does not fit."""
    if request.args.action == "build":
        return build(request)
    wanted: str | None = request.args.pack
    folders = [chosen(wanted)] if wanted else packs_here()
    if not folders:
        raise JepaError(
            f"There is no pack in {default_pack_dir().parent}.", "Install one, or name it in JEPA_PACK."
        )
    found = [examine(folder) for folder in folders]
    report(request, found)
    wrong = any(pack["problem"] for pack in found)
    return 1 if wrong and request.args.action == "verify" else 0


def report(request: Request, found: list[dict[str, object]]) -> None:
    """Say what was found of packs."""
    out = request.out
    if out.json:
        out.data(found)
    else:
        for pack in found:
            mark = "in use" if pack["default"] else ""
            fault = f"{pack['problem']} {pack['remedy']}".strip()
            title = f"{pack['name']} {pack['version']}" if pack["name"] else Path(str(pack["folder"])).name
            out.line(f"  {title}  {pack['kind'] or ''}  {mark}  {fault or 'verified'}")
            out.line(f"      {pack['folder']}")


def build(request: Request) -> int:
    """Have the lab convert a checkpoint, its steps shown as it goes; JepaError with its reason."""
    args = request.args
    if any(importlib.util.find_spec(module) is None for module in ("jepa_lab", "torch", "onnx")):
        raise JepaError(
            "Building a pack takes the lab and PyTorch, which are not installed here.",
            "Build it where the source tree is, with `make venv`, and copy the directory here.",
        )
    command = [sys.executable, "-m", "jepa_lab.cli", "convert", str(args.checkpoint), "--out", str(args.out)]
    for option in ("frames", "crop", "probe", "weights", "horizon"):
        if getattr(args, option) is not None:
            command += [f"--{option}", str(getattr(args, option))]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as lab:
        assert lab.stderr is not None, "asked for"
        for line in lab.stderr:
            last = line.strip() or last
            if not request.prompt and not request.out.json and not last.startswith(_LAB):
                print(shown(last), file=sys.stderr)
    if lab.returncode:
        raise JepaError(last.removeprefix(_LAB) or "The lab ended without a word.", "")
    report(request, [examine(args.out)])
    return 0


_LAB = "jepa-lab: "
"""What the lab's one line begins with when it refuses."""


def chosen(wanted: str | None) -> Path:
    """The pack of that directory, or of that name next to the pack in use; that one itself when None."""
    default = default_pack_dir()
    if wanted is None:
        return default
    beside = default.parent / wanted
    return beside if not Path(wanted).exists() and beside.is_dir() else Path(wanted)


def examine(folder: Path) -> dict[str, object]:
    """What is known of one pack, and what is wrong with it."""
    found: dict[str, object] = {
        "folder": str(folder),
        "name": None,
        "version": None,
        "kind": None,
        "default": folder == default_pack_dir(),
        "problem": "",
        "remedy": "",
    }
    try:
        manifest = verify_pack(folder)
    except JepaError as error:
        return found | {"problem": error.problem, "remedy": error.remedy}
    return found | {"name": manifest.name, "version": manifest.version, "kind": manifest.kind}
