# SPDX-License-Identifier: Apache-2.0
"""Exports a visual world model as a robot pack: three static graphs, manifest."""

import copy
import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from jepa.packs.manifest import GraphFile, Provenance
from jepa.packs.robot import RobotManifest
from jepa_lab.files import OPSET, fold_norm, write_graph, write_manifest
from jepa_lab.visual.model import VisualModel
from jepa_lab.visual.train import clip_of


class _Imagine(nn.Module):
    """(1, D) twice and (K, S, A) -> (K, S): how far the goal is after each action."""

    def __init__(self, model: VisualModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, latent: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        at = latent.expand(len(actions), -1)
        goals = goal.expand(len(actions), -1)
        far = []
        for step in range(actions.shape[1]):
            at = self.model.following(at, actions[:, step])
            far.append(self.model.distance(at, goals))
        return torch.stack(far, 1)


class _Propose(nn.Module):
    """(1, D) twice and noise (K, S, A) -> what the model would do by itself (K, S, A), and how far it is."""

    def __init__(self, model: VisualModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, latent: Tensor, goal: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        at = latent.expand(len(noise), -1)
        goals = goal.expand(len(noise), -1)
        actions, far = [], []
        for step in range(noise.shape[1]):
            action = (self.model.propose(at, goals) + noise[:, step]).clamp(-1, 1)
            at = self.model.following(at, action)
            actions.append(action)
            far.append(self.model.distance(at, goals))
        return torch.stack(actions, 1), torch.stack(far, 1)


def build_pack(
    name: str, model: VisualModel, report: dict[str, object], version: str, out: Path
) -> RobotManifest:
    """Write graphs and manifest for the environment ``name`` into ``out``.

    ``report`` says when and on what the model was trained.
    """
    model = copy.deepcopy(model).eval()
    size = model.config
    encoder = model.encoder
    fold_norm(encoder)
    ends = {"latent": torch.zeros(1, size.width), "goal": torch.zeros(1, size.width)}
    sequence = torch.zeros(size.candidates, size.steps, size.actions)
    picture = torch.zeros(1, size.channels, size.crop, size.crop)
    graphs: dict[str, tuple[nn.Module, dict[str, Tensor], tuple[str, ...]]] = {
        "encode": (encoder, {"picture": picture}, ("latent",)),
        "imagine": (_Imagine(model), {**ends, "actions": sequence}, ("distances",)),
        "propose": (_Propose(model), {**ends, "noise": sequence}, ("actions", "distances")),
    }
    out.mkdir(parents=True, exist_ok=True)
    facts = {"jepa.pack": f"{name} {version}", "jepa.licence": "Apache-2.0"}
    paths = {each: write_graph(out / f"{each}.onnx", *graph, facts) for each, graph in graphs.items()}
    manifest = RobotManifest(
        name=name,
        version=version,
        kind="robot",
        licence="Apache-2.0",
        card="CARD.md",
        results=f"results/{name}.json",
        clip=clip_of(size),
        width=size.width,
        actions=size.actions,
        periods=size.block,
        steps=size.steps,
        candidates=size.candidates,
        farthest=size.farthest,
        provenance=Provenance(
            trained=str(report["trained"]),
            data=str(report["data"]),
            seed=int(str(report["seed"])),
            parameters=int(str(report["parameters"])),
        ),
        graphs={
            each: GraphFile(
                file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), opset=OPSET
            )
            for each, path in paths.items()
        },
    )
    write_manifest(out, manifest, "jepa-lab train-visual")
    return manifest
