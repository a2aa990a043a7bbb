# SPDX-License-Identifier: Apache-2.0
"""The pack beside a small pretrained forecaster (Fracast-0), and up to which horizon each beats persistence.

`python -m tests.bench.zeroshot` asks both of the same frames of the held-out sessions, one in eight, and of
the hour of real use, one in sixty: it takes the pretrained one too long to be asked of all. How alike the
seconds of its courses are is chosen before, on the validation sessions. It writes build/bench/zeroshot.json
and build/bench/break-even.json, which docs/explanation/judging-forecasts.md shows.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from jepa.evaluation.replay import replay
from jepa.evaluation.scoring import WINDOW, BlockSums, Replayed, Scores, moving_channels, tallies
from jepa.packs.pack import Pack, load_pack
from jepa.telemetry.frame import BoolArray
from jepa.telemetry.recording import Recording, load_recording
from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale
from jepa_lab.commands.defaults import PACK
from jepa_lab.peers.features import carried
from jepa_lab.peers.zeroshot import ZeroShot

HOLDS: Final = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
NAMES: Final = {
    "arranged": ("heldout/h01-shop", "heldout/h02-studio", "heldout/h03-day"),
    "lived": ("heldout/l01-lived",),
}
VALIDATION: Final = ("recordings/v01-office", "recordings/v02-day")
EVERY: Final = {"arranged": 8, "lived": 60}
WHO: Final = ("pack", "zeroshot", WINDOW, "last")


@dataclass(frozen=True, slots=True)
class Asked:
    """One recording, and what the pretrained forecaster said at the frames it was asked of."""

    replayed: Replayed
    at: list[int]
    paths: list[FloatArray]
    seconds: list[float]
    """CPU seconds that each of them took."""
    recording: Recording

    def only_asked(self) -> Replayed:
        """The windows that both are judged on."""
        where = np.zeros((len(self.recording.ts_ns), self.replayed.scored.shape[2]), np.bool_)
        where[self.at] = True
        return self.replayed.only(where)

    def by_zeroshot(self, peer: ZeroShot, pack: Pack) -> Replayed:
        """The same with the pretrained forecaster in the pack's place."""
        shape, scale = pack.manifest.shape, Scale(self.recording.schema)
        quantiles = np.full_like(self.replayed.quantiles, np.nan)
        for now, paths in zip(self.at, self.paths, strict=True):
            said = peer.windows(paths, shape.horizons_s, shape.quantiles)
            quantiles[now] = np.moveaxis(scale.from_unit(np.moveaxis(said, 0, -1)), -1, 0)
        middle = shape.quantiles.index(0.5)
        points = {**self.replayed.points, "model": quantiles[..., middle]}
        return replace(self.only_asked(), quantiles=quantiles, points=points)


def ask(names: Sequence[str], pack: Pack, every: int) -> tuple[list[Asked], BoolArray]:
    """The pack of every frame, the other of one in ``every`` of those that can be judged; who moves (C,).

    Channels that do not move are not judged, so nobody is asked of them.
    """
    recordings = [load_recording(PACK / name, pack.schema) for name in names]
    replays = [replay(recording, pack) for recording in recordings]
    moving, peer, found = moving_channels(replays, pack.schema), ZeroShot(), []
    for recording, replayed in zip(recordings, replays, strict=True):
        frame = carried(Scale(recording.schema).to_unit(recording.values))
        at = np.flatnonzero(replayed.scored.any(axis=(1, 2)))[::every].tolist()
        paths, seconds = [], []
        for now in at:
            begun = time.process_time()
            paths.append(peer.paths(frame, now, max(pack.manifest.shape.horizons_s), moving))
            seconds.append(time.process_time() - begun)
        print(len(at), "frames", round(sum(seconds), 1), "s", flush=True)
        found.append(Asked(replayed, at, paths, seconds, recording))
    return found, moving


def sums(replays: Sequence[Replayed], pack: Pack) -> list[BlockSums]:
    """Of several recordings, minute by minute."""
    levels = pack.manifest.shape.quantiles
    return [
        part for number, each in enumerate(replays) for part in tallies(each, pack.schema, levels, number)
    ]


def chosen_hold(pack: Pack) -> tuple[ZeroShot, dict[str, float]]:
    """The peer with the `hold` of the least CRPS, and the CRPS of each beside window persistence."""
    asked, moving = ask(VALIDATION, pack, 16)
    found = {}
    for hold in HOLDS:
        peer = ZeroShot(hold)
        parts = sums([each.by_zeroshot(peer, pack) for each in asked], pack)
        ratio = Scores(parts, moving, pack.manifest.shape.horizons_s).crps_ratio(WINDOW)
        assert ratio is not None
        found[hold] = round(ratio, 4)
    return ZeroShot(min(found, key=lambda hold: found[hold])), {str(k): v for k, v in found.items()}


def by_horizon(parts: Sequence[BlockSums], moving: BoolArray, column: int) -> tuple[float, float]:
    """MAE and CRPS of the model over the MAE of window persistence, at one horizon."""
    past, ours, pinball = (
        float(np.sum([value[moving, column].sum(dtype=np.float64) for value in values]))
        for values in (
            [part.error[WINDOW] for part in parts],
            [part.error["model"] for part in parts],
            [part.pinball for part in parts],
        )
    )
    return ours / past, pinball / past


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    out = parser.parse_args().out
    pack, horizons = load_pack(PACK), load_pack(PACK).manifest.shape.horizons_s
    peer, holds = chosen_hold(pack)
    print("hold", peer.hold, holds, flush=True)
    rows: list[dict[str, Any]] = []
    reach: list[dict[str, Any]] = []
    for title, names in NAMES.items():
        asked, moving = ask(names, pack, EVERY[title])
        frames = sum(len(each.at) for each in asked)
        ours = sums([each.only_asked() for each in asked], pack)
        theirs = sums([each.by_zeroshot(peer, pack) for each in asked], pack)
        every = sums([each.replayed for each in asked], pack)
        cost_ms = 1e3 * float(np.mean([one for each in asked for one in each.seconds]))
        for who in WHO:
            parts = theirs if who == "zeroshot" else ours
            name = "model" if who in ("pack", "zeroshot") else who
            scores = Scores(parts, moving, horizons)
            full = name == "model"
            rows.append(
                {
                    "sessions": title,
                    "who": who,
                    "channels": int(moving.sum()),
                    "frames": frames,
                    "in the band": _round(scores.accuracy(name)),
                    "lower": _round(scores.accuracy_lower(name)),
                    "MAE, 5-30 s": _round(scores.error_ratio(WINDOW, name)),
                    "CRPS, 5-30 s": _round(
                        scores.crps_ratio(WINDOW) if full else scores.error_ratio(WINDOW, name)
                    ),
                    "within 90 %": _round(scores.coverage()) if full else "-",
                    "CPU ms a frame": round(cost_ms) if who == "zeroshot" else _pack_ms(asked, pack, who),
                }
            )
        for column, horizon in enumerate(horizons):
            line: dict[str, Any] = {"sessions": title, "horizon": f"{horizon} s"}
            for label, parts in (("pack, all frames", every), ("pack", ours), ("zeroshot", theirs)):
                mae, crps = by_horizon(parts, moving, column)
                line |= {f"{label}: MAE": round(mae, 3), f"{label}: CRPS": round(crps, 3)}
            reach.append(line)
        for path, table in (("zeroshot.json", rows), ("break-even.json", reach)):
            out.mkdir(parents=True, exist_ok=True)
            content = {"columns": list(table[0]), "rows": [list(row.values()) for row in table]}
            content |= {"hold": peer.hold, "holds": holds}
            (out / path).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        print(json.dumps(rows), json.dumps(reach), flush=True)


def _round(value: float | None) -> float | str:
    return "-" if value is None else round(value, 3)


def _pack_ms(asked: Sequence[Asked], pack: Pack, who: str) -> float:
    """CPU time of one frame of the pack, measured anew; baselines take next to nothing."""
    if who != "pack":
        return 0.0
    begun = time.process_time()
    replay(asked[0].recording, pack)
    return round(1e3 * (time.process_time() - begun) / len(asked[0].recording.ts_ns), 2)


if __name__ == "__main__":
    main()
