"""Efficiency ratio and adaptive average: the checks of their definition."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from fluxhero.kernels.indicators.kama import RegimeKama, efficiency_ratio, kama, regime_kama
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.prices import example_bars

SLOWEST, FASTEST = (2 / 31) ** 2, (2 / 3) ** 2


def smoothing(close: FloatArray) -> FloatArray:
    """Share of the way to the price that the average took at each bar."""
    average = kama(close)
    return np.diff(average) / (close[1:] - average[:-1])


def test_straight_line_is_fully_efficient() -> None:
    assert (efficiency_ratio(np.arange(50.0))[10:] == 1.0).all()
    assert (efficiency_ratio(-0.1 * np.arange(50.0))[10:] > 1.0 - 1e-14).all()


def test_back_and_forth_is_not_efficient() -> None:
    close = 100.0 + np.arange(60) % 2
    assert (efficiency_ratio(close)[10:] == 0.0).all()
    assert (efficiency_ratio(close, lookback=11)[11:] < 0.1).all()


def test_ten_days_of_one_percent_are_followed_closely() -> None:
    close = np.cumprod(np.full(30, 1.01))
    assert (efficiency_ratio(close)[10:] > 0.7).all()
    assert (smoothing(close)[10:] > 0.3).all()
    assert (np.abs(kama(close)[20:] / close[20:] - 1.0) < 0.02).all()


def test_chop_is_hardly_followed() -> None:
    close = 100.0 + 0.5 * (1.0 - 2.0 * (np.arange(60.0) % 2.0))
    assert (efficiency_ratio(close)[10:] < 0.3).all()
    assert (smoothing(close)[12:] < 0.1).all()


def test_smoothing_stays_between_slowest_and_fastest() -> None:
    close = 100.0 + np.cumsum(np.random.default_rng(8).normal(size=500))
    share = smoothing(close)[10:]
    assert share.min() > SLOWEST * (1.0 - 1e-9)
    assert share.max() < FASTEST * (1.0 + 1e-9)


def test_flat_window_is_not_efficient_and_moves_the_average_slowly() -> None:
    close = np.concatenate([np.arange(20.0), np.full(30, 19.0)])
    assert (efficiency_ratio(close)[29:] == 0.0).all()
    np.testing.assert_allclose(smoothing(close)[29:35], SLOWEST, rtol=1e-6)


def test_fast_must_not_exceed_slow() -> None:
    with pytest.raises(ValueError, match="`fast` must not exceed `slow`, were 30 and 2"):
        kama(np.arange(50.0), fast=30, slow=2)


def trend_then_chop() -> FloatArray:
    """Forty +1% days, then thirty days 0.5% above and below the top."""
    trend = 100.0 * np.cumprod(np.full(40, 1.01))
    return np.concatenate([trend, trend[-1] * (1.0 - 0.005 * (-1.0) ** np.arange(30))])


@pytest.fixture(params=[0.0, 0.2], ids=["kama", "regime_kama"])
def averages(request: pytest.FixtureRequest) -> Callable[[FloatArray], RegimeKama]:
    """Plain average with its smoothing, and the one that is pushed by regimes."""
    return partial(regime_kama, bias=request.param)


def test_without_bias_it_is_the_plain_average_to_the_bit() -> None:
    close = example_bars(600)["close"]
    lines = regime_kama(close, lookback=7, fast=3, slow=20, bias=0.0)
    np.testing.assert_array_equal(lines.regime_kama, kama(close, lookback=7, fast=3, slow=20))
    np.testing.assert_array_equal(lines.efficiency_ratio, efficiency_ratio(close, lookback=7))


def test_smoothing_is_the_share_of_the_way_that_the_average_goes() -> None:
    close = example_bars(300)["close"] + np.random.default_rng(3).normal(0.0, 0.1, 300)
    lines = regime_kama(close)
    gap = close[11:] - lines.regime_kama[10:-1]
    np.testing.assert_allclose(np.diff(lines.regime_kama)[10:], lines.smoothing[11:] * gap, atol=1e-12)


def test_ten_days_of_one_percent_in_both_averages(averages: Callable[[FloatArray], RegimeKama]) -> None:
    lines = averages(np.cumprod(np.full(30, 1.01)))
    close = np.cumprod(np.full(30, 1.01))
    assert (lines.efficiency_ratio[10:] > 0.7).all()
    assert (lines.smoothing[10:] > 0.3).all()
    assert (np.abs(lines.regime_kama[10:] / close[10:] - 1.0) < 0.02).all()


def test_chop_in_both_averages(averages: Callable[[FloatArray], RegimeKama]) -> None:
    lines = averages(100.0 * (1.0 + 0.005 * (-1.0) ** np.arange(60)))
    assert (lines.efficiency_ratio[10:] < 0.3).all()
    assert (lines.smoothing[10:] < 0.1).all()


def test_smoothing_of_both_averages_stays_in_bounds(averages: Callable[[FloatArray], RegimeKama]) -> None:
    rng = np.random.default_rng(9)
    close = 100.0 + np.cumsum(rng.normal(size=2_000) + np.repeat(rng.normal(size=50), 40))
    share = averages(close).smoothing[10:]
    assert share.min() >= SLOWEST * (1.0 - 1e-12)
    assert share.max() <= FASTEST * (1.0 + 1e-12)


def test_smoothing_falls_without_a_jump_when_a_trend_turns_to_chop(
    averages: Callable[[FloatArray], RegimeKama],
) -> None:
    share = averages(trend_then_chop()).smoothing
    n_bars = int(np.argmax(share[40:] < 0.1)) + 1  # of chop
    assert 5 <= n_bars <= 10
    assert (-np.diff(share[39:])).max() < 0.45 * (FASTEST - SLOWEST)
    assert (np.diff(share[39:]) < 0.005).all()
    np.testing.assert_allclose(share[50:], SLOWEST, rtol=1e-12)


@pytest.mark.parametrize("threshold", [0.3, 0.6])
def test_smoothing_is_continuous_where_the_push_begins(threshold: float) -> None:
    # One step back in a window of eleven steps: its size moves the ratio through the threshold.
    back = (10.0 - 10.0 * threshold) / (1.0 + threshold) + np.array([-1e-9, 0.0, 1e-9])
    shares = []
    for step in back:
        close = np.concatenate([np.arange(11.0), [10.0 - step]])
        lines = regime_kama(close, lookback=11)
        assert lines.efficiency_ratio[-1] == pytest.approx(threshold, abs=1e-8)
        shares.append(lines.smoothing[-1])
    assert np.ptp(shares) < 1e-8


def test_push_goes_outwards_only() -> None:
    close = np.cumsum(np.random.default_rng(5).normal(0.05, 1.0, 5_000)) + 500.0
    plain, pushed = regime_kama(close, bias=0.0), regime_kama(close)
    ratio, gained = plain.efficiency_ratio[10:], (pushed.smoothing - plain.smoothing)[10:]
    assert (gained[(ratio > 0.6) & (ratio < 1.0)] > 0.0).all()
    assert (gained[(ratio < 0.3) & (ratio > 0.0)] < 0.0).all()
    assert (gained[(ratio >= 0.3) & (ratio <= 0.6)] == 0.0).all()


def test_chop_must_not_exceed_trend() -> None:
    with pytest.raises(ValueError, match=r"`chop` must not exceed `trend`, were 0\.7 and 0\.6"):
        regime_kama(np.arange(50.0), chop=0.7)
