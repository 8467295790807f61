"""Markets to measure on: generated from fixed seeds, the same bars on every machine."""

import numpy as np
import xarray as xr

from fluxhero.adapters.sample_market import sample_market
from fluxhero.engine.market import from_arrays

SEED = 5
TIMEFRAME_NS = {"4h": 4 * 3_600_000_000_000, "1d": 24 * 3_600_000_000_000}


def minute_market(n_bars: int, n_symbols: int = 1) -> xr.Dataset:
    """Minute bars of the sample market: sessions, gaps, half days, missing minutes."""
    return sample_market(n_symbols, sessions=n_bars // 370 + 2).isel(time=slice(0, n_bars))


def coin_market(n_bars: int, timeframe: str, n_symbols: int = 1) -> xr.Dataset:
    """Longer bars around the clock: a random walk in cents."""
    rng = np.random.default_rng(SEED)
    moves = rng.standard_t(5, (n_symbols, n_bars)) * 0.008
    close = np.round(100.0 * np.exp(np.cumsum(moves, axis=1)), 2)
    open_ = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    wicks = np.abs(rng.normal(size=(2, n_symbols, n_bars))) * 0.004 * close
    return from_arrays(
        [f"COIN{i}" for i in range(n_symbols)],
        (np.arange(n_bars, dtype=np.int64) + 1) * TIMEFRAME_NS[timeframe] + 1_577_836_800_000_000_000,
        open_,
        np.round(np.maximum(open_, close) + wicks[0], 2) + 0.01,
        np.maximum(np.round(np.minimum(open_, close) - wicks[1], 2) - 0.01, 0.01),
        close,
        rng.integers(100, 10_000, (n_symbols, n_bars)).astype(np.float64),
        timeframe=timeframe,
    )
