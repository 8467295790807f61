"""Weighted means, changes over time and channels: worked examples, values by others, and what must hold."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fluxhero.kernels.decorator import is_compiling
from fluxhero.kernels.indicators.atr import atr
from fluxhero.kernels.indicators.bollinger import bollinger
from fluxhero.kernels.indicators.channels import donchian, keltner
from fluxhero.kernels.indicators.ema import ema
from fluxhero.kernels.indicators.linear_regression import linear_regression
from fluxhero.kernels.indicators.macd import macd
from fluxhero.kernels.indicators.rate_of_change import log_return, momentum, rate_of_change, simple_return
from fluxhero.kernels.indicators.sma import sma
from fluxhero.kernels.indicators.wilder_mean import wilder_mean
from fluxhero.kernels.indicators.wma import wma
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.indicators.trend import wma_oracle
from fluxhero.tests.oracles.prices import data_folder, example_bars, real_bars


def reference(name: str) -> pd.DataFrame:
    frame: pd.DataFrame = pd.read_csv(data_folder() / "indicator_reference" / Path(name))
    return frame


def prices(n_bars: int = 500) -> FloatArray:
    return example_bars(n_bars, seed=4)["close"]


# Weighted means


def test_wma_weighs_by_a_straight_line() -> None:
    impulse = np.zeros(12)
    impulse[5] = 1.0
    expected = [0.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    np.testing.assert_allclose(10.0 * wma(impulse, lookback=4)[4:10], expected, atol=1e-15)


def test_wma_of_a_line_lags_by_a_third_of_its_length() -> None:
    np.testing.assert_allclose(
        wma(np.arange(100.0), lookback=10)[9:], np.arange(9.0, 100.0) - 3.0, rtol=1e-14
    )


def test_wma_is_the_mean_and_a_part_of_the_slope() -> None:
    close, lookback = prices(), 14
    slope, _ = linear_regression(close, lookback=lookback)
    expected = sma(close, lookback=lookback) + slope * (lookback - 1.0) / 6.0
    np.testing.assert_allclose(wma(close, lookback=lookback), expected, rtol=1e-13)


def test_wma_of_the_sheet() -> None:
    frame = reference("ta/cs-wma.csv")
    np.testing.assert_allclose(wma(frame["Close"], lookback=9)[8:], frame["WMA"][8:], atol=5.1e-5)


@pytest.mark.parametrize("tick", [1e6, 1e12, 1e15])
def test_bad_tick_leaves_no_trace_in_wma(tick: float) -> None:
    values = 100.0 + np.random.default_rng(6).normal(0.0, 0.01, 150)
    values[-51] = tick
    (exact,) = wma_oracle(values[-50:].tolist(), 50)
    assert wma(values, lookback=50)[-1] == pytest.approx(exact[-1], rel=1e-14)


def test_wma_of_a_million_whole_numbers_is_exact() -> None:
    n_bars, lookback = 1_000_000 if is_compiling() else 5_000, 100
    values = np.random.default_rng(7).integers(1, 2**20, n_bars)
    weighted = sum(w * v for w, v in enumerate(values[-lookback:].tolist(), start=1))
    expected = weighted / (lookback * (lookback + 1) // 2)
    assert wma(values, lookback=lookback)[-1] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("lookback", [2, 3, 20, 50])
def test_wma_of_a_flat_window_after_a_jump_is_the_price(lookback: int) -> None:
    values = np.concatenate([np.full(37, 0.1), np.full(200, 1_234.567)])
    assert (wma(values, lookback=lookback)[37 + lookback - 1 :] == 1_234.567).all()


def test_wilder_mean_of_the_tulip_table() -> None:
    closes = "62.125 61.125 62.3438 65.3125 63.9688 63.4375 63 63.7812 63.4062 63.4062 62.4375 61.8438"
    expected = [62.975, 63.0675, 63.054, 63.1995, 63.2408, 63.2739, 63.1066, 62.8540]
    ours = wilder_mean([float(word) for word in closes.split()], lookback=5)
    np.testing.assert_allclose(ours[4:], expected, atol=6e-5)


def test_wilder_mean_of_true_ranges_is_the_average_true_range() -> None:
    bars = example_bars(300)
    high, low, close = bars["high"], bars["low"], bars["close"]
    ranges = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    np.testing.assert_allclose(wilder_mean(ranges), atr(high, low, close)[1:], rtol=1e-12, atol=1e-15)


def test_wilder_mean_is_an_exponential_average_of_almost_twice_the_length() -> None:
    close = prices()
    np.testing.assert_allclose(wilder_mean(close, lookback=5)[200:], ema(close, lookback=9)[200:], rtol=1e-13)


# MACD


def test_macd_is_the_difference_of_two_averages() -> None:
    close = prices()
    difference = ema(close, lookback=5)[300:] - ema(close, lookback=20)[300:]
    lines = macd(close, fast=5, slow=20)
    np.testing.assert_allclose(lines.macd[300:], difference, atol=1e-12)


def test_macd_signal_is_its_average_and_the_histogram_what_lies_between() -> None:
    lines = macd(prices(), signal=9)
    np.testing.assert_allclose(lines.signal[300:], ema(lines.macd[33:], lookback=9)[267:], atol=1e-12)
    np.testing.assert_array_equal(lines.histogram, lines.macd - lines.signal)


def test_macd_of_lean() -> None:
    frame = reference("lean/spy_with_macd.txt")
    for ours, column in zip(macd(frame["Close"]), ("MACD", "Signal", "Histogram"), strict=True):
        first = frame[column].first_valid_index()
        np.testing.assert_allclose(ours[first:], frame[column][first:], atol=1e-5)


def test_macd_of_the_stockcharts_sheet() -> None:
    frame = reference("ta/cs-macd.csv")
    # The sheet begins both averages with the first close, as if it had stood there for ever.
    close = np.concatenate([np.full(1_000, frame["Close"][0]), frame["Close"]])
    lines = macd(close)
    np.testing.assert_allclose(lines.macd[1_001:], frame["MACD_line"][1:], atol=1e-8)
    np.testing.assert_allclose(lines.signal[1_100:], frame["MACD_signal"][100:], atol=1e-6)
    np.testing.assert_allclose(lines.histogram[1_100:], frame["MACD_diff"][100:], atol=1e-6)


def test_macd_stays_exact_on_a_price_far_above_its_moves() -> None:
    moves = np.round(prices(), 2)
    np.testing.assert_allclose(macd(moves + 2.0**30).macd, macd(moves).macd, atol=1e-6)


def test_macd_of_a_halted_stock_never_changes_sign() -> None:
    close = np.concatenate([prices(100), np.full(5_000, 123.45)])
    lines = macd(close)
    assert np.abs(lines.macd[-1]) < 1e-100
    assert len(set(np.sign(lines.macd[200:]))) == 1


def test_macd_of_equal_lengths_is_zero() -> None:
    lines = np.array(macd(prices(), fast=8, slow=8))
    assert (lines[:, 15:] == 0.0).all()


def test_macd_fast_must_not_exceed_slow() -> None:
    with pytest.raises(ValueError, match="`fast` must not exceed `slow`, were 26 and 12"):
        macd(prices(), fast=26, slow=12)


# Changes over time


def test_rate_of_change_of_the_stockcharts_sheet() -> None:
    frame = reference("ta/cs-roc.csv")
    np.testing.assert_allclose(rate_of_change(frame["Close"], lookback=12), frame["ROC"], atol=1e-8)


def test_momentum_of_lean() -> None:
    frame = reference("lean/spy_with_roc50.txt")  # its column says rate of change; it is a difference
    expected = frame["Rate of Change 50"]
    np.testing.assert_allclose(momentum(frame["Close"], lookback=50), expected, atol=2e-5)


def test_rate_of_change_from_zero_is_zero() -> None:
    assert rate_of_change([0.0, 5.0, -0.0, 5.0], lookback=1)[1:].tolist() == [0.0, -100.0, 0.0]


@pytest.mark.parametrize("price", [0.0, -1.0])
def test_returns_pass_over_a_price_that_is_none(price: float) -> None:
    values = [1.0, 2.0, price, 3.0]
    np.testing.assert_array_equal(simple_return(values), [np.nan, 1.0, np.nan, 0.5])
    np.testing.assert_array_equal(log_return(values), [np.nan, math.log(2.0), np.nan, math.log(1.5)])


def test_log_returns_add_up_over_time() -> None:
    close = prices()
    total = np.nansum(log_return(close))
    assert total == pytest.approx(math.log(close[-1] / close[0]), abs=1e-13)
    np.testing.assert_allclose(
        log_return(close, lookback=20)[20:], pd.Series(log_return(close)).rolling(20).sum()[20:], atol=1e-13
    )


def test_the_four_changes_say_the_same() -> None:
    close = prices()
    fraction = simple_return(close, lookback=7)
    np.testing.assert_allclose(rate_of_change(close, lookback=7), 100.0 * fraction, rtol=1e-14)
    np.testing.assert_allclose(np.expm1(log_return(close, lookback=7)), fraction, atol=1e-14)
    np.testing.assert_allclose(momentum(close, lookback=7)[7:] / close[:-7], fraction[7:], rtol=1e-14)


# Channels


def test_donchian_of_lean() -> None:
    frame = reference("lean/spy_with_don50.txt")
    channel = donchian(frame["High"], frame["Low"], lookback=50)
    names = {"middle": "Mean", "upper": "Top", "lower": "Bottom"}
    for line, name in names.items():
        ours, expected = getattr(channel, line)[49:], frame[f"Donchian Channels 50 {name}"][49:]
        np.testing.assert_allclose(ours[~expected.isna()], expected.dropna(), rtol=1e-12)


def test_no_price_is_outside_its_own_donchian_channel_but_may_be_outside_the_last() -> None:
    bars = example_bars(400)
    high, low = bars["high"], bars["low"]
    channel = donchian(high, low, lookback=10)
    assert (high[9:] <= channel.upper[9:]).all()
    assert (low[9:] >= channel.lower[9:]).all()
    assert (high[10:] > channel.upper[9:-1]).any()


def test_donchian_equals_pandas_on_real_bars() -> None:
    bars = real_bars("SPY daily", None if is_compiling() else 1_000)
    for lookback in (1, 2, 3, 55):
        channel = donchian(bars["high"], bars["low"], lookback=lookback)
        np.testing.assert_array_equal(channel.upper, pd.Series(bars["high"]).rolling(lookback).max())
        np.testing.assert_array_equal(channel.lower, pd.Series(bars["low"]).rolling(lookback).min())


def test_keltner_is_made_of_its_parts() -> None:
    bars = example_bars(400)
    high, low, close = bars["high"], bars["low"], bars["close"]
    channel = keltner(high, low, close, lookback=20, atr_lookback=10, n_atr=1.5)
    width = 1.5 * atr(high, low, close, lookback=10)
    middle = ema(close, lookback=20)
    np.testing.assert_array_equal(channel.middle, middle)
    np.testing.assert_array_equal(channel.upper, middle + width)
    np.testing.assert_array_equal(channel.lower, middle - width)


def test_keltner_begins_when_both_parts_are_known() -> None:
    bars = example_bars(60)
    channel = keltner(bars["high"], bars["low"], bars["close"], lookback=5, atr_lookback=30)
    assert np.isnan(np.array(channel)[:, :30]).all()
    assert np.isfinite(np.array(channel)[:, 30:]).all()


def test_keltner_of_lean_is_made_of_plain_means_instead() -> None:
    frame = reference("lean/spy_with_keltner.csv")
    high, low, close = frame["High"], frame["Low"], frame["Close"]
    before = close.shift().fillna(close[0])
    middle = sma((high + low + close) / 3.0)
    width = 1.5 * sma(np.maximum(high, before) - np.minimum(low, before))
    np.testing.assert_allclose(middle, frame["Middle Band"], atol=6e-5)
    np.testing.assert_allclose(middle + width, frame["Keltner Channels 20 Top"], atol=6e-5)


def test_channels_of_a_line_are_where_a_ruler_puts_them() -> None:
    close = 100.0 + np.arange(200.0)
    channel = donchian(close + 0.5, close - 0.5, lookback=10)
    np.testing.assert_allclose(channel.upper[9:] - channel.lower[9:], 10.0)
    np.testing.assert_allclose(close[9:] - channel.middle[9:], 4.5)
    assert (bollinger(close, lookback=10).middle[9:] == channel.middle[9:]).all()
