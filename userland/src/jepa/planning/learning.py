# SPDX-License-Identifier: Apache-2.0
"""How large effects of settings are on this machine: what its plans came to, beside the pack's trials.

The pack says how much of an imagined effect is real, ``size``, and how far that varies from one program and
machine to another, ``spread``. Part of that variation is the machine's own, and shows again in each of its
plans. So what was observed moves the size and narrows the spread, as a normal prior is moved by observations
of known error; half of the pack's variance is taken for the machine's, the rest for the moment's.

It is bounded, since observations from one run cannot tell an effect from what changed at the same time: the
size moves by one spread at most, and the spread narrows to 0.7 of itself at most. Old outcomes count less.
And it is used only where it would have been better: every outcome was predicted both ways before it was
learned from, and of these predictions the corrected ones have to be ahead.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from jepa.packs.effects import ChannelEffect, KnownEffects

MACHINES_SHARE: Final = 0.5
"""Of the pack's variance of a size: what is taken to be the machine's own."""
LEAST_IMAGINED: Final = 0.03
"""On the unit scale: of a smaller imagined effect nothing is learned, as trials count none either."""
KEPT: Final = 32
"""Outcomes of one effect that are kept, the newest."""
HALF_LIFE_S: Final = 14 * 86400.0
"""After so long an outcome counts half: programs and their versions change."""
LEAST_SCORED: Final = 6
"""Outcomes predicted both ways, before which nothing is corrected."""
SURELY: Final = 1.0
"""Standard errors by which the corrected predictions have to be ahead on average."""


@dataclass(frozen=True, slots=True)
class ForeseenEffect:
    """What is imagined of one change on one channel over one window, on the unit scale."""

    setting: str
    """The pack's name of it, such as ``cpu.weight.background``."""
    up: bool
    """Whether it becomes stronger."""
    channel: str
    horizon_s: int
    imagined: float
    """The effect as the graph imagines it."""
    without: float
    """The channel as it is forecast without the change."""
    noise: float
    """Standard deviation of that forecast."""

    @property
    def key(self) -> "EffectKey":
        """What outcomes of the same effect have in common."""
        return self.setting, self.up, self.channel, self.horizon_s


EffectKey = tuple[str, bool, str, int]
"""Setting, direction, channel and window."""


@dataclass(frozen=True, slots=True)
class EffectOutcome:
    """What came of one foreseen effect."""

    ts_ns: int
    """Wall clock, when the change was made."""
    foreseen: ForeseenEffect
    observed: float
    """The channel as it was with the change, on the unit scale, less what was forecast without."""

    def as_row(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "EffectOutcome":
        """Raises KeyError, TypeError or ValueError for a row that is none."""
        given = row["foreseen"]
        foreseen = ForeseenEffect(
            setting=str(given["setting"]),
            up=bool(given["up"]),
            channel=str(given["channel"]),
            horizon_s=int(given["horizon_s"]),
            imagined=float(given["imagined"]),
            without=float(given["without"]),
            noise=float(given["noise"]),
        )
        found = cls(int(row["ts_ns"]), foreseen, float(row["observed"]))
        if not all(map(math.isfinite, (foreseen.imagined, foreseen.noise, found.observed))):
            raise ValueError("no number")
        return found


@dataclass(frozen=True, slots=True)
class LearnedEffect:
    """What is known of one effect on this machine."""

    key: EffectKey
    outcomes: int
    before: ChannelEffect
    """As the pack says it."""
    after: ChannelEffect
    """As what was observed would have it."""
    scored: int
    """Outcomes that were predicted both ways before they were learned from."""
    ahead: float
    """Mean continuous ranked probability score by which the corrected predictions were better, as a share of
    what the pack's scored; below 0 where they were worse."""
    used: bool
    """Whether plans take ``after``."""


def posterior(prior: ChannelEffect, outcomes: Sequence[EffectOutcome], now_ns: int) -> ChannelEffect:
    """The effect by ``prior`` and what was observed until ``now_ns``; within the bounds."""
    own = MACHINES_SHARE * prior.spread**2
    moment = prior.spread**2 - own
    if own <= 0:
        return prior
    precision, weighted = 1 / own, prior.size / own
    for each in outcomes:
        x = each.foreseen.imagined
        if abs(x) < LEAST_IMAGINED:
            continue
        age_s = max(0.0, (now_ns - each.ts_ns) / 1e9)
        known = 0.5 ** (age_s / HALF_LIFE_S) / (moment + (each.foreseen.noise / x) ** 2)
        precision += known
        weighted += known * each.observed / x
    size = min(max(weighted / precision, prior.size - prior.spread), prior.size + prior.spread)
    spread = math.sqrt(1 / precision + moment)
    return ChannelEffect(size=size, spread=spread, changes=prior.changes)


def learn(
    prior: ChannelEffect, outcomes: Sequence[EffectOutcome], key: EffectKey, now_ns: int
) -> LearnedEffect:
    """What ``outcomes`` of one effect, the oldest first, say of it, and whether that is to be used."""
    gains, total = [], 0.0
    for at, each in enumerate(outcomes):
        if at == 0:
            continue  # nothing was learned before the first
        plain = crps(prior, each)
        gains.append(plain - crps(posterior(prior, outcomes[:at], each.ts_ns), each))
        total += plain
    ahead = sum(gains) / total if total > 0 else 0.0
    return LearnedEffect(
        key=key,
        outcomes=len(outcomes),
        before=prior,
        after=posterior(prior, outcomes, now_ns),
        scored=len(gains),
        ahead=ahead,
        used=_surely_ahead(gains),
    )


def learned(effects: KnownEffects, outcomes: Iterable[EffectOutcome], now_ns: int) -> list[LearnedEffect]:
    """What was learned of each effect that ``effects`` knows and that was seen here."""
    by_key: dict[EffectKey, list[EffectOutcome]] = defaultdict(list)
    for each in sorted(outcomes, key=lambda outcome: outcome.ts_ns):
        by_key[each.foreseen.key].append(each)
    found = []
    for key, own in sorted(by_key.items()):
        prior = known(effects, key)
        if prior is not None:
            found.append(learn(prior, own[-KEPT:], key, now_ns))
    return found


def known(effects: KnownEffects, key: EffectKey) -> ChannelEffect | None:
    """What the pack says of an effect; None where it knows nothing of it, and so nothing is learned."""
    setting, up, channel, horizon_s = key
    of = effects.settings.get(setting)
    return None if of is None else (of.up if up else of.down).get(channel, {}).get(horizon_s)


def corrected(effects: KnownEffects, found: Iterable[LearnedEffect]) -> KnownEffects:
    """``effects`` with those of ``found`` that are to be used. What the pack does not know stays unknown."""
    settings = dict(effects.settings)
    for each in found:
        setting, up, channel, horizon_s = each.key
        if not each.used or known(effects, each.key) is None:
            continue
        way = "up" if up else "down"
        table = getattr(settings[setting], way)
        fresh = {**table, channel: {**table[channel], horizon_s: each.after}}
        settings[setting] = settings[setting].model_copy(update={way: fresh})
    return effects.model_copy(update={"settings": settings})


def _surely_ahead(gains: Sequence[float]) -> bool:
    if len(gains) < LEAST_SCORED:
        return False
    mean = math.fsum(gains) / len(gains)
    variance = math.fsum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1)
    return mean > 0 and mean >= SURELY * math.sqrt(variance / len(gains))


def crps(effect: ChannelEffect, outcome: EffectOutcome) -> float:
    """The continuous ranked probability score of the predicted effect, a normal distribution: Gneiting and
    Raftery 2007, low is better."""
    x = outcome.foreseen.imagined
    deviation = math.hypot(effect.spread * x, outcome.foreseen.noise)
    if deviation <= 0:
        return abs(outcome.observed - effect.size * x)
    z = (outcome.observed - effect.size * x) / deviation
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    below = (1 + math.erf(z / math.sqrt(2))) / 2
    return deviation * (z * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi))
