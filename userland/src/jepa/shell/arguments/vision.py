# SPDX-License-Identifier: Apache-2.0
"""The verb vision: embed, search, anticipate, watch, reach."""

from pathlib import Path

from jepa.shell.usage import Parser, Verb, difference, positive, rate


def _embed(parser: Parser) -> None:
    _video(parser)
    _index(parser)
    _clips(parser)
    parser.add_argument(
        "--skip-unchanged",
        type=difference,
        default=0.02,
        metavar="D",
        help="skip a clip that differs less than D from the last, in standard deviations of its colours "
        "(default: 0.02)",
    )


def _search(parser: Parser) -> None:
    _video(parser)
    _index(parser)
    parser.add_argument("--most", type=positive, default=5, metavar="N", help="clips to show (default: 5)")


def _anticipate(parser: Parser) -> None:
    _video(parser)
    _clips(parser)


def _watch(parser: Parser) -> None:
    _video(parser)
    _clips(parser)


def _reach(parser: Parser) -> None:
    parser.add_argument("source", metavar="PICTURE", help="a picture of the goal")
    _pack(parser)
    parser.add_argument(
        "--robot",
        default="two-room",
        metavar="NAME",
        help="two-room or simulated-arm, or PACKAGE.MODULE:FUNCTION (default: two-room)",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the first action, and move nothing")
    parser.add_argument("--steps", type=positive, default=100, metavar="N", help="at most (default: 100)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the search (default: 0)")
    search = parser.add_argument_group("search with V-JEPA 2-AC (cross-entropy method)")
    search.add_argument(
        "--samples",
        type=positive,
        default=800,
        metavar="N",
        help="action sequences of an iteration (default: 800)",
    )
    search.add_argument("--iterations", type=positive, default=10, metavar="N", help="default: 10")
    search.add_argument(
        "--seconds", type=rate, metavar="S", help="time limit of a plan (default: until the iterations end)"
    )


def _video(parser: Parser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a video, a picture, a folder of pictures, /dev/videoN, an rtsp URL, or screen",
    )
    _pack(parser)
    parser.add_argument("--fps", type=rate, default=4.0, metavar="N", help="frames a second (default: 4)")


def _pack(parser: Parser) -> None:
    parser.add_argument(
        "--pack", metavar="PACK", help="by name or directory (default: an installed one that fits)"
    )


def _clips(parser: Parser) -> None:
    parser.add_argument(
        "--clips", type=positive, metavar="N", help="stop after N clips (default: at the end of SOURCE)"
    )


def _index(parser: Parser) -> None:
    parser.add_argument(
        "--index", type=Path, metavar="DIR", help="the index (default: ~/.local/share/jepa/vision)"
    )


VERBS = (
    Verb(
        "vision",
        "video: index it, search it, predict it, report what is unusual; move a robot to a goal",
        (
            "jepa vision embed holiday.mp4",
            "jepa vision search door.png",
            "jepa vision reach goal.png --robot two-room --dry-run",
        ),
        actions=(
            Verb(
                "embed",
                "add the clips of SOURCE to the index",
                ("jepa vision embed holiday.mp4", "jepa vision embed /dev/video0 --clips 100"),
                _embed,
            ),
            Verb(
                "search",
                "find the clips of the index most similar to SOURCE",
                ("jepa vision search door.png", "jepa vision search door.png --most 20"),
                _search,
            ),
            Verb(
                "anticipate",
                "predict the latents after each clip, and compare with those that follow",
                ("jepa vision anticipate holiday.mp4 --pack packs/vitl",),
                _anticipate,
            ),
            Verb(
                "watch",
                "report what is unusual in SOURCE as events",
                ("jepa vision watch /dev/video0 --fps 1", "jepa vision watch yard.mp4 --json"),
                _watch,
            ),
            Verb(
                "reach",
                "move a robot until its camera sees PICTURE",
                ("jepa vision reach goal.png --robot two-room --dry-run",),
                _reach,
            ),
        ),
    ),
)
