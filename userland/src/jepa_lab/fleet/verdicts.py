# SPDX-License-Identifier: Apache-2.0
"""Whether a pack that was tuned for a fleet may take the place of the present one, by cohort of machines.

Both forecast the same windows of machines that neither the tuning nor its choice of weights ever saw, and
the difference of their accuracies is drawn again from these machines. Where its 95 % interval does not lie
above LEAST_GAIN, nothing is published: nobody gains anything from a pack that is as good as the one before.
"""

from dataclasses import dataclass
from typing import Final

from jepa_lab.fleet.evaluate import PRESENT, Judged

LEAST_MACHINES: Final = 6
"""Of fewer nothing can be said: each of three would gain once in eight times by chance."""
LEAST_GAIN: Final = 0.001
"""Of the accuracy: exporting the same weights anew changes less, and less is not worth a delivery."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one cohort fared."""

    cohort: str
    machines: int
    accuracy: float | None
    present: float | None
    ahead_lower: float | None
    """Lower end of the 95 % interval of the difference."""

    @property
    def better(self) -> bool:
        """Whether these machines are to get the new pack."""
        if self.machines < LEAST_MACHINES or self.ahead_lower is None:
            return False
        return self.ahead_lower > LEAST_GAIN

    def __str__(self) -> str:
        if self.machines < LEAST_MACHINES:
            why = f"{self.machines} held-out machines are too few to tell"
        elif self.accuracy is None or self.present is None or self.ahead_lower is None:
            why = "nothing that can be judged"
        else:
            beyond = "beyond noise" if self.better else "not beyond noise"
            why = (
                f"accuracy {self.accuracy:.4f} beside {self.present:.4f} on {self.machines} machines, "
                f"{beyond} (lower end of the gain {self.ahead_lower:+.4f})"
            )
        return f"{self.cohort}: {why}"


def verdicts(judged: Judged) -> list[Verdict]:
    """One for each cohort of held-out machines."""
    return [
        Verdict(
            name,
            each.machines,
            each.figures.banded_accuracy,
            each.figures.baselines[PRESENT]["banded_accuracy"],
            each.figures.baselines[PRESENT]["model_ahead_lower"],
        )
        for name, each in judged.cohorts.items()
    ]
