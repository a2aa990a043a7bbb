# SPDX-License-Identifier: Apache-2.0
"""Reads V-JEPA 2 checkpoints in either public layout, one tensor at a time, under canonical names.

Layouts: the original ``.pt`` (a pickled dictionary of state dictionaries, query, key and value in one
tensor) and a Hugging Face directory (``config.json`` and safetensors, each in its own). Names here are
``encoder.patch``, ``encoder.blocks.N.{norm1,query,key,value,out,norm2,fc1,fc2}``, ``encoder.norm``, and the
same for ``predictor`` with ``embed``, ``proj`` and either ``mask.N`` or ``action`` and ``state``.
"""

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from jepa.errors import JepaError
from jepa_lab.vjepa2.architecture import EPSILON, Architecture, Shapes, architecture_of, expected
from jepa_lab.vjepa2.names import HUGGINGFACE, ORIGINAL, Piece, Rule, pieces_of

FloatArray = npt.NDArray[np.float32]
_AGAIN = "Download it again."


class TensorSource(Protocol):
    """Tensors by canonical name."""

    def read(self, name: str) -> FloatArray:
        """One tensor, as float32."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An open checkpoint; tensors stay in the file until they are read."""

    path: Path
    layout: str
    """``original`` or ``huggingface``."""
    architecture: Architecture
    mask_tokens: int
    crop: int | None
    """Pixels it was trained at, where the checkpoint says so."""
    labels: tuple[str, ...]
    """Of the probe, in order, where the checkpoint names them."""
    _pieces: Mapping[str, Piece]
    _fetch: Callable[[str], Any]

    def read(self, name: str) -> FloatArray:
        """One tensor by its canonical name, as float32."""
        piece = self._pieces[name]
        tensor = self._fetch(piece.source)
        rows = tensor.shape[0] // piece.parts
        part = tensor[piece.part * rows : (piece.part + 1) * rows] if piece.parts > 1 else tensor
        array = np.ascontiguousarray(part.float().numpy())
        return array.reshape(-1) if piece.flat else array


def open_checkpoint(path: Path, probe: Path | None = None) -> Checkpoint:
    """Open ``path``, a ``.pt`` file or a Hugging Face directory; ``probe`` is a file of Meta's beside it.

    JepaError with the reason if it is neither, or if tensors are missing, have other shapes, or are unknown.
    """
    for each in (path, probe):
        if each is not None and not each.exists():
            raise JepaError(f"There is no {each}.", "Name the .pt file or the model's directory.")
    if path.is_dir() and probe is not None:
        raise JepaError(
            "A Hugging Face directory has its probe in itself.", "Name the directory that has one."
        )
    return _open_directory(path) if path.is_dir() else _open_file(path, probe)


def _loaded(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise JepaError(f"{path} is not a PyTorch checkpoint: {first[:200]}", _AGAIN) from error


def _open_file(path: Path, probe: Path | None) -> Checkpoint:
    content = _loaded(path)
    encoder = next(
        (key for key in ("target_encoder", "ema_encoder", "encoder") if _is_state(content, key)), None
    )
    if encoder is None:
        raise JepaError(f"There is no encoder in {path}.", "Choose one of Meta's V-JEPA 2 checkpoints.")
    tensors = {f"encoder/{_clean(key)}": value for key, value in content[encoder].items()}
    # The predictor of V-JEPA 2.1 takes what four blocks say, and is another model.
    newer = any(key.startswith("encoder/norms_block.") for key in tensors)
    if _is_state(content, "predictor") and not newer:
        tensors |= {f"predictor/{_clean(key)}": value for key, value in content["predictor"].items()}
    if probe is not None:
        found = _loaded(probe)
        states = found.get("classifiers") if isinstance(found, Mapping) else None
        if not isinstance(states, list) or not states or not isinstance(states[0], Mapping):
            raise JepaError(f"There is no classifier in {probe}.", "Choose one of Meta's V-JEPA 2 probes.")
        tensors |= {f"probe/{_clean(key)}": value for key, value in states[0].items()}
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    return _checkpoint(path, "original", shapes, ORIGINAL, tensors.__getitem__, _METAS)


def _is_state(content: object, key: str) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get(key), Mapping)


def _clean(key: str) -> str:
    return key.replace("module.", "").replace("backbone.", "")


def _open_directory(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    config = _config(path / "config.json")
    indexed = _indexed(path)
    files = sorted(set(indexed.values())) if indexed is not None else sorted(_weights_in(path))
    shapes: dict[str, tuple[int, ...]] = {}
    where: dict[str, tuple[str, Any, str]] = {}
    try:
        for file in files:
            opened: Any = safe_open(path / file, "pt")
            for key in opened.keys():  # noqa: SIM118 - not a dictionary
                # A classifier has the model below a name of its own.
                plain = key.removeprefix("vjepa2.")
                if plain in where:
                    raise JepaError(
                        f"In {path} the tensor {plain} lies in {where[plain][0]} and in {file}.",
                        "Remove the file that belongs to another checkpoint.",
                    )
                shapes[plain] = tuple(opened.get_slice(key).get_shape())
                where[plain] = file, opened, key
    except (SafetensorError, OSError) as error:
        raise JepaError(f"{path / file} is not whole: {error}.", _AGAIN) from error
    for key, file in (indexed or {}).items():
        if (found := where.get(key.removeprefix("vjepa2."))) is None or found[0] != file:
            raise JepaError(f"{path / file} lacks the tensor {key}, which the index names there.", _AGAIN)
    return _checkpoint(
        path,
        "huggingface",
        shapes,
        HUGGINGFACE,
        lambda key: where[key][1].get_tensor(where[key][2]),
        config,
    )


def _weights_in(path: Path) -> list[str]:
    files = [file.name for file in path.glob("*.safetensors")]
    if not files:
        raise JepaError(f"There are no safetensors in {path}.", _AGAIN)
    return files


def _indexed(path: Path) -> dict[str, str] | None:
    """The file in ``path`` of each tensor, where an index says so; whatever else lies there does not count.

    JepaError when one of the files was not downloaded, or is none of this directory.
    """
    index = path / "model.safetensors.index.json"
    if not index.exists():
        return None
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        named = {str(key): str(file) for key, file in content["weight_map"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise JepaError(f"{index} cannot be read: {error}.", _AGAIN) from error
    if not named:
        raise JepaError(f"{index} names no tensor.", _AGAIN)
    files = sorted(set(named.values()))
    outside = [file for file in files if Path(file).name != file]
    if outside:
        raise JepaError(f"{index} names {outside[0]}, which is no file of that directory.", _AGAIN)
    missing = [file for file in files if not (path / file).is_file()]
    if missing:
        raise JepaError(f"{path} lacks {len(missing)} of its files, among them {missing[0]}.", _AGAIN)
    return named


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise JepaError(f"{path} cannot be read: {error}.", "Name the model's directory.") from error
    if not isinstance(config, dict) or config.get("model_type") != "vjepa2":
        raise JepaError(f"{path} does not describe a V-JEPA 2 model.", "Choose another directory.")
    return config


_METAS = {"probe_heads": 16, "probe_epsilon": 1e-5}
"""What Meta's probes were trained with (configs/eval of facebookresearch/vjepa2); no shape shows it."""
_NEWER_CROP = 384
"""Of all V-JEPA 2.1 (src/hub/backbones.py)."""


def _checkpoint(
    path: Path,
    layout: str,
    found: Shapes,
    rules: tuple[Rule, ...],
    fetch: Callable[[str], Any],
    config: Mapping[str, Any],
) -> Checkpoint:
    pieces, unknown = pieces_of(found, rules)
    if unknown:
        raise JepaError(
            f"{path} has {len(unknown)} tensors that V-JEPA 2 does not have, among them {unknown[0]}.",
            "Choose one of Meta's V-JEPA 2 checkpoints.",
        )
    shapes = {name: piece.shape(found[piece.source]) for name, piece in pieces.items()}
    architecture = architecture_of(
        shapes,
        config.get("num_attention_heads"),
        config.get("pred_num_attention_heads"),
        config.get("probe_heads"),
        config.get("probe_epsilon", EPSILON),
    )
    masks = sum(name.startswith("predictor.mask.") for name in shapes)
    wanted = expected(architecture, max(1, masks))
    missing = [name for name in wanted if name not in shapes]
    if missing:
        raise JepaError(f"{path} lacks {len(missing)} tensors, among them {missing[0]}.", _AGAIN)
    wrong = [name for name, shape in wanted.items() if shapes[name] != shape]
    if wrong:
        raise JepaError(
            f"In {path} {wrong[0]} has the shape {shapes[wrong[0]]}, not {wanted[wrong[0]]}.", _AGAIN
        )
    named = config.get("id2label") or {}
    labels = tuple(named[key] for key in sorted(named, key=int)) if architecture.probe else ()
    crop = _NEWER_CROP if architecture.newer else config.get("crop_size")
    return Checkpoint(path, layout, architecture, masks, crop, labels, pieces, fetch)
