"""Window sums do not drift, and forget what has left the window."""

import math

import numpy as np
import pytest

from fluxhero.kernels.decorator import is_compiling
from fluxhero.kernels.indicators.bollinger import bollinger
from fluxhero.kernels.indicators.kama import efficiency_ratio
from fluxhero.kernels.indicators.linear_regression import linear_regression
from fluxhero.kernels.indicators.sma import sma
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.indicators.means import (
    efficiency_ratio_oracle,
    linear_regression_oracle,
    sma_oracle,
)
from fluxhero.tests.oracles.indicators.volatility import bollinger_oracle

N_BARS = 1_000_000 if is_compiling() else 5_000
LOOKBACK = 50


@pytest.fixture(scope="module")
def long_walk() -> FloatArray:
    steps = np.random.default_rng(5).normal(0.0, 1e-3, N_BARS)
    return np.round(100.0 * np.exp(np.cumsum(steps)), 4)


def last(values: FloatArray, n_values: int = LOOKBACK) -> list[float]:
    found: list[float] = values[-n_values:].tolist()
    return found


def test_mean_of_a_million_bars_is_exact(long_walk: FloatArray) -> None:
    (exact,) = sma_oracle(last(long_walk), LOOKBACK)
    assert sma(long_walk, lookback=LOOKBACK)[-1] == pytest.approx(exact[-1], rel=1e-14)


def test_deviation_of_a_million_bars_is_exact(long_walk: FloatArray) -> None:
    bands = bollinger(long_walk, lookback=LOOKBACK, n_std=1.0)
    middle, upper, _ = bollinger_oracle(last(long_walk), LOOKBACK, 1.0)
    assert bands.middle[-1] == pytest.approx(middle[-1], rel=1e-14)
    assert bands.upper[-1] - bands.middle[-1] == pytest.approx(upper[-1] - middle[-1], rel=1e-10)


def test_regression_of_a_million_bars_is_exact(long_walk: FloatArray) -> None:
    line = linear_regression(long_walk, lookback=LOOKBACK)
    slope, r_squared = linear_regression_oracle(last(long_walk), LOOKBACK)
    assert line.slope[-1] == pytest.approx(slope[-1], rel=1e-12)
    assert line.r_squared[-1] == pytest.approx(r_squared[-1], rel=1e-12)


def test_efficiency_ratio_of_a_million_bars_is_exact(long_walk: FloatArray) -> None:
    (exact,) = efficiency_ratio_oracle(last(long_walk, LOOKBACK + 1), LOOKBACK)
    assert efficiency_ratio(long_walk, lookback=LOOKBACK)[-1] == pytest.approx(exact[-1], rel=1e-12)


@pytest.fixture(params=[1e6, 1e12, 1e15])
def after_a_bad_tick(request: pytest.FixtureRequest) -> FloatArray:
    """Small moves behind one impossible price, which has just left every window."""
    values = 100.0 + np.random.default_rng(6).normal(0.0, 0.01, 3 * LOOKBACK)
    values[-LOOKBACK - 1] = request.param
    return values


def test_bad_tick_leaves_no_trace_in_mean_deviation_and_line(after_a_bad_tick: FloatArray) -> None:
    window = last(after_a_bad_tick)
    bands = bollinger(after_a_bad_tick, lookback=LOOKBACK, n_std=1.0)
    middle, upper, _ = bollinger_oracle(window, LOOKBACK, 1.0)
    line = linear_regression(after_a_bad_tick, lookback=LOOKBACK)
    slope, r_squared = linear_regression_oracle(window, LOOKBACK)
    assert sma(after_a_bad_tick, lookback=LOOKBACK)[-1] == pytest.approx(middle[-1], rel=1e-14)
    assert bands.upper[-1] - bands.middle[-1] == pytest.approx(upper[-1] - middle[-1], rel=1e-10)
    assert line.slope[-1] == pytest.approx(slope[-1], rel=1e-11)
    assert line.r_squared[-1] == pytest.approx(r_squared[-1], rel=1e-11)


def test_bad_tick_is_gone_from_the_path_one_window_later(after_a_bad_tick: FloatArray) -> None:
    values = np.concatenate([after_a_bad_tick, after_a_bad_tick[:LOOKBACK]])
    (exact,) = efficiency_ratio_oracle(last(values, LOOKBACK + 1), LOOKBACK)
    assert efficiency_ratio(values, lookback=LOOKBACK)[-1] == pytest.approx(exact[-1], rel=1e-12)


@pytest.mark.parametrize("lookback", [2, 3, 20, 50])
def test_flat_window_after_a_jump_has_no_deviation_and_no_line(lookback: int) -> None:
    values = np.concatenate([np.full(37, 0.1), np.full(200, 1_234.567)])
    flat = 37 + lookback - 1
    bands, line = bollinger(values, lookback=lookback), linear_regression(values, lookback=lookback)
    for exact in (sma(values, lookback=lookback), bands.middle, bands.upper, bands.lower):
        assert (exact[flat:] == 1_234.567).all()
    assert (line.slope[flat:] == 0.0).all()
    assert (line.r_squared[flat:] == 0.0).all()


def test_exact_line_has_its_slope_and_explains_everything() -> None:
    line = linear_regression(10.0 + 0.25 * np.arange(500.0), lookback=50)
    np.testing.assert_allclose(line.slope[49:], 0.25, rtol=1e-14)
    np.testing.assert_allclose(line.r_squared[49:], 1.0, rtol=1e-14)
    assert (line.r_squared[49:] <= 1.0).all()


def test_tail_sums_are_exact_at_every_position_of_a_block(long_walk: FloatArray) -> None:
    values = long_walk[:300]
    means = sma(values, lookback=7)
    for t in range(6, 300):
        assert means[t] == pytest.approx(math.fsum(values[t - 6 : t + 1]) / 7, rel=1e-14)
