"""Volume: TA-Lib and published values, sums that never forget, and what holds for any bars."""

import math

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxhero.kernels.decorator import is_compiling
from fluxhero.kernels.indicators.mfi import mfi
from fluxhero.kernels.indicators.obv import obv
from fluxhero.kernels.indicators.relative_volume import relative_volume
from fluxhero.kernels.indicators.volume_trend import (
    accumulation_distribution,
    chaikin_money_flow,
    force_index,
)
from fluxhero.kernels.indicators.vwap import rolling_vwap, vwap
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.prices import REAL_FILES, Bars, data_folder, example_bars, example_times

N_BARS = 1_000_000 if is_compiling() else 20_000
N_REAL = None if is_compiling() else 2_000
HLC, HLCV = ("high", "low", "close"), ("high", "low", "close", "volume")
any_bars = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10_000)


def real_volume_bars(source: str) -> Bars:
    path = data_folder() / REAL_FILES[source]
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return {name: np.ascontiguousarray(frame[name].to_numpy(np.float64)[-(N_REAL or 0) :]) for name in HLCV}


def coin_bars(n_bars: int) -> Bars:
    """Bars with volumes in fractions of a coin, over six orders of size, and one absurd volume."""
    rng = np.random.default_rng(23)
    close = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, n_bars))), 2)
    wicks = np.round(np.abs(rng.normal(0.0, 0.1, (2, n_bars))), 2)
    volume = np.round(rng.lognormal(0.0, 3.0, n_bars), 8)
    volume[n_bars // 3] = 1e12
    return {"high": close + wicks[0], "low": close - wicks[1], "close": close, "volume": volume}


def fields(bars: Bars, *names: str) -> list[FloatArray]:
    return [bars[name] for name in names]


def known(values: FloatArray) -> FloatArray:
    found: FloatArray = values[~np.isnan(values)]
    return found


@pytest.mark.parametrize("source", REAL_FILES)
@pytest.mark.parametrize("lookback", [2, 14, 50])
def test_mfi_agrees_with_talib_where_anything_flowed(source: str, lookback: int) -> None:
    bars = real_volume_bars(source)
    ours, theirs = mfi(*fields(bars, *HLCV), lookback=lookback), talib.MFI(*fields(bars, *HLCV), lookback)
    typical = (bars["high"] + bars["low"] + bars["close"]) / 3
    before = np.concatenate([typical[:1], typical[:-1]])
    is_flow = ~np.isclose(typical, before, rtol=1e-13, atol=0.0) & (bars["volume"] > 0.0)
    nothing = np.convolve(is_flow, np.ones(lookback))[: is_flow.size] == 0
    nothing[:lookback] = False
    assert nothing.mean() < 0.01
    assert (ours[nothing] == 50.0).all()
    assert (theirs[nothing] == 0.0).all()
    np.testing.assert_allclose(ours[~nothing], theirs[~nothing], rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("source", REAL_FILES)
def test_obv_agrees_with_talib(source: str) -> None:
    close, volume = fields(real_volume_bars(source), "close", "volume")
    theirs = talib.OBV(close, volume)
    np.testing.assert_allclose(obv(close, volume), theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())


@pytest.mark.parametrize("source", REAL_FILES)
def test_accumulation_distribution_agrees_with_talib(source: str) -> None:
    inputs = fields(real_volume_bars(source), *HLCV)
    theirs = talib.AD(*inputs)
    scale = 1e-9 * np.abs(theirs).max()
    np.testing.assert_allclose(accumulation_distribution(*inputs), theirs, rtol=1e-9, atol=scale)


def test_rolling_vwap_of_the_stockcharts_sheet() -> None:
    frame = pd.read_csv(data_folder() / "indicator_reference/ta/cs-vwap.csv")
    ours = rolling_vwap(frame["High"], frame["Low"], frame["Close"], frame["Volume"], lookback=14)
    np.testing.assert_allclose(ours[13:], frame["vwap"][13:], rtol=1e-12)


def test_vwap_of_one_session_is_that_sheet_before_its_window_is_full() -> None:
    frame = pd.read_csv(data_folder() / "indicator_reference/ta/cs-vwap.csv")[:14]
    ours = vwap(frame["High"], frame["Low"], frame["Close"], frame["Volume"], np.zeros(14))
    np.testing.assert_allclose(ours, frame["vwap"], rtol=1e-12)


def test_rolling_vwap_of_lean_which_weighs_the_open_too() -> None:
    frame = pd.read_csv(data_folder() / "indicator_reference/lean/spy_with_vwap.txt")
    price = frame[["Open", "High", "Low", "Close"]].mean(axis=1)
    ours = rolling_vwap(price, price, price, frame["Volume"], lookback=50)
    np.testing.assert_allclose(ours, frame["Moving VWAP 50"], atol=6e-5)


def test_obv_of_a_million_fractional_volumes_is_exact() -> None:
    close, volume = fields(coin_bars(N_BARS), "close", "volume")
    signed = volume * np.sign(np.diff(close, prepend=0.0))
    ours = obv(close, volume)
    for stop in np.linspace(1, N_BARS, 7).astype(int):
        assert ours[stop - 1] == pytest.approx(math.fsum(signed[:stop]), rel=1e-13)


def test_obv_of_whole_shares_is_exact_to_the_bit() -> None:
    close = coin_bars(N_BARS)["close"]
    volume = np.floor(np.random.default_rng(3).lognormal(12.0, 2.0, N_BARS))
    signed = (volume * np.sign(np.diff(close, prepend=0.0))).astype(np.int64)
    np.testing.assert_array_equal(obv(close, volume), np.cumsum(signed).astype(np.float64))


def test_accumulation_distribution_of_a_million_bars_is_exact() -> None:
    bars = coin_bars(N_BARS)
    high, low, close, volume = (bars[name].astype(np.longdouble) for name in HLCV)
    span = high - low
    location = np.divide((close - low) - (high - close), span, where=span > 0, out=np.zeros_like(span))
    exact = np.cumsum(location * volume)
    ours = accumulation_distribution(*fields(bars, *HLCV))
    before = slice(0, N_BARS // 3)  # the absurd volume then sets the size of everything
    assert np.abs(ours - exact)[before].max() < 1e-13 * np.abs(exact[before]).max()
    assert np.abs(ours - exact).max() < 1e-13 * np.abs(exact).max()


def test_vwap_of_a_session_of_a_million_bars_is_exact() -> None:
    bars = coin_bars(N_BARS)
    high, low, close, volume = (bars[name].astype(np.longdouble) for name in HLCV)
    exact = np.cumsum((high + low + close) / 3 * volume) / np.cumsum(volume)
    ours = vwap(*fields(bars, *HLCV), np.zeros(N_BARS))
    assert np.max(np.abs(ours - exact) / exact) < 1e-14


def test_bad_tick_is_gone_with_its_session_and_with_its_window() -> None:
    bars = example_bars(200)
    clean = {name: series.copy() for name, series in bars.items()}
    for name in (*HLC, "volume"):
        bars[name][60] *= 1e12
    session = np.repeat([0.0, 1.0], 100)
    np.testing.assert_array_equal(
        vwap(*fields(bars, *HLCV), session)[100:], vwap(*fields(clean, *HLCV), session)[100:]
    )
    for compute in (rolling_vwap, chaikin_money_flow, mfi):
        np.testing.assert_allclose(
            compute(*fields(bars, *HLCV))[90:], compute(*fields(clean, *HLCV))[90:], rtol=1e-12, atol=1e-12
        )


def test_vwap_begins_anew_with_the_session_and_waits_for_its_volume() -> None:
    price = np.array([10.0, 20.0, 50.0, 60.0, 70.0])
    ours = vwap(price, price, price, [1.0, 3.0, 0.0, 2.0, 2.0], [9.0, 9.0, 33.0, 33.0, 33.0])
    np.testing.assert_array_equal(ours, [10.0, 17.5, 50.0, 60.0, 65.0])


@given(seed=seeds)
@any_bars
def test_vwap_lies_within_the_prices_of_its_session(seed: int) -> None:
    bars, session = example_bars(160, seed), example_times(160)["session_open"]
    bars["volume"][np.random.default_rng(seed).random(160) < 0.3] = 0.0
    ours = pd.Series(vwap(*fields(bars, *HLCV), session))
    highest = pd.Series(bars["high"]).groupby(session).cummax()
    lowest = pd.Series(bars["low"]).groupby(session).cummin()
    assert (ours <= highest + 1e-10).all()
    assert (ours >= lowest - 1e-10).all()


@given(seed=seeds, lookback=st.integers(1, 12))
@any_bars
def test_indices_stay_in_their_bounds_whatever_was_traded(seed: int, lookback: int) -> None:
    bars = example_bars(120, seed)
    bars["volume"][np.random.default_rng(seed).random(120) < 0.7] = 0.0
    money = known(mfi(*fields(bars, *HLCV), lookback=lookback))
    pressure = known(chaikin_money_flow(*fields(bars, *HLCV), lookback=lookback))
    assert ((money >= 0.0) & (money <= 100.0)).all()
    assert (np.abs(pressure) <= 1.0).all()


@given(exponent=st.integers(-40, 40), seed=seeds)
@any_bars
def test_another_unit_of_volume_scales_to_the_bit(exponent: int, seed: int) -> None:
    bars, factor = example_bars(120, seed), 2.0**exponent
    session = example_times(120)["session_open"]
    other = bars | {"volume": bars["volume"] * factor}
    for compute in (mfi, chaikin_money_flow, rolling_vwap):
        np.testing.assert_array_equal(compute(*fields(other, *HLCV)), compute(*fields(bars, *HLCV)))
    np.testing.assert_array_equal(vwap(*fields(other, *HLCV), session), vwap(*fields(bars, *HLCV), session))
    np.testing.assert_array_equal(relative_volume(other["volume"]), relative_volume(bars["volume"]))
    for compute in (obv, force_index):
        ours = compute(*fields(other, "close", "volume"))
        np.testing.assert_array_equal(ours, compute(*fields(bars, "close", "volume")) * factor)


def test_the_same_cents_in_another_order_are_no_change() -> None:
    high, low, close = [520.73, 520.72, 522.0], [520.665, 520.65, 521.0], [520.695, 520.72, 521.0]
    assert 520.73 + 520.665 + 520.695 != 520.72 + 520.65 + 520.72
    assert (mfi(high, low, close, [1.0, 9.0, 1.0], lookback=2)[-1]) == 100.0


def test_close_outside_of_its_bar_counts_as_at_the_end_of_it() -> None:
    high, low = [10.0, 10.0, 10.0, 9.0], [8.0, 8.0, 8.0, 9.0]
    ours = accumulation_distribution(high, low, [10.0, 12.0, 1.0, 9.0], [5.0, 5.0, 5.0, 5.0])
    np.testing.assert_array_equal(ours, [5.0, 10.0, 5.0, 5.0])


def test_volume_is_measured_by_the_bars_before_it() -> None:
    volume = np.array([100.0] * 20 + [2_000.0] + [100.0] * 20)
    ours = relative_volume(volume)
    assert ours[20] == 20.0  # with the bar in its own mean it would be 10.3
    np.testing.assert_allclose(ours[21:40], 100.0 / 195.0, rtol=1e-14)
    assert ours[40] == pytest.approx(100.0 / 195.0)


def test_volume_after_none_at_all() -> None:
    ours = relative_volume([7.0, 0.0, 0.0, 0.0, 5.0, 0.0], lookback=2)
    np.testing.assert_array_equal(ours, [np.nan, np.nan, 0.0, 1.0, 2.0, 0.0])


@pytest.mark.parametrize(
    ("volume", "is_enough", "is_burst"), [(40, False, False), (60, True, False), (160, True, True)]
)
def test_limits_of_the_noise_filter_read_as_meant(volume: float, is_enough: bool, is_burst: bool) -> None:
    ratio = relative_volume([100.0] * 20 + [volume])[-1]
    assert (ratio > 0.5) == is_enough
    assert (ratio > 1.5) == is_burst


def test_force_is_the_average_of_moves_times_volume() -> None:
    bars = example_bars(150)
    moves = np.diff(bars["close"]) * bars["volume"][1:]
    np.testing.assert_allclose(
        force_index(bars["close"], bars["volume"])[1:], talib.EMA(moves, 13), rtol=1e-9, atol=1e-9
    )


def test_money_flow_without_volume_is_neutral() -> None:
    bars = example_bars(60) | {"volume": np.zeros(60)}
    inputs = fields(bars, *HLCV)
    assert (known(mfi(*inputs)) == 50.0).all()
    assert (known(chaikin_money_flow(*inputs)) == 0.0).all()
    np.testing.assert_allclose(rolling_vwap(*inputs)[13:], (sum(inputs[:3]) / 3.0)[13:], rtol=1e-14)
