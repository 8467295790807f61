"""Features without a strategy, and the set that models learn from: causal, complete, without a scale."""

import numpy as np
import pytest
import xarray as xr

import fluxhero as fx
from fluxhero.engine.errors import ConfigError, DataError, StrategyError

FIELDS = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def market() -> xr.Dataset:
    return fx.sample_market(n_symbols=2, sessions=40)


@pytest.fixture(scope="module")
def cube(market: xr.Dataset) -> xr.Dataset:
    return fx.feature_cube(market, fx.ML_FEATURES, timeframe="15m")


def test_there_are_more_than_fifty_and_each_is_known_after_its_warm_up(cube: xr.Dataset) -> None:
    assert len(fx.ML_FEATURES) >= 50
    assert set(cube.data_vars) == set(fx.ML_FEATURES)
    warm = cube.isel(time=slice(300, None))
    for name, values in warm.data_vars.items():
        known = np.isfinite(values.values)
        assert known.mean() > 0.99, name  # the sample market misses a few minutes
        assert np.ptp(values.values[known]) > 0.0, name  # it says something


def test_nothing_looks_ahead(market: xr.Dataset, cube: xr.Dataset) -> None:
    cut = 390 * 25 + 200  # within a session and within a bar
    part = fx.feature_cube(market.isel(time=slice(0, cut)), fx.ML_FEATURES, timeframe="15m")
    poisoned = market.copy(deep=True)
    for name in FIELDS:
        poisoned[name].values[:, cut:] = np.nan
    after = fx.feature_cube(poisoned, fx.ML_FEATURES, timeframe="15m")
    n = part.sizes["time"]
    assert n > 25 * 26
    for name in fx.ML_FEATURES:
        whole = cube[name].values[:, :n].view(np.int64)
        np.testing.assert_array_equal(part[name].values.view(np.int64), whole, err_msg=name)
        np.testing.assert_array_equal(after[name].values[:, :n].view(np.int64), whole, err_msg=name)


def test_nothing_has_the_scale_of_a_price_or_of_a_volume(market: xr.Dataset, cube: xr.Dataset) -> None:
    scaled = market.copy(deep=True)
    for name in ("open", "high", "low", "close"):
        scaled[name].values *= 8.0
    scaled["volume"].values *= 4.0
    other = fx.feature_cube(scaled, fx.ML_FEATURES, timeframe="15m")
    for name in fx.ML_FEATURES:
        np.testing.assert_allclose(other[name], cube[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_a_feature_is_what_the_indicator_gives(market: xr.Dataset) -> None:
    symbol = str(market["symbol"].values[1])
    close = market["close"].sel(symbol=symbol).values
    cube = fx.feature_cube(market, {"mean": fx.Feature("sma", lookback=30)})
    at = np.isin(market["time"].values, cube["time"].values)
    expected = fx.indicators.sma(close, lookback=30)[at]
    np.testing.assert_array_equal(cube["mean"].sel(symbol=symbol).values, expected)


def test_what_is_not_possible_is_said(market: xr.Dataset) -> None:
    for features, message in (
        ({"x": fx.Feature("unheard")}, "unheard"),
        ({"close": fx.Feature("sma")}, "`close` has the name of a bar field"),
        ({"two words": fx.Feature("sma")}, "'two words' must be a plain Python name"),
        ({"x": fx.Feature("sma", lookback="n")}, "names no parameter"),
        ({"x": 3}, "must be a Feature"),
    ):
        with pytest.raises(StrategyError, match=message):
            fx.feature_cube(market, features)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'7m'"):
        fx.feature_cube(market, fx.ML_FEATURES, timeframe="7m")
    with pytest.raises(DataError):
        fx.feature_cube(xr.Dataset(), fx.ML_FEATURES)
