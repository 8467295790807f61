"""Every indicator by name as a feature: on any timeframe, on other features, equal to its function."""

import numpy as np
import pytest
import xarray as xr

import fluxhero as fx
from fluxhero.engine.coarse import coarse_bars
from fluxhero.engine.market import symbol_bars
from fluxhero.engine.strategy import BAR_FIELDS, SERIES
from fluxhero.engine.wall_clock import wall_clock
from fluxhero.kernels.registry import INDICATORS, Indicator
from fluxhero.kernels.types import FloatArray

SYMBOL = "ALFA"
TIMEFRAMES = ("5m", "1h")
STAND_IN = "close"  # for inputs that are no series of a bar, such as `atr`


def fx_inputs(indicator: Indicator) -> tuple[str, ...]:
    return tuple(name if name in SERIES else STAND_IN for name in indicator.inputs)


def named_outputs() -> list[tuple[str, str]]:
    return [(name, output) for name, indicator in INDICATORS.items() for output in indicator.outputs]


@pytest.fixture(scope="module")
def market() -> xr.Dataset:
    return fx.sample_market(n_symbols=1, sessions=70)


@pytest.fixture(scope="module")
def cube(market: xr.Dataset) -> xr.Dataset:
    features = {
        f"{name}__{output}__{timeframe}": fx.Feature(
            name, on=fx_inputs(INDICATORS[name]), output=output, timeframe=timeframe
        )
        for name, output in named_outputs()
        for timeframe in TIMEFRAMES
    }
    on_features = {
        f"{name}__on": fx.Feature(
            name,
            on=tuple(fx.Feature("previous", on=source, bars=2) for source in fx_inputs(indicator)),
        )
        for name, indicator in INDICATORS.items()
    }
    return fx.feature_cube(market, features | on_features, timeframe="5m")


def series_of(market: xr.Dataset, timeframe: str) -> tuple[np.ndarray, dict[str, FloatArray]]:
    """Times at which bars became visible, and their series."""
    bars = symbol_bars(market, SYMBOL)
    rows, _, table = coarse_bars(bars, "1m", timeframe)
    length = {"5m": 5, "1h": 60}[timeframe] * 60 * 10**9
    close_ns = np.minimum((bars.ts_ns[rows] + length - 1) // length * length, bars.session_close_ns[rows])
    clock = wall_clock(close_ns, bars.session_close_ns[rows], "XNYS")
    names = (*BAR_FIELDS, "time", "session_open", "session_close")
    columns = [np.ascontiguousarray(column) for column in (*table.T, *clock)]
    return market["time"].values[rows], dict(zip(names, columns, strict=True))


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_a_feature_equals_the_function_on_its_timeframe(
    market: xr.Dataset, cube: xr.Dataset, timeframe: str
) -> None:
    times, series = series_of(market, timeframe)
    last = np.searchsorted(times, cube["time"].values, side="right") - 1  # the last finished bar
    for name, indicator in INDICATORS.items():
        outputs = np.atleast_2d(indicator.public(*(series[source] for source in fx_inputs(indicator))))
        for output, values in zip(indicator.outputs, outputs, strict=True):
            expected = np.where(last >= 0, values[np.maximum(last, 0)], np.nan)
            seen = cube[f"{name}__{output}__{timeframe}"].values[0]
            np.testing.assert_array_equal(seen, expected, err_msg=f"{name} {output}")


def test_a_feature_may_read_other_features(market: xr.Dataset, cube: xr.Dataset) -> None:
    _, series = series_of(market, "5m")
    for name, indicator in INDICATORS.items():
        shifted = [fx.indicators.previous(series[source], bars=2) for source in fx_inputs(indicator)]
        expected = np.atleast_2d(indicator.public(*shifted))[0]
        np.testing.assert_array_equal(cube[f"{name}__on"].values[0], expected, err_msg=name)
