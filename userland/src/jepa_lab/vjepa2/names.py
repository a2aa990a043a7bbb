# SPDX-License-Identifier: Apache-2.0
"""Which tensor of a checkpoint is which, in both public layouts: rules from theirs to canonical names."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from jepa_lab.vjepa2.architecture import Shapes


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a canonical tensor lies: all of a source tensor, or a part of its first axis."""

    source: str
    part: int = 0
    parts: int = 1
    flat: bool = False
    """Whether axes of length 1 are dropped, as mask tokens have them."""

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Of the canonical tensor, where its source has that shape."""
        return (source[-1],) if self.flat else (source[0] // self.parts, *source[1:])


Rule = tuple[str, Callable[[re.Match[str], tuple[int, ...]], dict[str, Piece]]]


def _plain(name: str) -> Callable[[re.Match[str], tuple[int, ...]], dict[str, Piece]]:
    return lambda found, _: {found.expand(name): Piece(found.string)}


def _three(name: str) -> Callable[[re.Match[str], tuple[int, ...]], dict[str, Piece]]:
    """Query, key and value lie one after the other."""
    return lambda found, _: {
        found.expand(name).replace("qkv", each): Piece(found.string, number, 3)
        for number, each in enumerate(("query", "key", "value"))
    }


def _masks(found: re.Match[str], shape: tuple[int, ...]) -> dict[str, Piece]:
    """All mask tokens lie in one tensor (M, 1, 1, D)."""
    return {f"predictor.mask.{n}": Piece(found.string, n, shape[0], flat=True) for n in range(shape[0])}


def _mask(found: re.Match[str], _: tuple[int, ...]) -> dict[str, Piece]:
    return {found.expand(r"predictor.mask.\1"): Piece(found.string, flat=True)}


def _ignored(_: re.Match[str], __: tuple[int, ...]) -> dict[str, Piece]:
    return {}


def _two(name: str) -> Callable[[re.Match[str], tuple[int, ...]], dict[str, Piece]]:
    """Key and value lie one after the other."""
    return lambda found, _: {
        found.expand(name).replace("kv", each): Piece(found.string, number, 2)
        for number, each in enumerate(("key", "value"))
    }


def _flat(name: str) -> Callable[[re.Match[str], tuple[int, ...]], dict[str, Piece]]:
    return lambda found, _: {found.expand(name): Piece(found.string, flat=True)}


ORIGINAL: tuple[Rule, ...] = (
    (r"encoder/patch_embed\.proj\.(weight|bias)", _plain(r"encoder.patch.\1")),
    (r"encoder/norm\.(weight|bias)", _plain(r"encoder.norm.\1")),
    # V-JEPA 2.1 norms what four of its blocks say; the last of them is the encoder's.
    (r"encoder/norms_block\.3\.(weight|bias)", _plain(r"encoder.norm.\1")),
    (r"encoder/norms_block\.([0-2])\.(weight|bias)", _plain(r"encoder.inner.\1.\2")),
    (r"encoder/video_mod_embed", _flat("encoder.video")),
    # What 2.1 embeds single pictures with: here they are clips in which nothing moves.
    (r"encoder/(img_mod_embed|patch_embed_img\.proj\.(weight|bias))", _ignored),
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
    # Sine positions, where these models rotate; and a camera's pose, which they do not take.
    (r"encoder/pos_embed|predictor/(predictor_pos_embed|extrinsics_encoder\.(weight|bias))", _ignored),
)
HUGGINGFACE: tuple[Rule, ...] = (
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


def pieces_of(found: Shapes, rules: tuple[Rule, ...]) -> tuple[dict[str, Piece], list[str]]:
    """Where each canonical tensor lies among those ``found``, and the names that no rule knows."""
    pieces: dict[str, Piece] = {}
    unknown = []
    for key, shape in found.items():
        for pattern, make in rules:
            match = re.fullmatch(pattern, key)
            if match:
                pieces |= make(match, shape)
                break
        else:
            unknown.append(key)
    return pieces, unknown
