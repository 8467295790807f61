"""Regimes: thresholds, confirmation and persistence."""

import numpy as np
import pytest

from fluxhero.kernels.indicators.adx import adx
from fluxhero.kernels.indicators.linear_regression import linear_regression
from fluxhero.kernels.indicators.regime import (
    MEAN_REVERSION,
    NEUTRAL,
    STRONG_TREND,
    regime,
    volatility_regime,
)
from fluxhero.tests.oracles.prices import real_bars

TREND, CHOP = (30.0, 0.9), (10.0, 0.1)


def regimes_of(*bars: tuple[float, float], confirm: int = 3) -> tuple[list[float], list[float]]:
    found = regime(*zip(*bars, strict=True), confirm=confirm)
    return found.state.tolist(), found.bars_in_state.tolist()


@pytest.mark.parametrize(
    ("adx", "r_squared", "state"),
    [
        (25.1, 0.61, STRONG_TREND),
        (25.0, 0.61, NEUTRAL),
        (25.1, 0.6, NEUTRAL),
        (25.1, 0.1, NEUTRAL),
        (19.9, 0.39, MEAN_REVERSION),
        (20.0, 0.39, NEUTRAL),
        (19.9, 0.4, NEUTRAL),
        (19.9, 0.9, NEUTRAL),
    ],
)
def test_thresholds_are_strict_and_both_must_be_passed(adx: float, r_squared: float, state: float) -> None:
    assert regimes_of((adx, r_squared))[0] == [state]


def test_first_state_is_adopted_at_once() -> None:
    assert regimes_of(TREND, TREND) == ([1.0, 1.0], [1.0, 2.0])


def test_change_needs_three_bars_in_a_row() -> None:
    states, ages = regimes_of(TREND, CHOP, CHOP, CHOP, CHOP)
    assert states == [1.0, 1.0, 1.0, 2.0, 2.0]
    assert ages == [1.0, 2.0, 3.0, 1.0, 2.0]


def test_a_bar_of_the_old_state_begins_the_count_anew() -> None:
    assert regimes_of(TREND, CHOP, CHOP, TREND, CHOP, CHOP, TREND)[0] == [1.0] * 7


def test_a_bar_of_a_third_state_begins_the_count_anew() -> None:
    neutral = (22.0, 0.5)
    states, _ = regimes_of(TREND, CHOP, CHOP, neutral, CHOP, CHOP, CHOP)
    assert states == [1.0] * 6 + [2.0]


def test_a_gap_neither_confirms_nor_interrupts() -> None:
    gap = (np.nan, 0.5)
    states, ages = regimes_of(TREND, CHOP, CHOP, gap, gap, CHOP)
    np.testing.assert_array_equal(states, [1.0, 1.0, 1.0, np.nan, np.nan, 2.0])
    np.testing.assert_array_equal(ages, [1.0, 2.0, 3.0, np.nan, np.nan, 1.0])


def test_one_bar_confirms_where_one_is_asked_for() -> None:
    assert regimes_of(TREND, CHOP, TREND, confirm=1)[0] == [1.0, 2.0, 1.0]


def test_volatility_is_judged_against_multiples_of_its_mean() -> None:
    for now, state in ((1.51, 1.0), (1.5, 0.0), (0.7, 0.0), (0.69, -1.0)):
        assert volatility_regime([now], [1.0]).state.tolist() == [state]


def test_market_that_does_not_move_is_normal() -> None:
    assert volatility_regime([0.0], [0.0]).state.tolist() == [0.0]


def test_thresholds_must_not_cross() -> None:
    with pytest.raises(ValueError, match="`reversion_adx` must not exceed `trend_adx`, were 30 and 25"):
        regime([1.0], [1.0], reversion_adx=30.0)
    with pytest.raises(ValueError, match=r"`reversion_r2` must not exceed `trend_r2`, were 0\.7 and 0\.6"):
        regime([1.0], [1.0], reversion_r2=0.7)
    with pytest.raises(ValueError, match=r"`low` must not exceed `high`, were 2 and 1\.5"):
        volatility_regime([1.0], [1.0], low=2.0)


def test_real_market_takes_all_states_and_rarely_flips_back() -> None:
    bars = real_bars("SPY daily")
    strength = adx(bars["high"], bars["low"], bars["close"]).adx
    states = regime(strength, linear_regression(bars["close"]).r_squared).state[50:]
    assert set(states) == {NEUTRAL, STRONG_TREND, MEAN_REVERSION}
    changes = np.flatnonzero(np.diff(states))
    assert np.diff(changes).min() >= 3  # no state lasts less than a confirmation
