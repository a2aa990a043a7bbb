# SPDX-License-Identifier: Apache-2.0
"""`jepa packs`: which models are here, and whether each is whole and fits."""

from pathlib import Path

from jepa.errors import JepaError
from jepa.packs.pack import default_pack_dir, verify_pack
from jepa.shell.request import Request


def run(request: Request) -> int:
    """List or verify; 1 when verifying finds a pack that is damaged or does not fit."""
    wanted: str | None = request.args.pack
    folders = [chosen(wanted)] if wanted else here()
    if not folders:
        raise JepaError(
            f"There is no pack in {default_pack_dir().parent}.", "Install one, or name it in JEPA_PACK."
        )
    found = [examine(folder) for folder in folders]
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
    wrong = any(pack["problem"] for pack in found)
    return 1 if wrong and request.args.action == "verify" else 0


def chosen(wanted: str | None) -> Path:
    """The pack of that directory, or of that name next to the pack in use; that one itself when None."""
    default = default_pack_dir()
    if wanted is None:
        return default
    beside = default.parent / wanted
    return beside if not Path(wanted).exists() and beside.is_dir() else Path(wanted)


def here() -> list[Path]:
    """The directories with a manifest next to the pack in use, that one first."""
    default = default_pack_dir()
    try:
        beside = sorted(path for path in default.parent.iterdir() if (path / "pack.toml").is_file())
    except OSError:
        beside = []
    if not (default / "pack.toml").is_file():
        return beside
    return [default, *(path for path in beside if path != default)]


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
