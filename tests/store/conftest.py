from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from fluxhero.engine.market import market_cube

MINUTE_NS = 60_000_000_000
DAY_NS = 1_440 * MINUTE_NS


def _make_market(n_symbols: int = 3, n_bars: int = 3_000, seed: int = 7) -> xr.Dataset:
    """A 24/7 market of minutes from 2024-01-01 on, with gaps; prices in cents."""
    rng = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, (n_symbols, n_bars)), axis=1)), 2)
    spread = np.round(rng.uniform(0.01, 0.5, close.shape), 2)
    bars = {
        "open": close,
        "high": close + spread,
        "low": close - spread,
        "close": close,
        "volume": np.floor(rng.lognormal(8.0, 1.0, close.shape)),
    }
    is_gap = rng.random(close.shape) < 0.05
    for values in bars.values():
        values[is_gap] = np.nan
    first = np.datetime64("2024-01-01", "ns").astype(np.int64) + MINUTE_NS
    time = first + MINUTE_NS * np.arange(n_bars, dtype=np.int64)
    session = (time - 1) // DAY_NS * DAY_NS
    return market_cube(
        symbols=[f"S{i}" for i in range(n_symbols)],
        time=time,
        session=session,
        session_close=session + DAY_NS,
        bars=bars,
        timeframe="1m",
        calendar="24/7",
        source="made for a test",
        generated=True,
        asset_class="crypto",
    )


@pytest.fixture
def market() -> xr.Dataset:
    return _make_market()


@pytest.fixture
def make_market() -> Callable[..., xr.Dataset]:
    return _make_market


def _assert_same_bits(actual: xr.Dataset, expected: xr.Dataset) -> None:
    """Equal in names, order, dims, dtypes, attributes and every bit."""
    assert list(actual.data_vars) == list(expected.data_vars)
    assert set(actual.coords) == set(expected.coords)
    assert actual.attrs == expected.attrs
    assert {name: type(value) for name, value in actual.attrs.items()} == {
        name: type(value) for name, value in expected.attrs.items()
    }
    for name in expected.variables:
        found, wanted = actual.variables[name], expected.variables[name]
        assert found.dims == wanted.dims, name
        assert found.dtype == wanted.dtype, name
        assert found.attrs == wanted.attrs, name
        if wanted.dtype == object:
            assert found.values.tolist() == wanted.values.tolist(), name
        else:
            assert found.values.tobytes() == wanted.values.tobytes(), name


@pytest.fixture
def assert_same_bits() -> Callable[[xr.Dataset, xr.Dataset], None]:
    return _assert_same_bits
