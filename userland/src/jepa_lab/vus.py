# SPDX-License-Identifier: Apache-2.0
"""VUS-PR: how well scores single out stretches of anomaly, however exactly their edges are known.

The volume under the surface of precision and recall over thresholds and over widths of a soft edge
(Paparrizos, Boniol, Palpanas, Tsay, Elmore, Franklin: Volume Under the Surface, PVLDB 15, 2022).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

ScoreArray = npt.NDArray[np.float64]
Interval = tuple[int, int]
"""The first frame of an anomaly, and the first one after it."""


def vus_pr(scores: ScoreArray, anomalies: Sequence[Interval], widest: int) -> float:
    """0..1, 1 when every frame of an anomaly scores above every other; soft edges of 0 to ``widest`` frames.

    ValueError without an anomaly.
    """
    if not anomalies:
        raise ValueError("there is no anomaly to find")
    return float(np.mean([_area(scores, anomalies, width) for width in range(widest + 1)]))


def soft_labels(frames: int, anomalies: Sequence[Interval], width: int) -> ScoreArray:
    """(T,) 1 within an anomaly, falling to 0 at half of ``width`` beyond its edges."""
    at = np.arange(frames)
    labels = np.zeros(frames)
    for start, end in anomalies:
        away = np.maximum(np.maximum(start - at, at - end + 1), 0)
        edge = np.sqrt(np.clip(1 - away / width, 0, 1)) if width else (away == 0).astype(float)
        labels = np.maximum(labels, np.where(away <= width // 2, edge, 0))
    return labels


def _area(scores: ScoreArray, anomalies: Sequence[Interval], width: int) -> float:
    """The area under precision and recall at one width of the edge, by steps, over every threshold."""
    labels = soft_labels(len(scores), anomalies, width)
    # An anomaly of which nothing is flagged counts against recall, however much of others is.
    best = np.array(
        [scores[max(0, start - width // 2) : end + width // 2].max() for start, end in anomalies]
    )
    hard = soft_labels(len(scores), anomalies, 0).sum()
    wanted = (labels.sum() + hard) / 2
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    last = np.append(descending[1:] != descending[:-1], True)  # of frames that share a score, all or none
    hit = np.cumsum(labels[order])[last]
    flagged = (np.arange(len(scores)) + 1)[last]
    noticed = (best[:, None] >= descending[last][None, :]).mean(axis=0)
    precision, recall = hit / flagged, np.minimum(hit / wanted, 1) * noticed
    return float(np.sum(np.diff(recall, prepend=0) * precision))
