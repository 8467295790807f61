"""Indicators against TA-Lib on real data, and against published worked examples."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import talib

from fluxhero.kernels.decorator import is_compiling
from fluxhero.kernels.indicators.atr import atr
from fluxhero.kernels.indicators.bollinger import bollinger
from fluxhero.kernels.indicators.ema import ema
from fluxhero.kernels.indicators.kama import efficiency_ratio, kama
from fluxhero.kernels.indicators.linear_regression import linear_regression
from fluxhero.kernels.indicators.rsi import rsi
from fluxhero.kernels.indicators.sma import sma
from fluxhero.kernels.registry import INDICATORS
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.indicators import FACTS
from fluxhero.tests.oracles.indicators.means import linear_regression_oracle
from fluxhero.tests.oracles.prices import REAL_FILES, data_folder, real_bars

N_BARS = None if is_compiling() else 2_000  # plain Python would need minutes for all bars


def first_flat_window(close: FloatArray, lookback: int) -> int:
    """Position of the first bar whose last changes are all 0, or the number of bars."""
    is_flat = pd.Series(close).diff().ne(0.0).rolling(lookback).sum().to_numpy() == 0.0
    return int(np.argmax(is_flat)) if is_flat.any() else close.size


@pytest.mark.parametrize("source", REAL_FILES)
@pytest.mark.parametrize("name", [name for name, facts in FACTS.items() if facts.talib])
def test_agrees_with_talib_on_real_data(name: str, source: str) -> None:
    indicator, facts, bars = INDICATORS[name], FACTS[name], real_bars(source, N_BARS)
    assert facts.talib is not None
    inputs = [bars[field] for field in indicator.inputs]
    for values in facts.talib_params or facts.params:
        ours = indicator.public(*inputs, **{p.name: v for p, v in zip(indicator.params, values, strict=True)})
        stop = inputs[0].size
        if name == "kama":  # on a flat window our ratio is 0 and TA-Lib's is 1: from there on they differ
            stop = first_flat_window(inputs[0], int(values[0]))
        for mine, theirs in zip(np.atleast_2d(ours), facts.talib(*inputs, *values), strict=False):
            # What crosses zero, where TA-Lib's own rounding shows, is judged by the size of its values.
            scale = np.nanmax(np.abs(theirs)) if facts.crosses_zero else 0.0
            np.testing.assert_allclose(mine[:stop], theirs[:stop], rtol=1e-9, atol=1e-9 * scale)


def test_kama_meets_talib_again_after_a_flat_stretch() -> None:
    close = real_bars("BTC hourly")["close"]
    start = first_flat_window(close, 10)
    assert start < close.size
    later = slice(start + 1_000, start + 2_000)  # before the next one
    np.testing.assert_allclose(kama(close)[later], talib.KAMA(close, 10)[later], rtol=1e-9)


@pytest.mark.parametrize("source", REAL_FILES)
def test_regression_is_exact_where_talib_rounds(source: str) -> None:
    close = real_bars(source)["close"][-1_000:]
    slope, r_squared = linear_regression(close, lookback=50)
    exact_slope, exact_r_squared = linear_regression_oracle(close.tolist(), 50)
    np.testing.assert_allclose(slope, exact_slope, rtol=1e-9, atol=1e-14 * close.max())
    np.testing.assert_allclose(r_squared, exact_r_squared, rtol=1e-9, atol=1e-14)


def reference(name: str, **options: object) -> pd.DataFrame:
    frame: pd.DataFrame = pd.read_csv(data_folder() / "indicator_reference" / Path(name), **options)
    return frame


def with_first_range(frame: pd.DataFrame) -> list[FloatArray]:
    """High, low and close behind a bar without range: so the first one counts high - low, as charts do."""
    columns = [frame[name].to_numpy(np.float64) for name in ("High", "Low", "Close")]
    return [np.concatenate([frame["Close"].to_numpy(np.float64)[:1], column]) for column in columns]


def test_atr_of_the_stockcharts_sheet() -> None:
    frame = reference("ta/cs-atr.csv")
    ours = atr(*with_first_range(frame))[1:]
    np.testing.assert_allclose(ours[13:], frame["ATR"][13:], atol=1e-9)


def test_kama_and_efficiency_ratio_of_the_stockcharts_sheet() -> None:
    frame = reference("ta/cs-kama.csv")
    np.testing.assert_allclose(efficiency_ratio(frame["Close"])[10:], frame["ER"][10:], atol=1e-6)
    np.testing.assert_allclose(kama(frame["Close"])[10:], frame["KAMA"][10:], atol=1e-6)


def test_bollinger_of_the_stockcharts_sheet() -> None:
    frame = reference("ta/cs-bbands.csv")
    bands = bollinger(frame["Close"])
    np.testing.assert_allclose(bands.middle, frame["MiddleBand"], atol=1e-6)
    np.testing.assert_allclose(bands.upper, frame["HighBand"], atol=2e-6)
    np.testing.assert_allclose(bands.lower, frame["LowBand"], atol=2e-6)


def test_moving_averages_and_wilder_rsi_of_lean() -> None:
    frame = reference("lean/spy_with_indicators.txt")
    np.testing.assert_allclose(sma(frame["Close"], lookback=14), frame["SMA14"], atol=0.006)
    np.testing.assert_allclose(ema(frame["Close"], lookback=14), frame["EMA14"], atol=0.006)
    np.testing.assert_allclose(rsi(frame["Close"]), frame["RSI 14 Wilder"], atol=1e-5)


def test_ema_of_lean() -> None:
    frame = reference("lean/spy_ema.csv")
    np.testing.assert_allclose(ema(frame["close"], lookback=14), frame["EMA14"], rtol=1e-9)


def test_wilder_atr_of_lean() -> None:
    frame = reference("lean/spy_atr_wilder.txt")
    ours = atr(*with_first_range(frame))[1:]
    expected = frame["Average True Range 14"].to_numpy()
    known = ~np.isnan(expected)
    np.testing.assert_allclose(ours[known], expected[known], atol=1e-5)


def test_bollinger_of_lean() -> None:
    frame = reference("lean/spy_bollinger_bands.txt", encoding="utf-8")
    top, bottom = (frame[f"Bollinger Bands® 20 2 {side}"] for side in ("Top", "Bottom"))
    bands = bollinger(frame["Close"])
    np.testing.assert_allclose(bands.upper, top, atol=6e-5)
    np.testing.assert_allclose(bands.lower, bottom, atol=6e-5)


def test_regression_forecasts_the_tsf_of_lean() -> None:
    frame = reference("lean/spy_tsf.csv")
    slope, _ = linear_regression(frame["close"], lookback=5)
    forecast = sma(frame["close"], lookback=5) + 3.0 * slope  # one bar beyond the window's end
    np.testing.assert_allclose(forecast[4:], frame["tsf"][4:], rtol=1e-9)
