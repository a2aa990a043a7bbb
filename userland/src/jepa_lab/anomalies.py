# SPDX-License-Identifier: Apache-2.0
"""How well surprise finds what goes wrong, beside what a user would fit instead: PCA and KMeansAD.

The peers are fitted on the training recordings, as in the benchmarks they come from (Shyu et al., 2003;
Yairi et al., 2001; both in TSB-AD, NeurIPS 2024); the model sees each recording once, frame by frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2, vq

from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world.alerts import STRANGE
from jepa.world.controls import host_of
from jepa.world.forecast import FloatArray
from jepa.world.hysteresis import Hysteresis
from jepa.world.model import WorldModel
from jepa.world.scale import Scale
from jepa.world.surprise import Sizes
from jepa_lab.vus import Interval, ScoreArray, vus_pr
from jepa_lab.workloads.faults import FAULTS

EDGE_S = 10
"""Frames that the soft edge of an anomaly is wide at most."""
_SKIP_S = 30
"""Frames at the beginning that nobody is judged on: there is no context yet."""
_KEPT = 0.9
_CLUSTERS, _WINDOW = 20, 10


@dataclass(frozen=True, slots=True)
class AnomalyFigures:
    """What was found of the faults of some recordings."""

    vus_pr: dict[str, float]
    """By who scores: the model's surprise, PCA, the same smoothed as surprise is, KMeansAD."""
    chance: float
    """What scores at random reach: the share of frames within a fault."""
    faults: int
    detected: int
    """Faults during which, or within 10 s after, jepad would raise an anomaly."""
    delay_s: float | None
    """Median time from a fault's beginning until then."""
    false_alarms: int
    """Anomalies reported outside faults."""
    hours: float


def judge_anomalies(
    recordings: Sequence[Recording], train: Sequence[Recording], pack: Pack
) -> AnomalyFigures:
    """Score every frame of ``recordings``, whose labels say when a fault was at work."""
    pca, clusters = Pca(train), Clusters(train)
    areas: dict[str, list[float]] = {}
    detected = faults = alarms = frames = inside = 0
    delays: list[int] = []
    for recording in recordings:
        anomalies = [(a - _SKIP_S, b - _SKIP_S) for a, b in faults_of(recording)]
        surprise, alarmed = surprises(recording, pack)
        plane = pca.scores(recording)
        scores = {
            "model": surprise,
            "pca": plane,
            "pca smoothed": smoothed(plane),
            "kmeans": clusters.scores(recording),
        }
        for who, each in scores.items():
            areas.setdefault(who, []).append(vus_pr(each[_SKIP_S:], anomalies, EDGE_S))
        alarmed = [at - _SKIP_S for at in alarmed if at >= _SKIP_S]
        for start, end in anomalies:
            first = [at for at in alarmed if start <= at < end + EDGE_S]
            delays += [first[0] - start] if first else []
        detected += sum(any(start <= at < end + EDGE_S for at in alarmed) for start, end in anomalies)
        alarms += sum(not any(start <= at < end + EDGE_S for start, end in anomalies) for at in alarmed)
        faults += len(anomalies)
        frames += len(surprise) - _SKIP_S
        inside += sum(end - start for start, end in anomalies)
    return AnomalyFigures(
        vus_pr={who: float(np.mean(each)) for who, each in areas.items()},
        chance=inside / frames,
        faults=faults,
        detected=detected,
        delay_s=float(np.median(delays)) if delays else None,
        false_alarms=alarms,
        hours=frames / 3600,
    )


def faults_of(recording: Recording) -> list[Interval]:
    """The frames during which each fault of the schedule was at work."""
    now = (recording.ts_ns - recording.ts_ns[0]) / 1e9
    found = []
    for each in recording.meta.labels["schedule"]:
        if each["program"] in FAULTS:
            start = int(np.searchsorted(now, each["start_s"]))
            found.append((start, int(np.searchsorted(now, each["start_s"] + each["seconds"])) + 1))
    return sorted(found)


def surprises(recording: Recording, pack: Pack) -> tuple[ScoreArray, list[int]]:
    """(T,) how surprising each frame was, and the frames at which an anomaly was reported."""
    model = WorldModel.load(pack, recording.schema, host_of(recording.meta))
    anomaly = Hysteresis(of=5, enough=3, calm=15)
    scores, alarmed = np.zeros(len(recording.ts_ns)), []
    for number, (ts_ns, values) in enumerate(zip(recording.ts_ns, recording.values, strict=True)):
        tick = model.tick(Frame(int(ts_ns), values, ~np.isnan(values)))
        if tick.surprise is not None:
            scores[number] = tick.surprise.size
        strange = tick.surprise is not None and tick.surprise.probability >= STRANGE
        if anomaly.push(strange) and anomaly.holds:
            alarmed.append(number)
    return scores, alarmed


def smoothed(scores: ScoreArray) -> ScoreArray:
    """(T,) as jepa.world.surprise smooths sizes, so that nobody is ahead by that alone."""
    sizes = Sizes(1.0, 1.0)
    return np.array([sizes.push(float(each), 0.0) for each in scores])


class _Standard:
    """Frames with zero mean and unit deviation over the training recordings; what is absent is the mean."""

    def __init__(self, train: Sequence[Recording]) -> None:
        frames = np.concatenate([_unit(each) for each in train])
        seen = np.isfinite(frames)
        count = np.maximum(seen.sum(axis=0), 1)
        filled = np.where(seen, frames, 0)
        self._mean = filled.sum(axis=0) / count
        self._deviation = np.sqrt(np.where(seen, (frames - self._mean) ** 2, 0).sum(axis=0) / count)
        self._used = self._deviation > 1e-4
        self.train = [self.of(each) for each in train]

    def of(self, recording: Recording) -> npt.NDArray[np.float64]:
        """(T, C') of the channels that ever moved."""
        unit = _unit(recording)[:, self._used]
        scaled = (unit - self._mean[self._used]) / self._deviation[self._used]
        return np.asarray(np.nan_to_num(scaled, nan=0.0), np.float64)


class Pca:
    """Distance from the plane that explains most of the training frames."""

    def __init__(self, train: Sequence[Recording]) -> None:
        self._standard = _Standard(train)
        frames = np.concatenate(self._standard.train)
        _, sizes, axes = np.linalg.svd(frames - frames.mean(axis=0), full_matrices=False)
        explained = np.cumsum(sizes**2) / np.sum(sizes**2)
        self._axes = axes[: int(np.searchsorted(explained, _KEPT)) + 1]

    def scores(self, recording: Recording) -> ScoreArray:
        """(T,)."""
        frames = self._standard.of(recording)
        beside = frames - frames @ self._axes.T @ self._axes
        return np.asarray((beside**2).sum(axis=1))


class Clusters:
    """Distance of the last seconds from the nearest of the clusters that training windows fall into."""

    def __init__(self, train: Sequence[Recording]) -> None:
        self._standard = _Standard(train)
        windows = np.concatenate([_windows(each)[_WINDOW:] for each in self._standard.train])
        self._centres, _ = kmeans2(windows, _CLUSTERS, minit="++", rng=np.random.default_rng(1))

    def scores(self, recording: Recording) -> ScoreArray:
        """(T,)."""
        return np.asarray(vq(_windows(self._standard.of(recording)), self._centres)[1])


def _windows(frames: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(T, WINDOW * C) each frame with those before it; the first one again where there are none."""
    padded = np.concatenate([np.repeat(frames[:1], _WINDOW - 1, axis=0), frames])
    windows: npt.NDArray[np.float64] = np.concatenate(
        [padded[at : at + len(frames)] for at in range(_WINDOW)], axis=1
    )
    return windows


def _unit(recording: Recording) -> FloatArray:
    schema: Schema = recording.schema
    return Scale(schema).to_unit(recording.values)
