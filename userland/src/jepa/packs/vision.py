# SPDX-License-Identifier: Apache-2.0
"""The manifest of a vision pack: what its pack.toml may say, and how clips are made for it."""

from typing import Literal

from pydantic import Field, model_validator

from jepa.packs.manifest import FileName, GraphFile, Manifest, Sha256, Strict

Three = tuple[float, float, float]
Stored = Literal["fp32", "fp16", "int8"]
"""How a weight lies in a file: four bytes, two, or one and its share of a scale."""


class LargeGraph(GraphFile):
    """One ONNX file, and the one beside it that holds its weights."""

    data: FileName
    data_sha256: Sha256


class Clip(Strict):
    """What the encoder takes: so many frames, made as the weights were trained on."""

    frames: int = Field(ge=1, le=1024)
    channels: int = Field(ge=1, le=4)
    resize: int = Field(ge=16, le=4096)
    """Pixels of a frame's shorter side before it is cropped."""
    crop: int = Field(ge=16, le=4096)
    """Pixels of the square cut from its middle."""
    mean: Three
    std: Three
    """Of each colour, 0..1: taken away, and divided by."""


class Tokens(Strict):
    """What the encoder makes of a clip: a latent for each of so many places."""

    time: int = Field(ge=1)
    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    width: int = Field(ge=1)


class Converted(Strict):
    """Where the weights come from."""

    source: str
    """The checkpoint's own name."""
    layout: Literal["original", "huggingface"]
    converted: str
    parameters: int


class VisionManifest(Manifest):
    """The content of pack.toml."""

    kind: Literal["vision"]
    clip: Clip
    tokens: Tokens
    weights: Stored = "fp32"
    """Of the blocks; all else is float32."""
    ahead: int = Field(ge=0)
    """Steps of time after the clip that ``predictor`` gives; 0 where there is none."""
    candidates: int = Field(ge=0)
    """Action sequences that ``predictor_ac`` imagines at once; 0 where there is none."""
    horizon: int = Field(ge=1, le=64, default=1)
    """Actions in a row that it imagines."""
    actions: int = Field(ge=0)
    """Numbers in one action."""
    labels: tuple[str, ...]
    """What ``probe`` may call a clip, in order; none where there is no probe."""
    provenance: Converted
    graphs: dict[str, LargeGraph]

    @model_validator(mode="after")
    def _complete(self) -> "VisionManifest":
        parts = {"predictor": self.ahead, "predictor_ac": self.candidates, "probe": self.labels}
        wanted = {"encoder", *(name for name, there in parts.items() if there)}
        if set(self.graphs) != wanted:
            raise ValueError(f"graphs must be {', '.join(sorted(wanted))}")
        if self.clip.crop > self.clip.resize:
            raise ValueError("a frame cannot be cropped larger than it is")
        return self
