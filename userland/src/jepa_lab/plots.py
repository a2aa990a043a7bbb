# SPDX-License-Identifier: Apache-2.0
"""An evaluation as a picture: who is how right at which horizon, and on which channels."""

from pathlib import Path

import numpy as np

from jepa.evaluation.report import TARGETS, Evaluation
from jepa.evaluation.scoring import APART, WINDOW

_DPI = 110


def plot(evaluation: Evaluation, path: Path) -> None:
    """Write a PNG of ``evaluation``: left by horizon, right by channel beside window persistence."""
    # Imported only here: it takes a second to load.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    moving = [name for name in evaluation.moving if len(evaluation.channels.get(name, {})) > 1]
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(12, 2 + 0.17 * len(moving)), width_ratios=(2, 3), layout="constrained"
    )
    horizons = sorted({int(each) for name in moving for each in evaluation.channels[name]})
    for who in ("model", *evaluation.figures.baselines):
        line = [_mean(evaluation, moving, str(horizon), who) for horizon in horizons]
        bold = who == "model"
        left.plot(
            range(len(horizons)), line, "o-", linewidth=3 if bold else 1, label=who, zorder=3 if bold else 2
        )
    if evaluation.figures.ceiling is not None:
        left.axhline(evaluation.figures.ceiling, color="grey", linestyle=":", label="second run (ceiling)")
    left.set_xticks(range(len(horizons)), [f"{horizon} s" for horizon in horizons])
    left.set(title="banded accuracy by horizon", xlabel="horizon")
    left.legend(fontsize="small")
    left.grid(alpha=0.3)
    ours, theirs = ([_over_horizons(evaluation, name, who) for name in moving] for who in ("model", WINDOW))
    order = np.argsort(ours)
    places = np.arange(len(moving))
    right.barh(places, np.array(ours)[order], label="model")
    right.plot(np.array(theirs)[order], places, "k|", markersize=9, label=WINDOW)
    right.set_yticks(places, [moving[each] for each in order], fontsize=7)
    right.set(title="by channel, horizons from 5 s on", xlim=(0, 1), ylim=(-0.7, len(moving) - 0.3))
    right.legend(fontsize="small", loc="lower right")
    apart = [kind for kind in APART if kind in evaluation.kinds]
    figure.suptitle(evaluation.pack + (f", without {' and '.join(apart)} recordings" if apart else ""))
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    pyplot.close(figure)


def _mean(evaluation: Evaluation, moving: list[str], horizon: str, who: str) -> float:
    cells = [
        evaluation.channels[name][horizon][target][who]
        for name in moving
        if horizon in evaluation.channels[name]
        for target in TARGETS
        if target in evaluation.channels[name][horizon]
    ]
    return float(np.mean(cells))


def _over_horizons(evaluation: Evaluation, name: str, who: str) -> float:
    by_horizon = evaluation.channels[name].items()
    return float(
        np.mean([cell[who] for horizon, cells in by_horizon if horizon != "1" for cell in cells.values()])
    )
