"""Statistics of windows against values of others, and what holds for any values."""

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fluxhero.kernels.decorator import is_compiling
from fluxhero.kernels.indicators.bollinger import bollinger
from fluxhero.kernels.indicators.correlation import beta, correlation
from fluxhero.kernels.indicators.distribution import kurtosis, skewness
from fluxhero.kernels.indicators.rolling_extremes import rolling_max, rolling_min
from fluxhero.kernels.indicators.rolling_rank import rolling_median, rolling_rank
from fluxhero.kernels.indicators.rolling_std import rolling_std
from fluxhero.kernels.indicators.z_score import z_score
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.indicators.windows import (
    beta_oracle,
    correlation_oracle,
    kurtosis_oracle,
    rolling_std_oracle,
    skewness_oracle,
    z_score_oracle,
)
from fluxhero.tests.oracles.prices import REAL_FILES, data_folder, example_bars, real_bars

N_REAL_BARS = None if is_compiling() else 2_000
LOOKBACK = 50


def returns_of(name: str) -> FloatArray:
    return np.diff(np.log(real_bars(name, N_REAL_BARS)["close"]))


def reference(name: str) -> pd.DataFrame:
    frame: pd.DataFrame = pd.read_csv(data_folder() / "indicator_reference" / "lean" / name)
    return frame


def test_deviation_of_the_book_by_achelis() -> None:
    text = (data_folder() / "indicator_reference" / "tulip_atoz_excerpt.txt").read_text()
    found = re.search(r"^stddev 5\n.*\n\{(.*)\}\n\{(.*)\}", text, flags=re.MULTILINE)
    assert found
    values, expected = (np.array(numbers.split(","), dtype=np.float64) for numbers in found.groups())
    np.testing.assert_allclose(rolling_std(values, lookback=5)[4:], expected, atol=6e-5)


def test_extremes_of_lean() -> None:
    highest, lowest = reference("spy_max.txt"), reference("spy_min.txt")
    np.testing.assert_allclose(rolling_max(highest["Close"], lookback=5), highest["MAX_5"], rtol=1e-12)
    np.testing.assert_allclose(rolling_min(lowest["Close"], lookback=5), lowest["MIN_5"], rtol=1e-12)


@pytest.mark.parametrize("source", REAL_FILES)
@pytest.mark.parametrize("lookback", [5, 60, 250])
def test_correlation_of_returns_agrees_with_talib(source: str, lookback: int) -> None:
    returns = returns_of(source)
    before, after = returns[:-1].copy(), returns[1:].copy()
    for x, y in ((before, after), (after, before + after)):
        ours, theirs = correlation(x, y, lookback=lookback), talib.CORREL(x, y, lookback)
        known = np.isfinite(theirs) & (np.abs(theirs) <= 1.0)  # TA-Lib leaves the range on flat stretches
        assert known.mean() > 0.8
        flat = (rolling_std(x, lookback=lookback) < 1e-6) | (rolling_std(y, lookback=lookback) < 1e-6)
        np.testing.assert_allclose(ours[known & ~flat], theirs[known & ~flat], atol=1e-9)


@pytest.mark.parametrize("source", REAL_FILES)
def test_shape_and_rank_agree_with_pandas(source: str) -> None:
    returns = returns_of(source)[:5_000]
    n, window = 60, pd.Series(returns).rolling(60)
    moved = rolling_std(returns, lookback=n) > 1e-5
    unbiased = skewness(returns, lookback=n) * np.sqrt(n * (n - 1)) / (n - 2)
    np.testing.assert_allclose(unbiased[moved], window.skew()[moved], rtol=1e-6, atol=1e-6)
    excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * kurtosis(returns, lookback=n) + 6)
    np.testing.assert_allclose(excess[moved], window.kurt()[moved], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        rolling_rank(returns, lookback=n), (n * window.rank(pct=True) - 1) / (n - 1), atol=1e-14
    )
    np.testing.assert_allclose(rolling_median(returns, lookback=n), window.median(), atol=1e-18)


def test_z_score_is_the_place_within_bands_of_one_deviation() -> None:
    close = example_bars(300)["close"]
    bands = bollinger(close, n_std=1.0)
    moved = bands.upper > bands.middle
    place = (close - bands.middle)[moved] / (bands.upper - bands.middle)[moved]
    np.testing.assert_allclose(z_score(close)[moved], place, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("lookback", [2, 3, 20, 61])
def test_series_correlates_with_itself_and_its_mirror(lookback: int) -> None:
    x = np.random.default_rng(1).normal(100.0, 1.0, 300)
    for y, sign in ((x, 1.0), (-x, -1.0), (3.0 * x + 7.0, 1.0)):
        found = correlation(x, y, lookback=lookback)[lookback - 1 :]
        np.testing.assert_allclose(found, sign, rtol=1e-11)
        assert (np.abs(found) <= 1.0).all()


def test_beta_is_the_slope_of_a_line() -> None:
    x = np.random.default_rng(1).normal(0.0, 1.0, 200)
    np.testing.assert_allclose(beta(x, 3.0 * x - 7.0, lookback=20)[19:], 3.0, rtol=1e-12)


def test_beta_is_the_correlation_times_the_ratio_of_deviations() -> None:
    x, y = np.random.default_rng(2).normal(0.0, 1.0, (2, 300))
    ratio = rolling_std(y, lookback=30) / rolling_std(x, lookback=30)
    np.testing.assert_allclose(
        beta(x, y, lookback=30), correlation(x, y, lookback=30) * ratio, rtol=1e-9, atol=1e-12
    )


def test_what_does_not_move_correlates_with_nothing() -> None:
    x, flat = np.random.default_rng(3).normal(0.0, 1.0, 100), np.full(100, 0.1)
    assert (correlation(x, flat, lookback=10)[9:] == 0.0).all()
    assert (correlation(flat, x, lookback=10)[9:] == 0.0).all()
    assert (beta(flat, x, lookback=10)[9:] == 0.0).all()
    assert (beta(x, flat, lookback=10)[9:] == 0.0).all()


def test_series_of_opposite_scales_correlate_as_at_home() -> None:
    x, y = np.random.default_rng(4).normal(0.0, 1.0, (2, 200))
    huge, tiny = 2.0**470, 2.0**-470
    expected = correlation(x, y)
    for a, b in ((huge, tiny), (tiny, huge), (huge, huge), (tiny, tiny)):
        np.testing.assert_array_equal(correlation(x * a, y * b), expected)
    np.testing.assert_array_equal(beta(x * huge, y * tiny), beta(x, y) * tiny * tiny)


# 2^232 and 2^233 lie around 1e70, beyond which the sums of fourth powers are shrunk inside a block.
@pytest.mark.parametrize("exponent", [-200, -30, 100, 231, 232, 233, 300, 470])
def test_shape_has_no_scale_to_the_bit(exponent: int) -> None:
    values = np.random.default_rng(5).normal(0.0, 1.0, 300)
    for shape in (skewness, kurtosis):
        for lookback in (2, 7, 60):
            scaled = shape(values * 2.0**exponent, lookback=lookback)
            np.testing.assert_array_equal(scaled, shape(values, lookback=lookback))


STATISTICS: dict[str, tuple[Callable[..., FloatArray], Callable[..., tuple[list[float], ...]]]] = {
    "rolling_std": (rolling_std, rolling_std_oracle),
    "z_score": (z_score, z_score_oracle),
    "skewness": (skewness, skewness_oracle),
    "kurtosis": (kurtosis, kurtosis_oracle),
}


def exact_last(oracle: Callable[..., tuple[list[float], ...]], lookback: int, *series: FloatArray) -> float:
    """Last value in 80 bits."""
    return float(oracle(*[[np.longdouble(v) for v in s[-lookback:]] for s in series], lookback)[0][-1])


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("bad", [1e6, 1e12, 1e15, 1e75])
def test_bad_tick_leaves_no_trace(name: str, bad: float) -> None:
    compute, oracle = STATISTICS[name]
    values = 100.0 + np.random.default_rng(6).normal(0.0, 0.01, 4 * LOOKBACK)
    values[-2 * LOOKBACK] = bad  # begins a block, and is its reference value
    assert compute(values, lookback=LOOKBACK)[-1] == pytest.approx(
        exact_last(oracle, LOOKBACK, values), rel=1e-10, abs=1e-12
    )


@pytest.mark.parametrize(("compute", "oracle"), [(correlation, correlation_oracle), (beta, beta_oracle)])
def test_bad_tick_leaves_no_trace_in_pairs(compute: Callable[..., FloatArray], oracle: Callable) -> None:
    x, y = 100.0 + np.random.default_rng(6).normal(0.0, 0.01, (2, 4 * LOOKBACK))
    x[-LOOKBACK - 1], y[-LOOKBACK - 7] = 1e12, 1e15
    exact = exact_last(oracle, LOOKBACK, x, y)
    assert compute(x, y, lookback=LOOKBACK)[-1] == pytest.approx(exact, rel=1e-10)


LEVELS = {
    "high level": lambda rng, n: 1e8 + rng.normal(0.0, 1e-3, n),
    "trend": lambda rng, n: np.arange(float(n)) + rng.normal(0.0, 0.1, n),
    "heavy tails": lambda rng, n: np.exp(rng.normal(0.0, 3.0, n)),
    "bad ticks": lambda rng, n: np.where(np.arange(n) % 97 == 0, 1e7, 100.0 + rng.normal(0.0, 0.1, n)),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", STATISTICS)
def test_error_stays_small_wherever_values_lie(name: str, level: str) -> None:
    compute, oracle = STATISTICS[name]
    n_bars = 1_000_000 if is_compiling() else 3_000
    values = LEVELS[level](np.random.default_rng(8), n_bars)
    for lookback in (60, 1_000):
        outputs = compute(values, lookback=lookback)
        size = np.nanmax(np.abs(outputs))
        for stop in range(n_bars - 97, n_bars, 8):
            exact = exact_last(oracle, lookback, values[: stop + 1])
            assert abs(outputs[stop] - exact) <= 1e-12 * size + 1e-13


values_of_any_kind = arrays(
    np.float64,
    st.integers(1, 60),
    elements=st.one_of(st.floats(-1e6, 1e6), st.integers(-3, 3).map(float), st.sampled_from([1e-160, 1e140])),
)


@given(values=values_of_any_kind, lookback=st.integers(2, 12), seed=st.integers(0, 9))
def test_statistics_stay_in_their_bounds(values: FloatArray, lookback: int, seed: int) -> None:
    at = partial(lambda compute, *series: compute(*series, lookback=lookback)[lookback - 1 :])
    slack = 1.0 + 1e-9
    assert (at(rolling_std, values) >= 0.0).all()
    assert (np.abs(at(z_score, values)) <= np.sqrt(lookback - 1.0) * slack).all()
    assert (np.abs(at(correlation, values, np.random.default_rng(seed).permutation(values))) <= 1.0).all()
    rank, median = at(rolling_rank, values), at(rolling_median, values)
    assert ((rank >= 0.0) & (rank <= 1.0)).all()
    assert ((at(rolling_min, values) <= median) & (median <= at(rolling_max, values))).all()
    skew, excess = at(skewness, values), at(kurtosis, values)
    flat = (skew == 0.0) & (excess == 0.0)
    assert (flat | (excess + 3.0 <= lookback * slack)).all()
    assert (flat | (skew**2 + 1.0 <= (excess + 3.0) * slack)).all()  # Pearson's inequality
