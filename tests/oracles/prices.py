"""Prices for the tests of indicators: made ones, and real ones from the folder that FLUXHERO_DATA names."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fluxhero.kernels.registry import INDICATORS
from fluxhero.kernels.types import FloatArray

from .indicators import FACTS

Bars = dict[str, FloatArray]

REAL_FILES = {
    "SPY daily": "us_daily/lean_SPY_daily_raw.csv",
    "BTC hourly": "crypto/binance_BTCUSDT_1h_2017_2019.csv",
    "ETH hourly": "crypto/binance_ETHUSDT_1h_2017_2019.csv",
    "SPY minute": "us_minute/SPY_1min_2024-03-26_2025-04-02.parquet",
}


def data_folder() -> Path:
    """Folder of real data; the test that asks for it is skipped where there is none."""
    folder = os.environ.get("FLUXHERO_DATA")
    if not folder:
        pytest.skip("FLUXHERO_DATA does not name a folder of real data")
    return Path(folder)


def real_bars(name: str, n_bars: int | None = None) -> Bars:
    """Open, high, low and close of one of ``REAL_FILES``, the last `n_bars` of them."""
    path = data_folder() / REAL_FILES[name]
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    columns = ("open", "high", "low", "close")
    return {c: np.ascontiguousarray(frame[c].to_numpy(np.float64)[-(n_bars or 0) :]) for c in columns}


def example_bars(n_bars: int, seed: int = 1) -> Bars:
    """A random walk of prices in cents, with flat stretches as an illiquid symbol has them."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0.0, 0.3, n_bars) * (rng.random(n_bars) < 0.8)
    moves[n_bars // 2 : n_bars // 2 + 40] = 0.0
    close = np.round(100.0 + np.cumsum(moves), 2)
    before = np.concatenate([close[:1], close[:-1]])
    wick = np.round(np.abs(rng.normal(0.0, 0.1, (2, n_bars))), 2) * (moves != 0.0)
    return {
        "open": before,
        "high": np.maximum(before, close) + wick[0],
        "low": np.minimum(before, close) - wick[1],
        "close": close,
        "volume": np.floor(rng.lognormal(8.0, 1.0, n_bars)),
    }


def example_series(indicator: str, n_bars: int, seed: int = 1) -> list[FloatArray]:
    """Values for the inputs of an indicator: fields of bars, or what its facts say."""
    bars, own = example_bars(n_bars, seed) | example_times(n_bars), FACTS[indicator].series
    return [
        own[name](np.random.default_rng([seed, 7]), n_bars) if name in own else bars[name]
        for name in INDICATORS[indicator].inputs
    ]


def long_series(indicator: str, n_bars: int) -> list[FloatArray]:
    """Values for a million bars: a walk in ticks whose level, volatility and volume change by orders."""
    rng = np.random.default_rng(11)
    moves = rng.standard_t(4, n_bars) * 1e-3 * np.exp(0.5 * np.sin(np.arange(n_bars) / 3e4))
    level = np.cumsum(moves)
    close = np.round(100.0 * np.exp(level - np.linspace(0.0, level[-1], n_bars)), 2)
    close[[n_bars // 3, n_bars // 2]] *= 1e5  # bad ticks
    before = np.concatenate([close[:1], close[:-1]])
    wicks = np.round(np.abs(rng.normal(0.0, 0.05, (2, n_bars))), 2)
    bars = {
        "open": before,
        "high": np.maximum(before, close) + wicks[0],
        "low": np.minimum(before, close) - wicks[1],
        "close": close,
        "volume": np.floor(rng.lognormal(8.0, 2.0, n_bars)),
    }
    bars, own = bars | example_times(n_bars), FACTS[indicator].series
    return [
        own[name](np.random.default_rng([11, 7]), n_bars) if name in own else bars[name]
        for name in INDICATORS[indicator].inputs
    ]


def example_times(n_bars: int) -> Bars:
    """Wall clock of closes of 5-minute bars, and open and close of their sessions; some are half days."""
    times, opens, closes = [], [], []
    day = 19_723  # 2024-01-01, a Monday
    while len(times) < n_bars:
        day += 1
        if day % 7 in (2, 3):  # 1970-01-01 was a Thursday
            continue
        start, end = day * 86_400 + 34_200, day * 86_400 + (46_800 if day % 5 == 0 else 57_600)
        for close in range(start + 300, end + 1, 300):
            times.append(close)
            opens.append(start)
            closes.append(end)
    columns = {"time": times, "session_open": opens, "session_close": closes}
    return {name: np.array(values[:n_bars], dtype=np.float64) for name, values in columns.items()}


def with_some_gaps(inputs: list[FloatArray], seed: int = 3) -> list[FloatArray]:
    """The same with a tenth of the bars unknown, in one input or in all, by NaN or by infinity."""
    rng = np.random.default_rng(seed)
    holed = [series.copy() for series in inputs]
    for series in holed:
        series[rng.random(series.size) < 0.05] = np.nan
        series[rng.random(series.size) < 0.02] = np.inf
    unknown = rng.random(holed[0].size) < 0.05
    for series in holed:
        series[unknown] = np.nan
    return holed
