"""True range, realised volatility, spikes of it, and the spread that ranges give away."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxhero.kernels.indicators.atr import atr
from fluxhero.kernels.indicators.realised_volatility import (
    garman_klass,
    parkinson,
    realised_volatility,
    rogers_satchell,
)
from fluxhero.kernels.indicators.spread_estimate import corwin_schultz
from fluxhero.kernels.indicators.true_range import normalised_atr, true_range
from fluxhero.kernels.indicators.volatility_spike import volatility_spike
from fluxhero.kernels.indicators.yang_zhang import yang_zhang
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.prices import Bars, data_folder, example_bars, real_bars

# A bar that opens at 100, trades from 98 to 104 and closes at 101, behind one that closes at 99.
BEFORE, BAR = (99.0, 99.0, 99.0, 99.0), (100.0, 104.0, 98.0, 101.0)

ESTIMATORS: dict[str, Callable[..., FloatArray]] = {
    "realised_volatility": lambda bars, **params: realised_volatility(bars["close"], **params),
    "parkinson": lambda bars, **params: parkinson(bars["high"], bars["low"], **params),
    "garman_klass": lambda bars, **params: garman_klass(*fields(bars), **params),
    "rogers_satchell": lambda bars, **params: rogers_satchell(*fields(bars), **params),
    "yang_zhang": lambda bars, **params: yang_zhang(*fields(bars), **params),
}


def fields(bars: Bars) -> list[FloatArray]:
    return [bars[name] for name in ("open", "high", "low", "close")]


def walk(n_bars: int, drift: float = 0.0, overnight: float = 0.0, seed: int = 5) -> Bars:
    """Bars of 400 moves, 1% volatility and `drift` each, behind gaps of volatility `overnight`."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(drift / 400, 0.01 / 20, (n_bars, 400))
    path = np.concatenate([np.zeros((n_bars, 1)), np.cumsum(moves, axis=1)], axis=1)
    start = np.cumsum(np.concatenate([[0.0], path[:-1, -1]]) + overnight * rng.normal(size=n_bars))
    prices = 100.0 * np.exp(start[:, None] + path)
    return {
        "open": prices[:, 0].copy(),
        "high": prices.max(axis=1),
        "low": prices.min(axis=1),
        "close": prices[:, -1].copy(),
    }


def test_true_range_of_the_published_sheets() -> None:
    sheet = pd.read_csv(data_folder() / "indicator_reference" / "ta" / "cs-atr.csv")
    ranges = true_range(sheet["High"], sheet["Low"], sheet["Close"])
    np.testing.assert_allclose(ranges[1:], sheet["TR"][1:], atol=1e-9)

    lines = (data_folder() / "indicator_reference" / "tulip_atoz_excerpt.txt").read_text().splitlines()
    start = lines.index("tr")
    columns = [
        np.array(line.strip("{}").split(","), dtype=np.float64) for line in lines[start + 2 : start + 6]
    ]
    np.testing.assert_allclose(true_range(*columns[:3])[1:], columns[3][1:], atol=1.01e-4)


def test_true_range_reaches_across_gaps_in_price_and_in_the_data() -> None:
    high, low, close = [10.0, 13.0, np.nan, 9.0], [9.0, 12.0, 11.0, 8.0], [9.5, 12.5, 11.0, 8.5]
    np.testing.assert_array_equal(true_range(high, low, close), [np.nan, 3.5, np.nan, 4.5])


def test_normalised_atr_of_one_bar_is_a_percentage_too() -> None:
    np.testing.assert_allclose(normalised_atr([9, 12], [8, 10], [8, 10], lookback=1), [np.nan, 40.0])


def test_a_close_of_zero_or_less_is_unknown_to_the_normalised_atr() -> None:
    bars = example_bars(60)
    high, low, close = bars["high"], bars["low"], bars["close"].copy()
    close[[20, 40]] = 0.0, -3.0
    kept = close > 0.0
    whole = normalised_atr(high, low, close)
    assert np.isnan(whole[~kept]).all()
    np.testing.assert_array_equal(whole[kept], normalised_atr(high[kept], low[kept], close[kept]))


def test_realised_volatility_is_what_pandas_says() -> None:
    close = real_bars("BTC hourly", 3_000)["close"]
    returns = np.log(pd.Series(close)).diff()
    expected = returns.rolling(24).std() * np.sqrt(8_760)
    np.testing.assert_allclose(
        realised_volatility(close, lookback=24, bars_per_year=8_760.0), expected, rtol=1e-6
    )


def test_volatilities_of_one_bar_worked_by_hand() -> None:
    bars = [[value] for value in BAR]
    reach, up, down, move = math.log(104 / 98), math.log(1.04), math.log(0.98), math.log(1.01)
    expected = {
        parkinson(*bars[1:3], lookback=1)[0]: reach**2 / (4 * math.log(2)),
        garman_klass(*bars, lookback=1)[0]: reach**2 / 2 - (2 * math.log(2) - 1) * move**2,
        rogers_satchell(*bars, lookback=1)[0]: up * (up - move) + down * (down - move),
    }
    for ours, variance in expected.items():
        assert ours == pytest.approx(math.sqrt(variance), rel=1e-12)


def test_yang_zhang_worked_by_hand() -> None:
    bars = [list(values) for values in zip(BEFORE, BAR, BEFORE, strict=True)]
    gaps, moves = [math.log(100 / 99), math.log(99 / 101)], [math.log(1.01), 0.0]
    k = 0.34 / (1.34 + 3.0)
    up, down, move = math.log(1.04), math.log(0.98), math.log(1.01)
    within = (up * (up - move) + down * (down - move) + 0.0) / 2
    variance = (gaps[0] - gaps[1]) ** 2 / 2 + k * (moves[0] - moves[1]) ** 2 / 2 + (1 - k) * within
    assert yang_zhang(*bars, lookback=2)[2] == pytest.approx(math.sqrt(variance), rel=1e-12)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_bars_per_year_multiply_the_variance(name: str) -> None:
    per_bar, per_year = (ESTIMATORS[name](example_bars(90), bars_per_year=n) for n in (1.0, 252.0))
    np.testing.assert_allclose(per_year, per_bar * math.sqrt(252.0), rtol=1e-12)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_volatility_of_a_random_walk_is_recovered(name: str) -> None:
    volatility = ESTIMATORS[name](walk(800), lookback=600)[-1]
    assert volatility == pytest.approx(0.01, rel=0.08)  # ranges of 400 moves miss the true extremes: too low


def test_drift_does_not_move_what_promises_so() -> None:
    still, rising = walk(800), walk(800, drift=0.02)
    for name, error in {"rogers_satchell": 0.08, "yang_zhang": 0.08}.items():
        calm, steep = (ESTIMATORS[name](bars, lookback=600)[-1] for bars in (still, rising))
        assert steep == pytest.approx(calm, rel=error)
    assert ESTIMATORS["parkinson"](rising, lookback=600)[-1] > 0.012


def test_gaps_are_seen_by_yang_and_zhang() -> None:
    bars = walk(800, overnight=0.01)
    assert ESTIMATORS["yang_zhang"](bars, lookback=600)[-1] == pytest.approx(0.01 * 2**0.5, rel=0.08)
    assert ESTIMATORS["realised_volatility"](bars, lookback=600)[-1] == pytest.approx(0.01 * 2**0.5, rel=0.08)
    assert ESTIMATORS["rogers_satchell"](bars, lookback=600)[-1] == pytest.approx(0.01, rel=0.08)


def test_ranges_are_more_precise_than_closes() -> None:
    bars = walk(2_000)
    scatter = {
        name: np.nanvar(compute(bars, lookback=10)[10::10] ** 2) for name, compute in ESTIMATORS.items()
    }
    close = scatter["realised_volatility"]
    assert close / scatter["parkinson"] > 3.0  # 5 with continuous trading, and 10 instead of 9 degrees
    assert close / scatter["garman_klass"] > 4.5  # 7.4
    assert close / scatter["rogers_satchell"] > 3.5  # 6
    assert close / scatter["yang_zhang"] > 3.5


def test_bars_that_close_outside_their_range_give_no_negative_variance() -> None:
    crossed = [np.full(30, price) for price in (100.0, 101.0, 100.0, 130.0)]
    assert (garman_klass(*crossed, lookback=5)[4:] == 0.0).all()
    inside_out = [np.full(30, price) for price in (100.0, 101.0, 100.0, 103.0)]
    assert (rogers_satchell(*inside_out, lookback=5)[4:] == 0.0).all()
    assert np.isfinite(yang_zhang(*inside_out, lookback=5)[5:]).all()


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_prices_of_zero_or_less_are_unknown(name: str, bad: float) -> None:
    bars = example_bars(60)
    broken = {field: np.where(np.arange(60) == 30, bad, series) for field, series in bars.items()}
    volatility = ESTIMATORS[name](broken, lookback=5)
    assert np.isnan(volatility[30])
    without = {field: np.delete(series, 30) for field, series in bars.items()}
    np.testing.assert_array_equal(np.delete(volatility, 30), ESTIMATORS[name](without, lookback=5))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_price_that_jumps_by_hundreds_of_orders_stays_a_number(name: str) -> None:
    jump = np.repeat([1e-300, 1e140, 1e-300], 10)
    bars = {"open": jump, "high": np.roll(jump, 3), "low": jump, "close": jump}
    assert np.isfinite(ESTIMATORS[name](bars, lookback=4)[4:]).all()


@given(exponent=st.integers(-40, 40), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_scaling_prices_leaves_volatilities_to_the_bit(exponent: int, seed: int) -> None:
    bars = example_bars(60, seed)
    scaled = {field: series * 2.0**exponent for field, series in bars.items()}
    for compute in ESTIMATORS.values():
        np.testing.assert_array_equal(compute(scaled), compute(bars))
    spread, spread_scaled = (
        corwin_schultz(b["high"], b["low"], b["close"], lookback=5) for b in (bars, scaled)
    )
    np.testing.assert_array_equal(spread_scaled.corwin_schultz, spread.corwin_schultz)
    np.testing.assert_array_equal(spread_scaled.spread_estimate, spread.spread_estimate * 2.0**exponent)


def test_a_small_return_keeps_its_digits() -> None:
    close = [1.0, 1.0 + 2.0**-40, 1.0]
    expected = 2.0**-40 * math.sqrt(2.0)  # returns of this size, once up and once down
    assert realised_volatility(close, lookback=2)[2] == pytest.approx(expected, rel=1e-11)


def minutes(volatility: float, n: int, seed: int, fall_at: int | None = None) -> Bars:
    """One-minute bars; from minute `fall_at` on the price falls by 5% within two of them."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0.0, volatility, n)
    if fall_at is not None:
        moves[fall_at : fall_at + 2] += math.log(0.95) / 2
    close = 100.0 * np.exp(np.cumsum(moves))
    before = np.concatenate([[100.0], close[:-1]])
    wicks = np.abs(rng.normal(0.0, 0.3 * volatility, (2, n)))
    high, low = np.maximum(before, close) * (1.0 + wicks[0]), np.minimum(before, close) * (1.0 - wicks[1])
    return {"open": before, "high": high, "low": low, "close": close}


def spike_inputs(bars: Bars, lookback: int) -> tuple[FloatArray, FloatArray]:
    """ATR of 5-minute bars, and of the last hour that was complete at the close of each."""
    by_bars = []
    for length, n in ((5, lookback), (60, 14)):
        high, low, close = (bars[field].reshape(-1, length) for field in ("high", "low", "close"))
        by_bars.append(atr(high.max(axis=1), low.min(axis=1), close[:, -1], lookback=n))
    fast, slow = by_bars
    hour = (np.arange(fast.size) + 1) // 12 - 1
    return fast, np.where(hour < 0, np.nan, slow[hour])


FALLS = [(10, 2e-4), (10, 3.5e-4), (5, 5e-4), (5, 1.5e-3)]  # ATR lookback, volatility of a minute


@pytest.mark.parametrize(("lookback", "volatility"), FALLS)
def test_a_fall_of_5_percent_in_2_minutes_is_a_spike_by_default(lookback: int, volatility: float) -> None:
    for seed in range(12):
        fall_at = 1_500 + 7 * seed  # some fall across the border of two bars, some across that of an hour
        fast, slow = spike_inputs(minutes(volatility, 1_800, seed, fall_at), lookback)
        spike, ratio = volatility_spike(fast, slow)
        bar = (fall_at + 1) // 5  # in which the fall ends
        assert spike[bar] == 1.0
        assert ratio[bar] > 2.0


@pytest.mark.parametrize(("lookback", "volatility"), FALLS)
def test_a_quiet_market_has_no_spike_by_default(lookback: int, volatility: float) -> None:
    spike, ratio = volatility_spike(*spike_inputs(minutes(volatility, 14_400, 3), lookback))
    known = ~np.isnan(spike)
    assert known.sum() > 2_000
    assert not spike[known].any()
    assert 0.8 < np.median(ratio[known]) < 1.1


def test_the_raw_comparison_misses_the_fall_at_usual_volatility() -> None:
    for lookback, volatility in ((10, 5e-4), (5, 1e-3)):
        inputs = spike_inputs(minutes(volatility, 1_800, 1, 1_502), lookback)
        assert not np.nan_to_num(volatility_spike(*inputs, scale=1.0).spike).any()
        assert np.nan_to_num(volatility_spike(*inputs).spike).any()


def test_spike_where_nothing_moved_before() -> None:
    result = volatility_spike([0.0, 0.1, 0.0, 1.0], [0.0, 0.0, 1.0, 1e-9], scale=1.0)
    assert result.spike.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert result.ratio.tolist() == [0.0, 1e6, 0.0, 1e6]


def test_a_ratio_at_the_threshold_is_no_spike() -> None:
    assert volatility_spike([1.0, 1.0], [0.5, 0.4999], scale=1.0).spike.tolist() == [0.0, 1.0]


def test_bars_that_only_bounce_between_bid_and_ask_give_the_spread() -> None:
    estimate = corwin_schultz([101.0] * 4, [99.0] * 4, [101.0, 99.0, 101.0, 99.0], lookback=2)
    np.testing.assert_allclose(estimate.corwin_schultz[2:], 2.0 / 100.0, rtol=1e-12)
    np.testing.assert_allclose(estimate.spread_estimate[2:], [2.02, 1.98], rtol=1e-12)


def test_a_move_between_bars_is_no_spread() -> None:
    """The same two bars, once with the second one 10 above the close of the first, once just at it."""
    apart = corwin_schultz([101.0, 113.0], [99.0, 111.0], [101.0, 112.0], lookback=1)
    touching = corwin_schultz([101.0, 103.0], [99.0, 101.0], [101.0, 102.0], lookback=1)
    assert apart.corwin_schultz[1] == touching.corwin_schultz[1]
    below = corwin_schultz([101.0, 89.0], [99.0, 87.0], [99.0, 88.0], lookback=1)
    level = corwin_schultz([101.0, 99.0], [99.0, 97.0], [99.0, 98.0], lookback=1)
    assert below.corwin_schultz[1] == level.corwin_schultz[1]


def test_a_trend_gives_no_negative_spread() -> None:
    start = np.arange(100.0, 130.0)
    assert (corwin_schultz(start + 1.0, start, start + 0.5, lookback=1).corwin_schultz[1:] == 0.0).all()


def test_the_spread_of_a_quoted_walk_is_recovered() -> None:
    rng = np.random.default_rng(2)
    middle = np.exp(np.cumsum(rng.normal(0.0, 0.005 / 20, (1_000, 400)), axis=None)).reshape(1_000, 400)
    for spread in (0.01, 0.02):
        prints = 100.0 * middle * (1.0 + spread / 2 * rng.choice([-1.0, 1.0], middle.shape))
        high, low, close = prints.max(axis=1), prints.min(axis=1), prints[:, -1].copy()
        estimate = corwin_schultz(high, low, close, lookback=999)
        assert estimate.corwin_schultz[-1] == pytest.approx(spread, rel=0.1)


def test_a_bar_whose_high_lies_below_its_low_is_unknown_to_the_spread() -> None:
    estimate = corwin_schultz([101.0, 98.0, 101.0], [99.0, 99.0, 99.0], [100.0] * 3, lookback=1)
    assert np.isnan(estimate.corwin_schultz[:2]).all()
    np.testing.assert_allclose(estimate.corwin_schultz[2], 0.02, rtol=1e-12)
