# SPDX-License-Identifier: Apache-2.0
"""The card of a pack that was trained on a fleet, written by the run that made it."""

from collections.abc import Sequence

from jepa_lab.fleet.evaluate import PRESENT, Judged
from jepa_lab.fleet.verdicts import Verdict
from jepa_lab.train import Trained

_ROWS = (
    ("banded accuracy", "banded_accuracy"),
    ("lower end", "banded_accuracy_lower"),
    ("MAE, 5-30 s", "mae_skill_5_30s"),
    ("CRPS, 5-30 s", "crps_skill_5_30s"),
    ("90 % interval covers", "coverage_90"),
)


def card(
    title: str, trained: Trained, judged: Judged, decided: Sequence[Verdict], began_as: str | None
) -> str:
    """What it is, what it was made of, what it reaches, and for which machines."""
    report = trained.report
    machines, frames = report["machines"], report["frames"]
    assert isinstance(machines, dict)
    assert isinstance(frames, dict)
    origin = "Trained from nothing" if began_as is None else f"Tuned from {began_as}"
    beside = f", beside {began_as}" if began_as is not None else ""
    lines = [
        f"# {title}: card",
        "",
        f"Apache-2.0. {origin} on the recordings of a fleet; written by the run that made it.",
        "",
        "## Data",
        "",
        f"{len(machines['train'])} machines to train on ({frames['train']} frames, some of them shown), "
        f"{len(machines['validation'])} to watch ({frames['validation']} frames), "
        f"{len(machines['heldout'])} to judge; no machine in two of these.",
        "",
        f"## Results on the held-out machines{beside}",
        "",
        "Lower ends are of 95 % intervals for other machines of the kind. MAE and CRPS are beside "
        "repeating the past window.",
        "",
        "| machines | n | " + " | ".join(name for name, _ in _ROWS) + " |",
        "|---|---|" + "---|" * len(_ROWS),
    ]
    whole = (("all", judged.hosts, judged.evaluation.figures),)
    for name, count, figures in (
        *whole,
        *((name, each.machines, each.figures) for name, each in judged.cohorts.items()),
    ):
        values = (getattr(figures, key) for _, key in _ROWS)
        said = " | ".join("-" if value is None else f"{value:.3f}" for value in values)
        lines.append(f"| {name} | {count} | {said} |")
        if began_as is not None:
            accuracy = figures.baselines[PRESENT]["banded_accuracy"]
            lines.append(f"| {name}, {began_as} | {count} | {accuracy:.3f} |" + " |" * (len(_ROWS) - 1))
    if began_as is not None:
        lines += ["", "## For which machines", ""]
        lines += [f"- {'**yes**' if each.better else 'no'}: {each}" for each in decided]
    lines += [
        "",
        "## Limits",
        "",
        "- No machine of a fleet tries settings: what they do is learned from the lab's trials alone. How "
        "far that can be trusted is not known before `jepa-lab effects` has measured it (`effects.json`).",
        f"- Effects learned: {report['effects'] or 'none'}.",
        "- Judged on recordings of the same weeks as it was trained on.",
    ]
    return "\n".join(lines) + "\n"
