# SPDX-License-Identifier: Apache-2.0
"""What the parts of planning ask of each other; none of them knows more of another than this.

The names are those of stable-worldmodel: dynamics say what would follow, a costable says what that costs,
and a solver looks for what costs least.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from jepa.world.forecast import FloatArray, Imagined

IntArray = npt.NDArray[np.intp]


class Dynamics(Protocol):
    """A world model, from the newest frame on."""

    def rollout(self, sequences: FloatArray) -> Imagined:
        """What would follow under each of the action ``sequences`` (K, S, A), for any K."""


class Costable(Protocol):
    """What courses of actions cost."""

    def get_cost(self, candidates: IntArray) -> FloatArray:
        """(K,) of the ``candidates`` (K, V), an option of each of V settings; infinite where not allowed."""


class Solver(Protocol):
    """Finds the cheapest candidate."""

    def solve(self, costable: Costable, options: Sequence[int], warm: IntArray) -> IntArray:
        """(V,) the best of what was tried, the candidates ``warm`` (W, V) among it.

        Setting v has ``options[v]`` options, of which number 0 leaves it as it is. What leaves everything as
        it is, is always tried; of those that cost the same, the one of the lowest numbers is the best.
        """
