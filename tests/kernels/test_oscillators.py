"""Stochastic, Williams %R and CCI: worked examples, published values, and what holds for any prices."""

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fluxhero.kernels.indicators.cci import cci
from fluxhero.kernels.indicators.stochastic import stochastic
from fluxhero.kernels.indicators.williams_r import williams_r
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.indicators.oscillators import without_range
from fluxhero.tests.oracles.prices import REAL_FILES, data_folder, example_bars, real_bars

closes = arrays(
    np.float64,
    st.integers(1, 80),
    elements=st.one_of(st.floats(1e-3, 1e6), st.integers(1, 5).map(float), st.sampled_from([1e-8, np.nan])),
)
lookbacks = st.integers(1, 12)
any_prices = settings(max_examples=40, deadline=None)


def bars_around(close: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """High, low and close of bars that opened at the close before; some without a range."""
    before = np.concatenate([close[:1], close[:-1]])
    return np.fmax(close, before), np.fmin(close, before), close


def known(values: FloatArray) -> FloatArray:
    found: FloatArray = values[~np.isnan(values)]
    return found


def test_stochastic_by_hand() -> None:
    high, low = [5.0, 6.0, 7.0, 7.0, 8.0], [1.0, 3.0, 3.0, 4.0, 6.0]
    close = [3.0, 6.0, 4.0, 7.0, 7.0]
    # raw over 2 bars: 100, 25, 100, 75; k = mean of two: 62.5, 62.5, 87.5; d = mean of two of those
    ours = stochastic(high, low, close, lookback=2, smooth_k=2, smooth_d=2)
    np.testing.assert_array_equal(ours.k, [np.nan, np.nan, np.nan, 62.5, 87.5])
    np.testing.assert_array_equal(ours.d, [np.nan, np.nan, np.nan, 62.5, 75.0])


def test_both_lines_begin_with_the_slower_one_as_in_talib() -> None:
    bars = example_bars(60)
    prices = [bars[name] for name in ("high", "low", "close")]
    ours, theirs = (
        stochastic(*prices, lookback=5, smooth_k=4, smooth_d=6),
        talib.STOCH(*prices, 5, 4, 0, 6, 0),
    )
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(reference))


def test_without_a_range_we_take_the_middle_and_talib_the_low() -> None:
    flat = np.full(40, 100.1)
    assert (known(stochastic(flat, flat, flat).k) == 50.0).all()
    assert (known(talib.STOCH(flat, flat, flat)[0]) == 0.0).all()
    assert (known(williams_r(flat, flat, flat)) == -50.0).all()
    assert (known(talib.WILLR(flat, flat, flat)) == 0.0).all()


@pytest.mark.parametrize("source", REAL_FILES)
def test_real_ranges_are_hardly_ever_zero(source: str) -> None:
    # So that TA-Lib's STOCH and WILLR themselves, not our reading of them, are what we are compared with.
    bars = real_bars(source)
    assert without_range(bars["high"], bars["low"], 5).mean() < 0.003


def test_flat_window_has_no_distance_from_its_mean() -> None:
    flat = np.full(60, 100.1)
    assert (known(cci(flat, flat, flat)) == 0.0).all()
    jump = np.concatenate([np.full(37, 0.1), np.full(80, 1_234.567)])
    assert (cci(jump, jump, jump)[37 + 19 :] == 0.0).all()


def test_cci_by_hand() -> None:
    typical = np.array([1.0, 2.0, 3.0, 10.0])
    # mean 4, mean absolute deviation (3 + 2 + 1 + 6) / 4 = 3
    assert cci(typical, typical, typical, lookback=4)[-1] == pytest.approx(6.0 / (0.015 * 3.0), rel=1e-15)
    assert cci(typical, typical, typical, lookback=4, scale=1.0)[-1] == pytest.approx(2.0, rel=1e-15)


@pytest.mark.parametrize("lookback", range(1, 12))
def test_every_length_passes_over_its_whole_window(lookback: int) -> None:
    close = example_bars(100)["close"]
    ours = cci(close, close, close, lookback=lookback, scale=1.0)
    for t in range(lookback - 1, 100):
        window = close[t + 1 - lookback : t + 1]
        spread = np.abs(window - window.mean()).mean()
        expected = (close[t] - window.mean()) / spread if np.ptp(window) else 0.0
        assert ours[t] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_williams_r_of_lean() -> None:
    frame = pd.read_csv(data_folder() / "indicator_reference/lean/spy_with_williamsR14.txt")
    ours = williams_r(frame["High"], frame["Low"], frame["Close"], lookback=14)
    np.testing.assert_allclose(ours, frame["Williams %R 14"], atol=5e-4)  # of unrounded prices


@given(close=closes, lookback=lookbacks, smooth_k=st.integers(1, 60), smooth_d=st.integers(1, 9))
@any_prices
def test_stochastic_stays_in_its_bounds_to_the_bit(
    close: FloatArray, lookback: int, smooth_k: int, smooth_d: int
) -> None:
    lines = stochastic(*bars_around(close), lookback=lookback, smooth_k=smooth_k, smooth_d=smooth_d)
    for line in lines:
        assert ((known(line) >= 0.0) & (known(line) <= 100.0)).all()


@given(close=closes, lookback=lookbacks)
@any_prices
def test_williams_r_is_the_raw_stochastic_less_a_hundred(close: FloatArray, lookback: int) -> None:
    bars = bars_around(close)
    raw = stochastic(*bars, lookback=lookback, smooth_k=1, smooth_d=1).k
    ours = williams_r(*bars, lookback=lookback)
    np.testing.assert_allclose(ours, raw - 100.0, atol=1e-12)
    assert ((known(ours) >= -100.0) & (known(ours) <= 0.0)).all()


@given(close=closes, lookback=lookbacks)
@any_prices
def test_turning_prices_upside_down_turns_oscillators(close: FloatArray, lookback: int) -> None:
    high, low, close = bars_around(close)
    k, d = stochastic(high, low, close, lookback=lookback)
    turned_k, turned_d = stochastic(-low, -high, -close, lookback=lookback)
    np.testing.assert_allclose(turned_k, 100.0 - k, atol=1e-12)
    np.testing.assert_allclose(turned_d, 100.0 - d, atol=1e-12)
    np.testing.assert_array_equal(
        cci(-high, -low, -close, lookback=lookback), -cci(high, low, close, lookback=lookback)
    )


@given(exponent=st.integers(-40, 40), seed=st.integers(0, 99))
@any_prices
def test_another_unit_of_price_changes_no_bit(exponent: int, seed: int) -> None:
    bars = example_bars(120, seed)
    prices = [bars[name] for name in ("high", "low", "close")]
    others = [series * 2.0**exponent for series in prices]
    np.testing.assert_array_equal(stochastic(*others), stochastic(*prices))
    np.testing.assert_array_equal(williams_r(*others), williams_r(*prices))
    np.testing.assert_array_equal(cci(*others), cci(*prices))


@given(close=arrays(np.float64, 60, elements=st.floats(1.0, 1e6)), lookback=st.integers(2, 12))
@any_prices
def test_cci_is_bounded_by_the_length_of_its_window(close: FloatArray, lookback: int) -> None:
    # One value far off: its distance is (n - 1) / n, the mean absolute one 2 (n - 1) / n^2.
    ours = known(cci(close, close, close, lookback=lookback, scale=1.0))
    assert (np.abs(ours) <= lookback / 2 * (1.0 + 1e-6)).all()


def test_a_bad_tick_is_gone_with_its_window() -> None:
    close = 100.0 + np.random.default_rng(6).normal(0.0, 0.01, 90)
    close[40] = 1e15
    for compute in (
        lambda c: stochastic(c, c, c, lookback=10, smooth_k=3, smooth_d=3).d,
        lambda c: williams_r(c, c, c, lookback=14),
        lambda c: cci(c, c, c, lookback=14),
    ):
        np.testing.assert_allclose(compute(close)[-30:], compute(close[45:])[-30:], rtol=1e-9, atol=1e-9)


def test_equal_cents_in_another_order_are_a_flat_window() -> None:
    high, low, close = [2.14, 2.09] * 4, [2.01, 2.04] * 4, [2.06, 2.08] * 4  # one typical price, two sums
    assert cci(high, low, close, lookback=2).tolist()[1:] == [0.0] * 7
    assert cci(high, low, close, lookback=4).tolist()[3:] == [0.0] * 5
