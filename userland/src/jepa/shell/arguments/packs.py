# SPDX-License-Identifier: Apache-2.0
"""The verb packs: list, verify, install, update, use, remove, build."""

from pathlib import Path

from jepa.shell.usage import Parser, Verb, positive


def _which(parser: Parser) -> None:
    parser.add_argument("--pack", metavar="PACK", help="only this one, by name or directory")


def _install(parser: Parser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a file NAME_VERSION.raw, or its http(s) address")


def _update(parser: Parser) -> None:
    parser.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="a channel: a directory or an http(s) address (default: in /etc/jepa/packs.toml)",
    )


def _named(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="the pack's name, as `jepa packs list` shows it")
    parser.add_argument("version", nargs="?", metavar="VERSION", help="default: the newest that is here")


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
        "the models: list or verify them, install one and put it in use, or build one from a checkpoint",
        (
            "jepa packs list",
            "jepa packs install machine_1.0.0.raw",
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
                "install",
                "install a signed pack and put it in use while jepad runs; what is not fit is refused",
                (
                    "jepa packs install machine_1.0.0.raw",
                    "jepa packs install https://example.org/machine_1.0.0.raw",
                ),
                _install,
            ),
            Verb(
                "update",
                "take what the channel has that is newer, and leave what it has taken back (as root)",
                ("jepa packs update", "jepa packs update --from https://example.org/packs/all"),
                _update,
            ),
            Verb(
                "use",
                "put another pack or version in use that is here (as root)",
                ("jepa packs use machine", "jepa packs use machine 0.7.3"),
                _named,
            ),
            Verb(
                "remove",
                "take an installed pack away; if it is in use, another of its kind takes its place first",
                ("jepa packs remove machine", "jepa packs remove machine 1.0.0"),
                _named,
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
