# SPDX-License-Identifier: Apache-2.0
"""Finds, reads and verifies packs; one that does not fit is refused with the reason."""

import contextlib
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from jepa.errors import JepaError
from jepa.packs.effects import KnownEffects
from jepa.packs.language import LanguageManifest
from jepa.packs.machine import MachineManifest
from jepa.packs.manifest import GraphFile
from jepa.packs.places import INSTALLED, default_pack_dir, installed_in_use, mounted_packs
from jepa.packs.robot import RobotManifest
from jepa.packs.vision import LargeGraph, VisionManifest
from jepa.telemetry.schema import Schema, load_schema

MACHINE_GRAPHS = ("encode", "advance", "decode", "imagine")
AnyManifest = MachineManifest | VisionManifest | RobotManifest | LanguageManifest
_ANY: TypeAdapter[AnyManifest] = TypeAdapter(Annotated[AnyManifest, Field(discriminator="kind")])
_LARGEST_MANIFEST = 1 << 20
_LARGEST_GRAPH = 1 << 28


@dataclass(frozen=True, slots=True)
class Pack:
    """A verified pack: its graphs' bytes are those the manifest names, read once."""

    folder: Path
    manifest: MachineManifest
    graphs: dict[str, bytes]
    schema: Schema
    """The channels it takes and forecasts: some or all of this system's, each meaning what it meant then."""
    effects: KnownEffects | None = None
    """What is known of the effects of settings; None where nothing is."""

    @property
    def title(self) -> str:
        """Name and version, as shown to people."""
        return f"{self.manifest.name} {self.manifest.version}"


def packs_here() -> list[Path]:
    """The directories of all packs on this machine, each once: those in use come first, the machine's ahead.

    They are the installed ones, and those next to the pack of the system or of the source tree.
    """
    default = default_pack_dir()
    kinds = ("language", "robot", "vision")
    chosen = [folder for kind in kinds if (folder := installed_in_use(kind)) is not None]
    own = INSTALLED.parent if default in mounted_packs() else default.parent
    try:
        beside = sorted(path for path in own.iterdir() if (path / "pack.toml").is_file())
    except OSError:
        beside = []
    first = [default] if (default / "pack.toml").is_file() else []
    return list(dict.fromkeys([*first, *chosen, *beside, *mounted_packs()]))


def first_of_kind(kind: str) -> Path | None:
    """The first pack here for ``kind``, such as vision; None when there is none that can be read."""
    for folder in packs_here():
        with contextlib.suppress(JepaError):
            if read_manifest(folder).kind == kind:
                return folder
    return None


def load_pack(folder: Path, schema: Schema | None = None) -> Pack:
    """The pack in ``folder``, verified against its own hashes and against ``schema`` (jepa's own when None).

    Raises JepaError with the reason when it is missing, damaged or made for other channels.
    """
    manifest = read_manifest(folder)
    if not isinstance(manifest, MachineManifest):
        raise JepaError(f"The pack {folder} is for {manifest.kind}, not for the machine.", _OTHER_PACK)
    return _load(folder, manifest, schema)


def _load(folder: Path, manifest: MachineManifest, schema: Schema | None) -> Pack:
    own = _own_schema(folder, manifest, schema or load_schema())
    missing = [name for name in MACHINE_GRAPHS if name not in manifest.graphs]
    if missing:
        raise JepaError(f"The pack {folder} lacks the graph {missing[0]!r}.", _REINSTALL)
    graphs = {name: _graph(folder, manifest, name) for name in manifest.graphs}
    return Pack(folder, manifest, graphs, own, _effects(folder, manifest))


def verify_pack(folder: Path, schema: Schema | None = None) -> AnyManifest:
    """The manifest of a pack that is whole and fits; JepaError with the reason otherwise."""
    manifest = read_manifest(folder)
    if isinstance(manifest, MachineManifest):
        return _load(folder, manifest, schema).manifest
    for graph in manifest.graphs.values():
        verified_graph(folder, graph)
    return manifest


def verified_graph(folder: Path, graph: GraphFile) -> Path:
    """The file of ``graph`` of the pack in ``folder``, once it and its weights are known to be whole."""
    digests = {graph.file: graph.sha256}
    if isinstance(graph, LargeGraph):
        digests[graph.data] = graph.data_sha256
    for name, digest in digests.items():
        with _inside(folder, name).open("rb") as file:
            _same(folder / name, hashlib.file_digest(file, "sha256").hexdigest(), digest)
    return folder / graph.file


_REINSTALL = "Install it again."
_OTHER_PACK = "Name another with JEPA_PACK."
_OTHER_CHANNELS = "Install the pack that belongs to this version of jepa."


def _own_schema(folder: Path, manifest: MachineManifest, schema: Schema) -> Schema:
    """The part of ``schema`` that the pack was made for; JepaError when that is not there or has changed."""
    made_for = manifest.channels
    lacking = [name for name in made_for.names if name not in schema.names]
    if lacking:
        raise JepaError(
            f"The pack {folder} needs {len(lacking)} channels that this system lacks, "
            f"among them {lacking[0]}.",
            _OTHER_CHANNELS,
        )
    own = schema.select(made_for.names)
    if (made_for.version, made_for.digest) != (own.version, own.digest):
        raise JepaError(
            f"The pack {folder} was made for channel schema {made_for.version} ({made_for.digest[:12]}), "
            f"and its channels are {own.version} ({own.digest[:12]}) here.",
            _OTHER_CHANNELS,
        )
    return own


def read_manifest(folder: Path) -> AnyManifest:
    """What the pack in ``folder`` says of itself; JepaError when it says nothing that can be understood."""
    file = folder / "pack.toml"
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_MANIFEST + 1)
    except FileNotFoundError:
        raise JepaError(
            f"There is no pack in {folder}.", "Install one, or name its directory in JEPA_PACK.", status=404
        ) from None
    except OSError as error:
        raise JepaError(f"{file} cannot be read: {error.strerror}.", _REINSTALL) from error
    if len(content) > _LARGEST_MANIFEST:
        raise JepaError(f"{file} is too large to be a manifest.", _REINSTALL)
    try:
        return _ANY.validate_python(tomllib.loads(content.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise JepaError(f"{file} is not TOML: {error}.", _REINSTALL) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "pack"
        raise JepaError(f"{file} is not a valid manifest: {where}: {first['msg']}.", _REINSTALL) from error


def _graph(folder: Path, manifest: MachineManifest, name: str) -> bytes:
    entry = manifest.graphs[name]
    file = _inside(folder, entry.file)
    if file.stat().st_size > _LARGEST_GRAPH:
        raise JepaError(f"{file} is larger than a machine pack's graph may be.", _REINSTALL)
    content = file.read_bytes()
    _same(file, hashlib.sha256(content).hexdigest(), entry.sha256)
    return content


def _effects(folder: Path, manifest: MachineManifest) -> KnownEffects | None:
    if manifest.effects is None:
        return None
    file = _inside(folder, manifest.effects.file)
    content = file.read_bytes()
    _same(file, hashlib.sha256(content).hexdigest(), manifest.effects.sha256)
    try:
        return KnownEffects.model_validate_json(content)
    except ValidationError as error:
        raise JepaError(f"{file} does not hold effects: {error.errors()[0]['msg']}.", _REINSTALL) from error


def _inside(folder: Path, name: str) -> Path:
    """The file ``name`` of the pack, which can be read."""
    file = folder / name
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            raise JepaError(f"The pack {folder} names a file outside itself: {name}.", _REINSTALL)
        with file.open("rb"):
            return file
    except OSError as error:
        raise JepaError(f"The file {file} cannot be read: {error.strerror}.", _REINSTALL) from error


def _same(file: Path, digest: str, wanted: str) -> None:
    if digest != wanted:
        raise JepaError(f"The file {file} is not the one its pack was made with.", _REINSTALL)
