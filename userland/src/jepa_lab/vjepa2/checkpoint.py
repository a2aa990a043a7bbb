# SPDX-License-Identifier: Apache-2.0
"""Reads V-JEPA 2 checkpoints in either public layout, one tensor at a time, under canonical names.

Layouts: the original ``.pt`` (a pickled dictionary of state dictionaries, query, key and value in one
tensor) and a Hugging Face directory (``config.json`` and safetensors, each in its own). Names here are
``encoder.patch``, ``encoder.blocks.N.{norm1,query,key,value,out,norm2,fc1,fc2}``, ``encoder.norm``, and the
same for ``predictor`` with ``embed``, ``proj`` and either ``mask.N`` or ``action`` and ``state``.
"""

import json
import pickle
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from jepa.errors import JepaError
from jepa_lab.vjepa2.architecture import EPSILON, Architecture, Shapes, architecture_of, expected

FloatArray = npt.NDArray[np.float32]
_AGAIN = "Download it again."


class Weights(Protocol):
    """Tensors by canonical name."""

    def read(self, name: str) -> FloatArray:
        """One tensor, as float32."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Where a canonical tensor lies: all of a source tensor, or a part of its first axis."""

    source: str
    part: int = 0
    parts: int = 1
    flat: bool = False
    """Whether axes of length 1 are dropped, as mask tokens have them."""


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
    _pieces: Mapping[str, _Piece]
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
    if _is_state(content, "predictor"):
        tensors |= {f"predictor/{_clean(key)}": value for key, value in content["predictor"].items()}
    if probe is not None:
        found = _loaded(probe)
        states = found.get("classifiers") if isinstance(found, Mapping) else None
        if not isinstance(states, list) or not states or not isinstance(states[0], Mapping):
            raise JepaError(f"There is no classifier in {probe}.", "Choose one of Meta's V-JEPA 2 probes.")
        tensors |= {f"probe/{_clean(key)}": value for key, value in states[0].items()}
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    return _checkpoint(path, "original", shapes, _ORIGINAL, tensors.__getitem__, _METAS)


def _is_state(content: object, key: str) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get(key), Mapping)


def _clean(key: str) -> str:
    return key.replace("module.", "").replace("backbone.", "")


def _open_directory(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    config = _config(path / "config.json")
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise JepaError(f"There are no safetensors in {path}.", _AGAIN)
    shapes: dict[str, tuple[int, ...]] = {}
    where: dict[str, Any] = {}
    try:
        for file in files:
            opened: Any = safe_open(file, "pt")
            for key in opened.keys():  # noqa: SIM118 - not a dictionary
                # A classifier has the model below a name of its own.
                plain = key.removeprefix("vjepa2.")
                shapes[plain] = tuple(opened.get_slice(key).get_shape())
                where[plain] = opened, key
    except (SafetensorError, OSError) as error:
        raise JepaError(f"{file} is not whole: {error}.", _AGAIN) from error
    return _checkpoint(
        path,
        "huggingface",
        shapes,
        _HUGGINGFACE,
        lambda key: where[key][0].get_tensor(where[key][1]),
        config,
    )


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise JepaError(f"{path} cannot be read: {error}.", "Name the model's directory.") from error
    if not isinstance(config, dict) or config.get("model_type") != "vjepa2":
        raise JepaError(f"{path} does not describe a V-JEPA 2 model.", "Choose another directory.")
    return config


_PER_BLOCK = r"(norm1|norm2)\.(weight|bias)"
_Rule = tuple[str, Callable[[re.Match[str], tuple[int, ...]], dict[str, _Piece]]]


def _plain(name: str) -> Callable[[re.Match[str], tuple[int, ...]], dict[str, _Piece]]:
    return lambda found, _: {found.expand(name): _Piece(found.string)}


def _three(name: str) -> Callable[[re.Match[str], tuple[int, ...]], dict[str, _Piece]]:
    """Query, key and value lie one after the other."""
    return lambda found, _: {
        found.expand(name).replace("qkv", each): _Piece(found.string, number, 3)
        for number, each in enumerate(("query", "key", "value"))
    }


def _masks(found: re.Match[str], shape: tuple[int, ...]) -> dict[str, _Piece]:
    """All mask tokens lie in one tensor (M, 1, 1, D)."""
    return {f"predictor.mask.{n}": _Piece(found.string, n, shape[0], flat=True) for n in range(shape[0])}


def _mask(found: re.Match[str], _: tuple[int, ...]) -> dict[str, _Piece]:
    return {found.expand(r"predictor.mask.\1"): _Piece(found.string, flat=True)}


def _ignored(_: re.Match[str], __: tuple[int, ...]) -> dict[str, _Piece]:
    return {}


_METAS = {"probe_heads": 16, "probe_epsilon": 1e-5}
"""What Meta's probes were trained with (configs/eval of facebookresearch/vjepa2); no shape tells."""


def _two(name: str) -> Callable[[re.Match[str], tuple[int, ...]], dict[str, _Piece]]:
    """Key and value lie one after the other."""
    return lambda found, _: {
        found.expand(name).replace("kv", each): _Piece(found.string, number, 2)
        for number, each in enumerate(("key", "value"))
    }


def _flat(name: str) -> Callable[[re.Match[str], tuple[int, ...]], dict[str, _Piece]]:
    return lambda found, _: {found.expand(name): _Piece(found.string, flat=True)}


_ORIGINAL: tuple[_Rule, ...] = (
    (r"encoder/patch_embed\.proj\.(weight|bias)", _plain(r"encoder.patch.\1")),
    (r"encoder/norm\.(weight|bias)", _plain(r"encoder.norm.\1")),
    (r"encoder/blocks\.(\d+)\.(norm[12])\.(weight|bias)", _plain(r"encoder.blocks.\1.\2.\3")),
    (r"encoder/blocks\.(\d+)\.mlp\.(fc[12])\.(weight|bias)", _plain(r"encoder.blocks.\1.\2.\3")),
    (r"encoder/blocks\.(\d+)\.attn\.proj\.(weight|bias)", _plain(r"encoder.blocks.\1.out.\2")),
    (r"encoder/blocks\.(\d+)\.attn\.qkv\.(weight|bias)", _three(r"encoder.blocks.\1.qkv.\2")),
    (r"predictor/predictor_embed\.(weight|bias)", _plain(r"predictor.embed.\1")),
    (r"predictor/predictor_norm\.(weight|bias)", _plain(r"predictor.norm.\1")),
    (r"predictor/predictor_proj\.(weight|bias)", _plain(r"predictor.proj.\1")),
    (r"predictor/mask_tokens\.(\d+)", _mask),
    (r"predictor/(action|state)_encoder\.(weight|bias)", _plain(r"predictor.\1.\2")),
    (r"predictor/predictor_blocks\.(\d+)\.(norm[12])\.(weight|bias)", _plain(r"predictor.blocks.\1.\2.\3")),
    (
        r"predictor/predictor_blocks\.(\d+)\.mlp\.(fc[12])\.(weight|bias)",
        _plain(r"predictor.blocks.\1.\2.\3"),
    ),
    (r"predictor/predictor_blocks\.(\d+)\.attn\.proj\.(weight|bias)", _plain(r"predictor.blocks.\1.out.\2")),
    (r"predictor/predictor_blocks\.(\d+)\.attn\.qkv\.(weight|bias)", _three(r"predictor.blocks.\1.qkv.\2")),
    (r"probe/pooler\.query_tokens", _flat("probe.query")),
    (r"probe/pooler\.cross_attention_block\.(norm[12])\.(weight|bias)", _plain(r"probe.cross.\1.\2")),
    (r"probe/pooler\.cross_attention_block\.xattn\.q\.(weight|bias)", _plain(r"probe.cross.query.\1")),
    (r"probe/pooler\.cross_attention_block\.xattn\.kv\.(weight|bias)", _two(r"probe.cross.kv.\1")),
    (r"probe/pooler\.cross_attention_block\.mlp\.(fc[12])\.(weight|bias)", _plain(r"probe.cross.\1.\2")),
    (r"probe/pooler\.blocks\.(\d+)\.(norm[12])\.(weight|bias)", _plain(r"probe.blocks.\1.\2.\3")),
    (r"probe/pooler\.blocks\.(\d+)\.mlp\.(fc[12])\.(weight|bias)", _plain(r"probe.blocks.\1.\2.\3")),
    (r"probe/pooler\.blocks\.(\d+)\.attn\.proj\.(weight|bias)", _plain(r"probe.blocks.\1.out.\2")),
    (r"probe/pooler\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)", _three(r"probe.blocks.\1.qkv.\2")),
    (r"probe/linear\.(weight|bias)", _plain(r"probe.head.\1")),
    # Sine positions, where these models rotate; and a camera's pose, which they are not told.
    (r"encoder/pos_embed|predictor/(predictor_pos_embed|extrinsics_encoder\.(weight|bias))", _ignored),
)
_HUGGINGFACE: tuple[_Rule, ...] = (
    (r"encoder\.embeddings\.patch_embeddings\.proj\.(weight|bias)", _plain(r"encoder.patch.\1")),
    (r"(encoder|predictor)\.layernorm\.(weight|bias)", _plain(r"\1.norm.\2")),
    (r"(encoder|predictor)\.layer\.(\d+)\.(norm[12])\.(weight|bias)", _plain(r"\1.blocks.\2.\3.\4")),
    (r"(encoder|predictor)\.layer\.(\d+)\.mlp\.(fc[12])\.(weight|bias)", _plain(r"\1.blocks.\2.\3.\4")),
    (r"(encoder|predictor)\.layer\.(\d+)\.attention\.proj\.(weight|bias)", _plain(r"\1.blocks.\2.out.\3")),
    (
        r"(encoder|predictor)\.layer\.(\d+)\.attention\.(query|key|value)\.(weight|bias)",
        _plain(r"\1.blocks.\2.\3.\4"),
    ),
    (r"predictor\.embeddings\.predictor_embeddings\.(weight|bias)", _plain(r"predictor.embed.\1")),
    (r"predictor\.embeddings\.mask_tokens", _masks),
    (r"predictor\.proj\.(weight|bias)", _plain(r"predictor.proj.\1")),
    (r"pooler\.query_tokens", _flat("probe.query")),
    (r"pooler\.cross_attention_layer\.layer_norm([12])\.(weight|bias)", _plain(r"probe.cross.norm\1.\2")),
    (
        r"pooler\.cross_attention_layer\.cross_attn\.q_proj\.(weight|bias)",
        _plain(r"probe.cross.query.\1"),
    ),
    (r"pooler\.cross_attention_layer\.cross_attn\.k_proj\.(weight|bias)", _plain(r"probe.cross.key.\1")),
    (
        r"pooler\.cross_attention_layer\.cross_attn\.v_proj\.(weight|bias)",
        _plain(r"probe.cross.value.\1"),
    ),
    (r"pooler\.cross_attention_layer\.mlp\.(fc[12])\.(weight|bias)", _plain(r"probe.cross.\1.\2")),
    (
        r"pooler\.self_attention_layers\.(\d+)\.layer_norm([12])\.(weight|bias)",
        _plain(r"probe.blocks.\1.norm\2.\3"),
    ),
    *(
        (
            rf"pooler\.self_attention_layers\.(\d+)\.self_attn\.{theirs}\.(weight|bias)",
            _plain(rf"probe.blocks.\1.{ours}.\2"),
        )
        for theirs, ours in (
            ("q_proj", "query"),
            ("k_proj", "key"),
            ("v_proj", "value"),
            ("out_proj", "out"),
        )
    ),
    (
        r"pooler\.self_attention_layers\.(\d+)\.mlp\.(fc[12])\.(weight|bias)",
        _plain(r"probe.blocks.\1.\2.\3"),
    ),
    (r"classifier\.(weight|bias)", _plain(r"probe.head.\1")),
)


def _checkpoint(
    path: Path,
    layout: str,
    found: Shapes,
    rules: Iterable[_Rule],
    fetch: Callable[[str], Any],
    config: Mapping[str, Any],
) -> Checkpoint:
    pieces: dict[str, _Piece] = {}
    unknown = []
    for key, shape in found.items():
        for pattern, make in rules:
            match = re.fullmatch(pattern, key)
            if match:
                pieces |= make(match, shape)
                break
        else:
            unknown.append(key)
    if unknown:
        raise JepaError(
            f"{path} has {len(unknown)} tensors that V-JEPA 2 does not have, among them {unknown[0]}.",
            "Choose one of Meta's V-JEPA 2 checkpoints.",
        )
    shapes = {name: _shape(piece, found[piece.source]) for name, piece in pieces.items()}
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
    return Checkpoint(path, layout, architecture, masks, config.get("crop_size"), labels, pieces, fetch)


def _shape(piece: _Piece, shape: tuple[int, ...]) -> tuple[int, ...]:
    if piece.flat:
        return (shape[-1],)
    return (shape[0] // piece.parts, *shape[1:])
