"""Features as an xarray cube, without a strategy: what a model learns from, and what a person looks at."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..kernels.types import FloatArray
from .errors import StrategyError
from .features import build_whole_graph
from .market import check_market, symbol_bars
from .preparation import Preparation
from .series import symbol_series
from .setup import market_setup
from .strategy import Feature, Series, Strategy, check_features
from .sweep import columns

TILE_BARS = 16_384  # computed at a time, so that a long history takes no more memory than its result


def feature_cube(
    market: xr.Dataset, features: Mapping[str, Feature | Series], *, timeframe: str | None = None
) -> xr.Dataset:
    """Compute features for every symbol of a market.

    Parameters
    ----------
    market : Dataset
        A market cube.
    features : mapping of name to Feature or Series
        Such as ``ML_FEATURES``; they may read each other by name. Parameters are numbers.
    timeframe : str, optional
        Bars at whose closes the features are read; default the market's own.

    Returns
    -------
    Dataset
        Dims (symbol, time), one float64 variable per feature; time holds the closes at which a bar became
        complete. NaN during warm-up and where a symbol has no bar. A value uses bars up to its time only,
        and is the one that a strategy's rule would see.

    Raises
    ------
    StrategyError, ParameterError, DataError, ConfigError
        If a feature, a timeframe or the market is not possible; the message names it.
    """
    check_market(market)
    if not isinstance(features, Mapping):
        raise StrategyError(f"`features` is a {type(features).__name__}, must map names to Features")
    strategy = _without_rule(features)
    setup = market_setup(strategy, market, decision_timeframe=timeframe)
    graph = build_whole_graph(strategy, {}, setup.decision_timeframe)
    n_time = market.sizes["time"]
    table = np.full((len(graph.names), market.sizes["symbol"], n_time), np.nan)
    is_read = np.zeros(n_time, dtype=bool)
    for i, symbol in enumerate(market["symbol"].values):
        preparation = Preparation(setup, graph)
        close_ns, session_close_ns, bars = columns(symbol_bars(market, str(symbol)))
        series = symbol_series(market, i, graph.series)
        for start in range(0, n_time, TILE_BARS):
            part = slice(start, start + TILE_BARS)
            tile = preparation.advance(close_ns[part], session_close_ns[part], bars[part], series[:, part])
            at = np.flatnonzero(tile.rows >= 0)
            is_read[start + at] = True
            seen: FloatArray = tile.features[tile.rows[at]]
            table[:, i, start + at] = seen[:, graph.lane_columns[:, 0]].T
    coords = {"symbol": market["symbol"].values, "time": market["time"].values[is_read]}
    return xr.Dataset(
        {name: (("symbol", "time"), table[i][:, is_read]) for i, name in enumerate(graph.names)},
        coords=coords,
        attrs={"timeframe": setup.decision_timeframe, "warmups": str(dict(graph.warmups))},
    )


def _without_rule(features: Mapping[str, Feature | Series]) -> Strategy:
    """A strategy that has features and decides nothing."""

    def decide(*_: Any) -> Any:
        raise NotImplementedError("features have no rule")

    where = Path("features")
    check_features(where, features, {})
    names = tuple(features)
    return Strategy(
        name="features",
        path=where,
        doc="",
        params={},
        features=dict(features),
        reasons={},
        modes={},
        decide=decide,
        read_features=names,
    )
