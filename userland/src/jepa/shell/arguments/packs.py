# SPDX-License-Identifier: Apache-2.0
"""The verb packs: list, verify, build."""

from pathlib import Path

from jepa.shell.usage import Parser, Verb, positive


def _which(parser: Parser) -> None:
    parser.add_argument("--pack", metavar="PACK", help="only this one, by name or directory")


def _build(parser: Parser) -> None:
    parser.add_argument("recipe", choices=("vjepa2",), metavar="RECIPE", help="what to build: vjepa2")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="PATH",
        required=True,
        help="a .pt file, or a Hugging Face directory",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", required=True, help="the pack's directory, which must not exist"
    )
    parser.add_argument(
        "--probe", type=Path, metavar="PATH", help="a classifier of Meta's that belongs to the .pt file"
    )
    parser.add_argument(
        "--frames", type=positive, metavar="N", help="frames of a clip (default: 16; 2 with actions)"
    )
    parser.add_argument("--horizon", type=positive, metavar="N", help="actions in a sequence (default: 1)")
    parser.add_argument(
        "--weights", choices=("fp32", "fp16", "int8"), help="format of the weights (default: fp32)"
    )
    parser.add_argument(
        "--crop", type=positive, metavar="PIXELS", help="default: the checkpoint's own, else 256"
    )


VERBS = (
    Verb(
        "packs",
        "list or verify the installed models, or build one from a checkpoint",
        (
            "jepa packs list",
            "jepa packs verify",
            "jepa packs build vjepa2 --checkpoint vitl.pt --out packs/vitl",
        ),
        actions=(
            Verb("list", "the packs on this machine", ("jepa packs list", "jepa packs list --json"), _which),
            Verb(
                "verify",
                "check hashes, schema and shapes; exit 1 when a pack is damaged or does not fit",
                ("jepa packs verify", "jepa packs verify --pack packs/vitl"),
                _which,
            ),
            Verb(
                "build",
                "convert a checkpoint to a pack; needs jepa_lab and PyTorch",
                ("jepa packs build vjepa2 --checkpoint vitl.pt --out packs/vitl",),
                _build,
            ),
        ),
    ),
)
