# SPDX-License-Identifier: Apache-2.0
"""What the manifests of all kinds of pack have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/-]*$", max_length=200)]


class Strict(BaseModel):
    """Nothing but what is named, and nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GraphFile(Strict):
    """One ONNX file of the pack."""

    file: FileName
    sha256: Sha256
    opset: int = Field(ge=13, le=30)


class Provenance(Strict):
    """Where the weights come from."""

    trained: str
    data: str
    seed: int
    parameters: int


class Manifest(Strict):
    """The head of a pack.toml; each kind of pack has a model of its own with the rest."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    kind: str
    licence: str
    card: FileName
