# SPDX-License-Identifier: Apache-2.0
"""What an evaluation found: the figures, as JSON and as a table to read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jepa.evaluation.alert_scoring import AlertFigures, RecallAtBudget
from jepa.evaluation.effect_scoring import Effects
from jepa.evaluation.scoring import APART, WINDOW

TARGETS = ("mean", "p90")
"""What is forecast of each window."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one set of recordings; None where there is nothing to judge."""

    banded_accuracy: float | None
    banded_accuracy_lower: float | None
    banded_accuracy_mean: float | None
    banded_accuracy_p90: float | None
    ceiling: float | None
    """Banded accuracy of a second run of the same seeded workload, taken as a forecast of the first."""
    gap_closed: float | None
    """(model - best baseline) / (ceiling - best baseline), on the windows that have a ceiling."""
    gap_closed_lower: float | None
    hard_recovery: float | None
    """Of the windows that window persistence missed and the twin hit, the share the model hit."""
    hard_recovery_lower: float | None
    missed_recovery: float | None
    """Of all windows that window persistence missed, knowable or not, the share the model hit."""
    missed_recovery_lower: float | None
    mae_skill_5_30s: float | None
    """Mean absolute error over that of window persistence; 0.8 or less is wanted."""
    crps_skill_5_30s: float | None
    coverage_90: float | None
    windows: int
    """Windows judged."""
    baselines: dict[str, dict[str, float | None]]
    """The same of each baseline, and the lower end of how far the model is ahead of it."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of a replay."""

    pack: str
    recordings: list[dict[str, Any]]
    figures: Figures
    """Of the recordings without actions, if there are any."""
    kinds: dict[str, Figures]
    """The same for day, busy, acting and scarce recordings, and of the first two for the windows in which no
    program began or ended and no action was taken (steady), and for the others (changing)."""
    literal: dict[str, float | None]
    """Banded accuracy with the band in the channels' units instead of on their own scale."""
    moving: list[str]
    static: list[str]
    channels: dict[str, dict[str, dict[str, dict[str, float]]]]
    """By channel, horizon and target: banded accuracy of the model and each baseline, and coverage."""
    events: dict[str, dict[str, AlertFigures]]
    """By who alerts, the model or the rule of thumb, and event."""
    recall_at_1_fa_per_day: dict[str, dict[str, RecallAtBudget]]
    """The same, from the level that gives at most one false alarm a day."""
    effects: Effects | None
    """Whether imagined effects of actions are real; None without runs that show it."""
    anomalies: Mapping[str, Any] | None = None
    """How well surprise found faults, beside others; None where none were looked for."""

    @property
    def absent(self) -> dict[str, str]:
        """Figures that could not be computed, and why."""
        missing = [name for name, value in asdict(self.figures).items() if value is None]
        reasons = dict.fromkeys(missing, _WITHOUT_TWIN if self.figures.ceiling is None else _NOTHING)
        if self.figures.ceiling is not None:
            reasons |= dict.fromkeys([name for name in missing if name.startswith("gap_closed")], _NO_GAP)
        return reasons

    def to_json(self) -> dict[str, Any]:
        """Everything, with the figures at the top and None for what is absent."""
        return {
            "pack": self.pack,
            **asdict(self.figures),
            "absent": self.absent,
            **{kind: asdict(figures) for kind, figures in self.kinds.items()},
            "literal_band": self.literal,
            "moving": self.moving,
            "static": self.static,
            "recordings": self.recordings,
            "events": {who: _as_dicts(figures) for who, figures in self.events.items()},
            "recall_at_1_fa_per_day": {
                who: _as_dicts(found) for who, found in self.recall_at_1_fa_per_day.items()
            },
            "effects": None if self.effects is None else asdict(self.effects),
            "anomalies": self.anomalies,
            "channels": self.channels,
        }

    def to_text(self, full: str = "#") -> str:
        """Tables to read, with bars of the character ``full``."""
        whole = self.figures
        named = [kind for kind in APART if kind in self.kinds] if len(self.kinds) > 1 else []
        apart = f"; {' and '.join(named)} ones stand apart" if named else ""
        lines = [f"{self.pack} on {len(self.recordings)} recordings, {whole.windows} windows{apart}", ""]
        lines += [f"{'':24}{'model':>8}" + "".join(f"{who:>9}" for who in whole.baselines)]
        for title, key in (("banded accuracy", ""), ("  of the mean", "_mean"), ("  of the P90", "_p90")):
            name = f"banded_accuracy{key}"
            beside = "".join(f"{_show(whole.baselines[who][name]):>9}" for who in whole.baselines)
            lines.append(f"{title:24}{_show(getattr(whole, name)):>8}{beside}")
        lines += [
            f"{'ceiling':24}{_show(whole.ceiling):>8}",
            f"{'gap closed':24}{_show(whole.gap_closed):>8}",
            f"{'hard windows recovered':24}{_show(whole.hard_recovery):>8}",
            f"{'missed ones recovered':24}{_show(whole.missed_recovery):>8}",
            f"{'MAE, 5-30 s':24}{_show(whole.mae_skill_5_30s):>8}  of window persistence",
            f"{'CRPS, 5-30 s':24}{_show(whole.crps_skill_5_30s):>8}  of window persistence",
            f"{'90 % interval covers':24}{_show(whole.coverage_90):>8}",
            "",
            *self._bars(full),
            "",
            f"{'channel':34}{'horizon':>8}"
            + "".join(f"{f'{who} {t}':>13}" for t in TARGETS for who in _WHO),
        ]
        for name in self.moving:
            for horizon, targets in self.channels.get(name, {}).items():
                cells = [targets[target].get(who) for target in TARGETS if target in targets for who in _WHO]
                lines.append(
                    f"{name:34}{horizon + ' s':>8}" + "".join(f"{_show(cell):>13}" for cell in cells)
                )
        lines += ["", f"static, not counted: {', '.join(self.static) or 'none'}"]
        lines += self._events_text()
        if self.effects is not None:
            lines.append("")
            lines += [
                f"effects of actions, {part.windows} beyond {part.deviations:.0f} deviations of chance "
                f"({part.by_chance} by chance): sign right {_show(part.sign_right)}, "
                f"shuffled {_show(part.shuffled)}, size imagined {_show(part.size)}, "
                f"shuffled {_show(part.size_shuffled)}"
                for part in (self.effects.beyond, self.effects.clear)
            ]
        if self.anomalies is not None:
            areas = ", ".join(f"{who} {_show(area)}" for who, area in self.anomalies["vus_pr"].items())
            lines += ["", f"faults found, VUS-PR: {areas}; at random {_show(self.anomalies['chance'])}"]
        return "\n".join(lines)

    def _bars(self, full: str) -> list[str]:
        """A bar for each horizon and forecaster, over channels and targets."""
        lines = ["banded accuracy by horizon"]
        known = [self.channels[name] for name in self.moving if name in self.channels]
        for horizon in sorted({int(each) for cells in known for each in cells} - {1}):
            cells = [cell for each in known for cell in each.get(str(horizon), {}).values()]
            for who in ("model", *self.figures.baselines):
                share = sum(cell[who] for cell in cells) / len(cells)
                title = f"{horizon} s" if who == "model" else ""
                lines.append(f"{title:>6} {who:10} {share:.3f} {full * round(share * _BAR)}")
        return lines

    def _events_text(self) -> list[str]:
        rows = [(who, name, found) for who, events in self.events.items() for name, found in events.items()]
        if not rows:
            return []
        lines = [
            "",
            f"{'event':18}{'alerts by':>12}{'onsets':>8}{'predicted':>10}{'lead':>8}{'false/h':>11}"
            f"{'at 1 false/day':>16}",
        ]
        for who, name, found in rows:
            lead = "-" if found.lead_s is None else f"{found.lead_s:.0f} s"
            best = self.recall_at_1_fa_per_day[who].get(name)
            lines.append(
                f"{name:18}{who:>12}{found.onsets:>8}{found.predicted:>10}{lead:>8}{found.false_alarms_per_hour:>11.1f}"
                f"{'-' if best is None else best.predicted:>16}"
            )
        return lines


def _as_dicts(figures: Mapping[str, AlertFigures | RecallAtBudget]) -> dict[str, Any]:
    return {name: asdict(each) for name, each in figures.items()}


_BAR = 50
"""Characters of a bar that is all right."""
_WHO = ("model", WINDOW)
_WITHOUT_TWIN = "needs a twin: the same seeded workload recorded twice"
_NOTHING = "nothing to judge"
_NO_GAP = "no gap to close: a second run agrees with the first no better than the best of the others"


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def to_file_text(evaluation: Evaluation) -> str:
    """The JSON of an evaluation as kept beside a pack, figures rounded to four places."""
    return rounded_text(evaluation.to_json())


def rounded_text(content: Mapping[str, Any]) -> str:
    """``content`` as JSON, figures rounded to four places."""
    return json.dumps(_rounded(content), indent=1) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
