"""Smoothing that follows volatility: the checks of its definition, and what a change of volatility does."""

import numpy as np
import pytest

from fluxhero.kernels.indicators.adaptive import adaptive_ema, adaptive_period
from fluxhero.kernels.indicators.alpha import alpha, alpha_ema
from fluxhero.kernels.indicators.atr import atr
from fluxhero.kernels.indicators.ema import ema
from fluxhero.kernels.indicators.sma import sma
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.prices import example_bars

CHANGE = 200  # bar at which ranges change


def with_ranges_times(factor: float) -> tuple[FloatArray, FloatArray]:
    """ATR(14) and its 50-bar mean on bars of range 1 that from bar ``CHANGE`` on are `factor` wide."""
    half = np.where(np.arange(500) < CHANGE, 0.5, 0.5 * factor)
    usual = atr(100.0 + half, 100.0 - half, np.full(500, 100.0))
    return usual, sma(usual, lookback=50)


def periods_after_ranges_times(factor: float) -> FloatArray:
    return adaptive_period(*with_ranges_times(factor))[CHANGE:]


def test_period_is_shorter_in_high_and_longer_in_low_volatility() -> None:
    ratios = [0.0, 0.49, 0.5, 1.0, 1.5, 1.51, 9.0]
    assert adaptive_period(ratios, np.ones(7)).tolist() == [26.0, 26.0, 20.0, 20.0, 20.0, 14.0, 14.0]


@pytest.mark.parametrize(
    ("period", "shortened"), [(2, 2), (3, 2), (5, 4), (15, 11), (25, 18), (45, 32), (95, 67)]
)
def test_period_is_rounded_half_up_and_at_least_two(period: int, shortened: int) -> None:
    assert adaptive_period([2.0], [1.0], period=period)[0] == shortened


def test_doubling_of_the_atr_shortens_the_period_to_70_percent_at_once() -> None:
    volatility = np.where(np.arange(300) < CHANGE, 1.0, 2.0)
    periods = adaptive_period(volatility, sma(volatility, lookback=50))
    assert (periods[49:CHANGE] == 20.0).all()
    assert (periods[CHANGE : CHANGE + 16] == 14.0).all()
    assert (periods[CHANGE + 16 :] == 20.0).all()  # the mean has followed


def test_ranges_four_times_as_wide_shorten_the_period_within_three_bars() -> None:
    periods = periods_after_ranges_times(4.0)
    assert periods[0] == 20.0
    assert periods[2] == 14.0


def test_ranges_twice_as_wide_never_bring_the_slow_atr_beyond_its_threshold() -> None:
    usual, mean = with_ranges_times(2.0)
    assert 1.48 < np.nanmax(usual / mean) < 1.5
    assert (periods_after_ranges_times(2.0) == 20.0).all()


def test_ranges_that_shrink_lengthen_the_period() -> None:
    periods = periods_after_ranges_times(0.1)
    assert periods.max() == 26.0
    assert periods[-1] == 20.0  # by then the narrow range is usual


def test_market_that_does_not_move_is_normal() -> None:
    assert adaptive_period([0.0], [0.0])[0] == 20.0
    assert alpha([0.0], [0.0])[0] == pytest.approx(0.325)


def test_bounds_must_not_cross() -> None:
    with pytest.raises(ValueError, match=r"`low_below` must not exceed `high_above`, were 2 and 1\.5"):
        adaptive_period([1.0], [1.0], low_below=2.0)
    with pytest.raises(ValueError, match=r"`low` must not exceed `high`, were 0\.9 and 0\.6"):
        alpha([1.0], [1.0], low=0.9)


@pytest.mark.parametrize("lookback", [1, 2, 20])
@pytest.mark.parametrize("max_period", [20, 50])
def test_period_that_never_changes_gives_the_usual_average(lookback: int, max_period: int) -> None:
    close = example_bars(300)["close"]
    ours = adaptive_ema(close, np.full(300, float(lookback)), max_period=max_period)
    expected = ema(close, lookback=lookback)
    assert np.isnan(ours[: max_period - 1]).all()
    np.testing.assert_array_equal(ours[max_period - 1 :], expected[max_period - 1 :])


def test_periods_beyond_their_bounds_are_clipped() -> None:
    close, periods = example_bars(100)["close"], np.resize([-3.0, 0.0, 1e9, 7.0], 100)
    clipped = np.clip(periods, 1.0, 10.0)
    np.testing.assert_array_equal(
        adaptive_ema(close, periods, max_period=10), adaptive_ema(close, clipped, max_period=10)
    )


def test_shorter_period_follows_a_jump_sooner() -> None:
    close = np.where(np.arange(100) < 60, 100.0, 110.0)
    slow = adaptive_ema(close, np.full(100, 26.0), max_period=26)
    fast = adaptive_ema(close, np.where(np.arange(100) < 60, 26.0, 14.0), max_period=26)
    assert (slow[26:60] == 100.0).all()
    assert (fast[60:90] > slow[60:90]).all()


def test_alpha_is_the_clipped_line() -> None:
    ratios = np.array([0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 1e9])
    expected = [0.1, 0.1, 0.15, 0.325, 0.5, 0.6, 0.6]
    np.testing.assert_allclose(alpha(ratios, np.ones(7)), expected, rtol=1e-15)


def test_alpha_is_high_where_volatility_is_and_low_where_it_is_not() -> None:
    usual, mean = with_ranges_times(4.0)
    assert (alpha(usual, mean)[CHANGE + 2 : CHANGE + 20] >= 0.4).all()
    usual, mean = with_ranges_times(0.1)
    assert (alpha(usual, mean)[CHANGE + 15 : CHANGE + 40] <= 0.2).all()


def test_alpha_without_slope_is_its_base_whatever_the_ratio() -> None:
    ratios = alpha([1.0, 1e300, 1.0], [5e-324, 1e-300, 1.0], base=0.3, slope=0.0)
    assert (ratios == 0.3).all()


def test_alpha_that_never_changes_gives_the_usual_average_in_the_end() -> None:
    close = example_bars(400)["close"]
    ours = alpha_ema(close, np.full(400, 2.0 / 21.0))
    np.testing.assert_allclose(ours[350:], ema(close, lookback=20)[350:], rtol=1e-12)


def test_alpha_average_begins_as_a_plain_mean_and_one_takes_the_value_itself() -> None:
    close = example_bars(30)["close"]
    running = np.cumsum(close) / np.arange(1.0, 31.0)
    np.testing.assert_allclose(alpha_ema(close, np.zeros(30)), running, rtol=1e-14)
    np.testing.assert_array_equal(alpha_ema(close, np.ones(30)), close)
    np.testing.assert_array_equal(alpha_ema(close, np.full(30, 7.0)), close)
