"""What holds for any prices: bounds, order, scale, and that old history fades."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fluxhero.kernels.indicators.adx import adx
from fluxhero.kernels.indicators.atr import atr
from fluxhero.kernels.indicators.bollinger import bollinger
from fluxhero.kernels.indicators.ema import ema
from fluxhero.kernels.indicators.kama import efficiency_ratio, kama
from fluxhero.kernels.indicators.linear_regression import linear_regression
from fluxhero.kernels.indicators.previous import previous
from fluxhero.kernels.indicators.rsi import rsi
from fluxhero.kernels.indicators.sma import sma
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.prices import Bars, example_bars

prices = arrays(
    np.float64,
    st.integers(1, 80),
    elements=st.one_of(
        st.floats(1e-3, 1e6), st.integers(1, 10).map(float), st.sampled_from([1e-8, 100.0, 1e9, np.nan])
    ),
)
lookbacks = st.integers(1, 12)
any_prices = settings(max_examples=40, deadline=None)


def bars_around(close: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """High, low and close of bars that opened at the close before."""
    before = np.concatenate([close[:1], close[:-1]])
    return np.fmax(close, before) * 1.01, np.fmin(close, before) * 0.99, close


def known(values: FloatArray) -> FloatArray:
    found: FloatArray = values[~np.isnan(values)]
    return found


def within(values: FloatArray, low: float, high: float) -> bool:
    return bool(((known(values) >= low) & (known(values) <= high)).all())


@given(close=prices, lookback=lookbacks)
@any_prices
def test_oscillators_stay_in_their_bounds(close: FloatArray, lookback: int) -> None:
    assert within(rsi(close, lookback=lookback), 0.0, 100.0)
    assert within(efficiency_ratio(close, lookback=lookback), 0.0, 1.0)
    assert within(linear_regression(close, lookback=lookback + 1).r_squared, 0.0, 1.0)
    for index in adx(*bars_around(close), lookback=lookback):
        assert within(index, 0.0, 100.0)


@given(close=prices, lookback=lookbacks)
@any_prices
def test_mean_lies_between_the_window_s_lowest_and_highest(close: FloatArray, lookback: int) -> None:
    compact = known(close)
    means = known(sma(close, lookback=lookback))
    for t, mean in enumerate(means):
        window = compact[t : t + lookback]
        rounding = 1e-12 * window.max()
        assert window.min() - rounding <= mean <= window.max() + rounding


@given(close=prices, lookback=lookbacks)
@any_prices
def test_averages_lie_between_the_lowest_and_highest_price(close: FloatArray, lookback: int) -> None:
    if known(close).size:
        rounding = 1e-12 * np.nanmax(close)
        low, high = np.nanmin(close) - rounding, np.nanmax(close) + rounding
        assert within(ema(close, lookback=lookback), low, high)
        assert within(kama(close, lookback=lookback), low, high)


@given(close=prices, lookback=lookbacks, n_std=st.floats(0.0, 5.0))
@any_prices
def test_bands_are_ordered(close: FloatArray, lookback: int, n_std: float) -> None:
    bands = bollinger(close, lookback=lookback, n_std=n_std)
    assert (known(bands.lower) <= known(bands.middle)).all()
    assert (known(bands.middle) <= known(bands.upper)).all()


@given(close=prices, lookback=lookbacks)
@any_prices
def test_true_range_is_never_negative(close: FloatArray, lookback: int) -> None:
    assert within(atr(*bars_around(close), lookback=lookback), 0.0, np.inf)


SCALED: dict[str, Callable[[Bars], FloatArray]] = {
    "sma": lambda bars: sma(bars["close"]),
    "ema": lambda bars: ema(bars["close"]),
    "kama": lambda bars: kama(bars["close"]),
    "previous": lambda bars: previous(bars["close"]),
    "atr": lambda bars: atr(bars["high"], bars["low"], bars["close"]),
    "bollinger": lambda bars: np.array(bollinger(bars["close"])),
    "slope": lambda bars: linear_regression(bars["close"]).slope,
}
UNSCALED: dict[str, Callable[[Bars], FloatArray]] = {
    "rsi": lambda bars: rsi(bars["close"]),
    "efficiency_ratio": lambda bars: efficiency_ratio(bars["close"]),
    "r_squared": lambda bars: linear_regression(bars["close"]).r_squared,
    "adx": lambda bars: np.array(adx(bars["high"], bars["low"], bars["close"])),
}


def scaled(bars: Bars, factor: float) -> Bars:
    return {name: series * factor for name, series in bars.items()}


@given(exponent=st.integers(-40, 40), seed=st.integers(0, 99))
@any_prices
def test_scaling_prices_by_a_power_of_two_scales_to_the_bit(exponent: int, seed: int) -> None:
    bars, factor = example_bars(120, seed), 2.0**exponent
    for compute in SCALED.values():
        np.testing.assert_array_equal(compute(scaled(bars, factor)), compute(bars) * factor)
    for compute in UNSCALED.values():
        np.testing.assert_array_equal(compute(scaled(bars, factor)), compute(bars))


@given(factor=st.floats(1e-6, 1e6), seed=st.integers(0, 99))
@any_prices
def test_scaling_prices_scales_prices_and_leaves_ratios(factor: float, seed: int) -> None:
    bars = example_bars(120, seed)
    for compute in SCALED.values():
        rounding = 1e-11 * factor * bars["close"].max()
        np.testing.assert_allclose(compute(scaled(bars, factor)), compute(bars) * factor, atol=rounding)
    for name in ("rsi", "efficiency_ratio"):  # not the ADX: rounding breaks ties between its two sides
        compute = UNSCALED[name]
        np.testing.assert_allclose(compute(scaled(bars, factor)), compute(bars), rtol=1e-9, atol=1e-9)


@given(seed=st.integers(0, 99))
@any_prices
def test_mirrored_prices_swap_the_sides(seed: int) -> None:
    bars = {name: np.round(series * 64.0) / 64.0 for name, series in example_bars(120, seed).items()}
    high, low, close = 300.0 - bars["low"], 300.0 - bars["high"], 300.0 - bars["close"]  # exact in 64ths
    ours, mirrored = adx(bars["high"], bars["low"], bars["close"]), adx(high, low, close)
    np.testing.assert_allclose(mirrored.plus_di, ours.minus_di, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(mirrored.adx, ours.adx, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(rsi(close), 100.0 - rsi(bars["close"]), atol=1e-9)
    np.testing.assert_allclose(
        linear_regression(close).slope, -linear_regression(bars["close"]).slope, atol=1e-9
    )


@pytest.mark.parametrize("name", [*SCALED, *UNSCALED])
def test_longer_history_does_not_move_the_last_value(name: str) -> None:
    compute = (SCALED | UNSCALED)[name]
    bars = example_bars(2_000)
    longer = compute(bars)[..., -1]
    shorter = compute({field: series[-1_200:] for field, series in bars.items()})[..., -1]
    np.testing.assert_allclose(shorter, longer, rtol=1e-9)
