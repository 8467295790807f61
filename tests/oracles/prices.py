"""Prices for the tests of indicators: made ones, and real ones from the folder that FLUXHERO_DATA names."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fluxhero.kernels.types import FloatArray

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


def example_series(name: str, n_bars: int, seed: int = 1) -> FloatArray:
    """Values for an input of that name: a field of a bar, or what a regime is read from."""
    rng = np.random.default_rng([seed, 7])
    made = {
        "adx": np.repeat(rng.uniform(5.0, 45.0, n_bars), 3)[:n_bars] + rng.normal(0.0, 3.0, n_bars),
        "r_squared": np.clip(
            np.repeat(rng.random(n_bars), 3)[:n_bars] + rng.normal(0.0, 0.1, n_bars), 0.0, 1.0
        ),
        "atr": np.repeat(rng.uniform(0.3, 2.0, n_bars), 4)[:n_bars],
        "atr_mean": rng.uniform(0.9, 1.1, n_bars),
    }
    return made[name] if name in made else example_bars(n_bars, seed)[name]


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
