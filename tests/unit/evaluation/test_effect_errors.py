# SPDX-License-Identifier: Apache-2.0
"""How much of an imagined effect is real, as trials show it: its size, and how it varies."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from jepa.evaluation import effect_errors
from jepa.evaluation.effect_errors import LEAST_SPREAD, foretold, known_effects
from jepa.evaluation.effect_scoring import SettingChange, measure_effects
from jepa.packs.effects import KnownEffects
from jepa.packs.pack import Pack
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from tests.unit.evaluation.test_effect_scoring import CPU, experiment

Judge = Callable[..., KnownEffects]


@pytest.fixture
def judge(recording: Recording, schema: Schema, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Judges a model that imagines the real effects divided by ``sizes``, one a session."""
    each = experiment(recording, schema)

    def make(*sizes: float) -> KnownEffects:
        turns = iter(sizes)

        def imagined(_: object, changes: object, *__: object) -> tuple[np.ndarray, np.ndarray]:
            truth = np.nan_to_num(measure_effects(each, changes).effect)
            return truth / next(turns), truth[:, None]

        monkeypatch.setattr(effect_errors, "imagined_effects", imagined)
        return known_effects([each] * len(sizes), [], pack)

    return make


def test_who_imagines_half_of_it_is_known_to(judge: Judge) -> None:
    known = judge(*[2] * 9)
    setting = known.settings["pause.background"]
    assert (setting.low, setting.high) == (1, 1), "only what was tried"
    effect = setting.up[CPU][5]
    assert effect.size == pytest.approx(2, rel=0.01)
    assert effect.spread == pytest.approx(LEAST_SPREAD * 2, rel=0.01), "so few sessions show no more"
    assert effect.changes == 9
    assert known.lower_90 is not None and known.lower_90 > 0.9


def test_sessions_that_differ_make_it_less_sure(judge: Judge) -> None:
    alike, apart = (
        judge(*sizes).settings["pause.background"].up[CPU][5]
        for sizes in ((1,) * 8, (3, 0.3, 2, 0.5, 1, 3, 0.3, 1))
    )
    assert apart.spread / apart.size > 2 * alike.spread / alike.size


def test_a_setting_that_is_given_back_is_judged_by_itself(
    recording: Recording, schema: Schema, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = experiment(recording, schema)

    def imagined(_: object, changes: Sequence[SettingChange], *__: object) -> tuple[np.ndarray, np.ndarray]:
        truth = np.nan_to_num(measure_effects(each, changes).effect)
        part = np.array([4 if (change.after > change.before).any() else 1 for change in changes])
        return truth / part[:, None, None], truth[:, None]

    monkeypatch.setattr(effect_errors, "imagined_effects", imagined)
    setting = known_effects([each] * 8, [], pack).settings["pause.background"]
    assert setting.up[CPU][5].size == pytest.approx(4, rel=0.01)
    assert setting.down[CPU][5].size == pytest.approx(1, rel=0.01)


def test_too_few_trials_show_nothing(judge: Judge) -> None:
    assert judge(1, 1, 1).settings == {}
    assert judge().settings == {}
    assert judge().lower_90 is None


def test_the_shipped_pack_brings_what_is_known(pack: Pack) -> None:
    assert pack.effects is not None
    known = pack.effects.settings["cpu.weight.background"]
    assert known.low < 0 < known.high
    assert "pause.foreground" not in pack.effects.settings, "it was never tried"


def test_intervals_hold_as_many_effects_of_programs_left_out_as_they_say(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Effects that are now and then far larger: a deviation fitted to them says too little of those.
    chance = np.random.default_rng(1)
    shape = (len(pack.schema.names), 3)

    def trial(session: int) -> effect_errors.Trial:
        imagined = np.zeros(shape, np.float32)
        imagined[:4] = 0.2
        multiple = 1 + chance.standard_t(2, shape)
        return effect_errors.Trial(
            session,
            "pause.background",
            True,
            imagined,
            (imagined * multiple).astype(np.float32),
            np.zeros(shape, np.float32),
        )

    trials = [trial(number // 4) for number in range(80)]
    monkeypatch.setattr(effect_errors, "tried_ranges", lambda *_: {"pause.background": (1.0, 1.0)})
    known = known_effects([], [], pack, trials)
    assert known.windows == 80 * 4 * 3
    assert known.coverage_90 == pytest.approx(0.9, abs=0.03)
    narrow = effect_errors._Beyond(("a", True), 0, (0, 0), 1.0, 0.1, 0.0)
    assert abs(narrow.deviations(narrow.needed)) == pytest.approx(1.645, rel=1e-3)
    assert effect_errors._widened([narrow] * 40, ("a", True)) == pytest.approx(narrow.needed)
    sure = effect_errors._Beyond(("a", True), 0, (0, 0), 0.01, 0.1, 0.0)
    assert effect_errors._widened([sure] * 40, ("a", True)) == 1, "no calibration makes it surer"


def multiples(pack: Pack, seed: int, shared: bool) -> list[effect_errors.Trial]:
    """Trials whose effects are some multiple of what is imagined: one of all channels, or one of each."""
    chance = np.random.default_rng(seed)
    shape = (len(pack.schema.names), 3)
    imagined, nothing = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    imagined[:10] = 0.2
    return [
        effect_errors.Trial(
            session,
            "pause.background",
            True,
            imagined,
            (imagined * (1 + 0.5 * chance.standard_normal((1, 1) if shared else shape))).astype(np.float32),
            nothing,
        )
        for session in range(40)
    ]


@pytest.mark.parametrize(("shared", "together"), [(True, 1.0), (False, 0.0)])
def test_whether_channels_are_wrong_at_once_is_seen(
    pack: Pack, monkeypatch: pytest.MonkeyPatch, shared: bool, together: float
) -> None:
    monkeypatch.setattr(effect_errors, "tried_ranges", lambda *_: {"pause.background": (1.0, 1.0)})
    known = known_effects([], [], pack, multiples(pack, 1, shared))
    assert known.together == pytest.approx(together, abs=0.06)
    assert known_effects([], [], pack).together == 1, "where nothing is known the worst is"


def test_a_change_is_foretold_by_other_sessions(pack: Pack) -> None:
    trials = multiples(pack, 2, shared=True)
    (first, *_) = found = foretold(trials, [0, 1, 20], effect_errors.HORIZONS[0])
    assert [each.session for each in found] == list(range(40))
    others = np.mean([trial.measured[0, 0] for trial in trials[1:]])
    assert first.expected[0] == pytest.approx(others, rel=1e-4)
    assert first.measured[0] == trials[0].measured[0, 0]
    assert np.isnan(first.expected[2]), "nothing is imagined of it"
    within = [abs(each.measured[0] - each.expected[0]) <= 1.645 * each.deviation[0] for each in found]
    assert np.mean(within) >= 0.85
