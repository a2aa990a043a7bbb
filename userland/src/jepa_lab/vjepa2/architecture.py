# SPDX-License-Identifier: Apache-2.0
"""The sizes of a V-JEPA 2 model, read from the shapes of its tensors."""

from collections.abc import Mapping
from dataclasses import dataclass

from jepa.errors import JepaError

Shapes = Mapping[str, tuple[int, ...]]

_HEADS = {768: 12, 1024: 16, 1280: 16, 1408: 22, 1664: 26}
"""Attention heads by encoder width (configs of facebookresearch/vjepa2); no tensor's shape shows them."""
_USUAL_HEAD = 64
_MASKED_HEAD = 32
EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Transformer:
    """One stack of pre-norm blocks."""

    width: int
    depth: int
    heads: int
    hidden: int
    """Width inside each MLP."""

    @property
    def head_width(self) -> int:
        """Of one head; even."""
        return self.width // self.heads


@dataclass(frozen=True, slots=True)
class Probe:
    """A classifier on the encoder's tokens."""

    stack: Transformer
    labels: int
    epsilon: float
    """Of its norms: Meta's probes and transformers differ in it."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Encoder and, where the checkpoint has one, the predictor."""

    encoder: Transformer
    predictor: Transformer | None
    channels: int
    tubelet: int
    """Frames that one token spans."""
    patch: int
    """Pixels that one token spans, both ways."""
    actions: int = 0
    """Numbers in an action, as in a state, that the predictor takes; 0 if it predicts masked tokens."""
    probe: Probe | None = None
    newer: bool = False
    """Whether it is V-JEPA 2.1: other positions, and a token of video added to each."""

    def grid(self, frames: int, crop: int) -> tuple[int, int, int]:
        """(T, H, W) tokens of a clip; JepaError when it does not divide into whole ones."""
        if frames % self.tubelet or frames < self.tubelet:
            raise JepaError(
                f"{frames} frames do not divide into tubelets of {self.tubelet}.", "Choose another --frames."
            )
        if crop % self.patch or crop < self.patch:
            raise JepaError(
                f"{crop} pixels do not divide into patches of {self.patch}.", "Choose another --crop."
            )
        return frames // self.tubelet, crop // self.patch, crop // self.patch


def architecture_of(
    shapes: Shapes,
    heads: int | None = None,
    predictor_heads: int | None = None,
    probe_heads: int | None = None,
    probe_epsilon: float = EPSILON,
) -> Architecture:
    """Derived from canonical ``shapes``; heads from a table of the published sizes unless they are given.

    JepaError when there is no encoder in them.
    """
    patches = shapes.get("encoder.patch.weight")
    if patches is None or len(patches) != 5:
        raise JepaError("There is no V-JEPA 2 video encoder in this checkpoint.", "Choose another file.")
    width, channels, tubelet, patch, _ = patches
    encoder = _transformer(shapes, "encoder", width, heads or _HEADS.get(width, width // _USUAL_HEAD))
    predictor, actions = None, shapes.get("predictor.action.weight", (0, 0))[-1]
    if "predictor.embed.weight" in shapes:
        narrow = shapes["predictor.embed.weight"][0]
        usual = narrow // (_USUAL_HEAD if actions else _MASKED_HEAD)
        predictor = _transformer(shapes, "predictor", narrow, predictor_heads or usual)
    probe = None
    if "probe.head.weight" in shapes:
        stack = Transformer(
            width, _depth(shapes, "probe"), probe_heads or encoder.heads, shapes["probe.cross.fc1.weight"][0]
        )
        probe = Probe(stack, shapes["probe.head.weight"][0], probe_epsilon)
    newer = "encoder.video" in shapes or "encoder.inner.0.weight" in shapes
    return Architecture(encoder, predictor, channels, tubelet, patch, actions, probe, newer)


def _transformer(shapes: Shapes, part: str, width: int, heads: int) -> Transformer:
    depth = _depth(shapes, part)
    first = shapes.get(f"{part}.blocks.0.fc1.weight")
    if not depth or first is None:
        raise JepaError(f"The checkpoint's {part} has no blocks.", "Download it again.")
    if heads < 1 or width % (2 * heads):
        raise JepaError(
            f"A {part} {width} wide with {heads} heads is none that is known.", "Check the file."
        )
    return Transformer(width, depth, heads, first[0])


def _depth(shapes: Shapes, part: str) -> int:
    return len({name.split(".")[2] for name in shapes if name.startswith(f"{part}.blocks.")})


def expected(architecture: Architecture, mask_tokens: int) -> dict[str, tuple[int, ...]]:
    """Every canonical tensor that there must be, with its shape."""
    encoder = architecture.encoder
    patch = (architecture.channels, architecture.tubelet, architecture.patch, architecture.patch)
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.patch.weight": (encoder.width, *patch),
        "encoder.patch.bias": (encoder.width,),
        **_blocks("encoder", encoder),
    }
    if architecture.newer:
        shapes["encoder.video"] = (encoder.width,)
    predictor = architecture.predictor
    if predictor is not None:
        shapes |= {
            "predictor.embed.weight": (predictor.width, encoder.width),
            "predictor.embed.bias": (predictor.width,),
            "predictor.proj.weight": (encoder.width, predictor.width),
            "predictor.proj.bias": (encoder.width,),
            **_blocks("predictor", predictor),
        }
        if architecture.actions:
            for name in ("action", "state"):
                shapes[f"predictor.{name}.weight"] = (predictor.width, architecture.actions)
                shapes[f"predictor.{name}.bias"] = (predictor.width,)
        else:
            shapes |= {f"predictor.mask.{number}": (predictor.width,) for number in range(mask_tokens)}
    if architecture.probe is not None:
        probe, width = architecture.probe, encoder.width
        shapes |= {
            "probe.query": (width,),
            "probe.head.weight": (probe.labels, width),
            "probe.head.bias": (probe.labels,),
            **{
                f"probe.blocks.{number}.{name}": shape
                for number in range(probe.stack.depth)
                for name, shape in _block(probe.stack).items()
            },
            **{
                f"probe.cross.{name}": shape
                for name, shape in _block(probe.stack).items()
                if not name.startswith("out.")
            },
        }
    return shapes


def _blocks(part: str, of: Transformer) -> dict[str, tuple[int, ...]]:
    shapes = {
        f"{part}.blocks.{number}.{name}": shape
        for number in range(of.depth)
        for name, shape in _block(of).items()
    }
    return shapes | {f"{part}.norm.weight": (of.width,), f"{part}.norm.bias": (of.width,)}


def _block(of: Transformer) -> dict[str, tuple[int, ...]]:
    linears = {
        **dict.fromkeys(("query", "key", "value", "out"), (of.width, of.width)),
        "fc1": (of.hidden, of.width),
        "fc2": (of.width, of.hidden),
    }
    shapes: dict[str, tuple[int, ...]] = {}
    for norm in ("norm1", "norm2"):
        shapes |= {f"{norm}.weight": (of.width,), f"{norm}.bias": (of.width,)}
    for name, shape in linears.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes
