"""What each model of a portfolio earned."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ...kernels.netting import (
    EarningState,
    earnings_run,
)
from ...kernels.types import FloatArray
from ..errors import ConfigError
from .regimes import Regimes, regime_flags
from .settings import PORTFOLIO
from .tables import PerSymbol, Table, per_symbol, price_block


class Performance(NamedTuple):
    """What ``performance`` returns; names that end in ``model`` have one entry per model and "portfolio"."""

    curves: xr.Dataset  # dims (time, model)
    metrics: pd.DataFrame  # a row per model
    by_regime: pd.DataFrame  # a row per regime and model; empty without regimes


def performance(
    result: xr.Dataset,
    prices: Table,
    *,
    bars_per_year: float,
    cost_rate: PerSymbol = 0.0,
    risk_free: float = 0.04,
    regimes: Regimes | None = None,
) -> Performance:
    """What each model earned with its part of the positions, and the portfolio with all of them.

    Parameters
    ----------
    result : Dataset
        From ``net``.
    prices : DataFrame or DataArray, (time, symbol), account currency
        On every time of `result`. NaN: not traded on this bar; what is held stays and earns the whole move
        with the next price.
    bars_per_year : float
    cost_rate : float or mapping of symbol to float, fraction of the notional
        A symbol's cost is that of its net trade, shared in proportion to what each model traded: crossing
        saves all of them money.
    risk_free : float, fraction per year
        What the Sharpe ratio compares with. Idle cash earns nothing, shorts pay nothing.
    regimes : as in ``net``, optional
        Results are split by the regime of the bar at whose close the position was taken, not of the bar that
        it earned on. The states of one column do not overlap, those of several columns do.

    Returns
    -------
    Performance
        ``curves`` (time, model): ``contribution``, return and cost as a fraction of the portfolio's equity,
        adds up to the portfolio's return; ``profit``, the same in units of the first equity, adds up over
        models and time to the portfolio's equity - 1; ``returns`` on the model's full budget (a regime that
        lowers it does not raise them), ``equity`` compounds them from 1; ``drawdown``, ``cost``,
        ``turnover`` (of the portfolio's equity, and for the portfolio after netting). A position of bar t
        earns on bar t + 1 first; bar 0 has its costs only.

        ``metrics``: ``total_return``, ``cagr``, ``volatility_ann``, ``sharpe_ratio``, ``max_drawdown`` <= 0,
        ``turnover_ann``, ``cost``, ``profit``. ``by_regime``: ``n_bars``, ``total_return``, ``return_ann``
        (mean x bars per year), ``volatility_ann``, ``sharpe_ratio``, ``max_drawdown`` over the regime's bars
        put end to end. NaN where undefined: a model without a budget, or fewer than two returns.

    Raises
    ------
    DataError, ConfigError
        If prices are missing, or a number is not possible; names it.
    """
    if not (np.isfinite(bars_per_year) and bars_per_year > 0.0):
        raise ConfigError(f"`bars_per_year` was {bars_per_year}, must be a number above 0")
    if not (np.isfinite(risk_free) and risk_free > -1.0):
        raise ConfigError(f"`risk_free` was {risk_free}, must be a fraction above -1")
    symbols = [str(symbol) for symbol in result["symbol"].values]
    curves = _curves(result, price_block(prices, result), per_symbol("cost_rate", cost_rate, symbols))
    rate = float(np.expm1(np.log1p(risk_free) / bars_per_year))
    names = [str(name) for name in curves["model"].values]
    rows = {name: _metrics(curves.sel(model=name), bars_per_year, rate) for name in names}
    flags = regime_flags(regimes, result["time"].values)
    regime_rows = {}
    for state in flags.columns:
        held = flags[state].to_numpy(bool)[:-1]
        for name in names:
            returns = curves["returns"].sel(model=name).values[1:]
            regime_rows[str(state), name] = _figures(returns[held], bars_per_year, rate)
    metrics = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    by_regime = pd.DataFrame(
        list(regime_rows.values()),
        index=pd.MultiIndex.from_tuples(list(regime_rows), names=["regime", "model"])
        if regime_rows
        else None,
    )
    return Performance(curves, metrics, by_regime)


def _curves(result: xr.Dataset, price: FloatArray, cost_rate: FloatArray) -> xr.Dataset:
    """Earnings per bar, of each model and of all."""
    attribution = np.ascontiguousarray(result["attribution"].transpose("time", "model", "symbol").values)
    n_bars, n_models, n_symbols = attribution.shape
    state = EarningState(np.zeros((n_models, n_symbols)), np.full(n_symbols, np.nan), np.ones(1))
    gross, cost, turnover = (np.empty((n_bars, n_models)) for _ in range(3))
    total, netted, equity = (np.empty(n_bars) for _ in range(3))
    room = np.empty((3, n_symbols))
    earnings_run(attribution, price, cost_rate, state, room, gross, cost, turnover, total, netted, equity)
    contribution = np.column_stack([gross - cost, total])
    budget = np.append(result["full_budget"].values, 1.0)
    returns = np.divide(contribution, budget, out=np.full(contribution.shape, np.nan), where=budget > 0.0)
    # A model that loses more than its budget has nothing left, whatever comes later.
    curve = np.cumprod(np.maximum(1.0 + returns, 0.0), axis=0)
    before = np.concatenate([[1.0], equity[:-1]])[:n_bars]
    peak = np.maximum(np.maximum.accumulate(curve, axis=0), 1.0)
    dims = ("time", "model")
    return xr.Dataset(
        {
            "contribution": (dims, contribution),
            "returns": (dims, returns),
            "equity": (dims, curve),
            "drawdown": (dims, curve / peak - 1.0),
            "profit": (dims, contribution * before[:, None]),
            "cost": (dims, np.column_stack([cost, cost.sum(axis=1)])),
            "turnover": (dims, np.column_stack([turnover, netted])),
        },
        coords={"time": result["time"].values, "model": [*map(str, result["model"].values), PORTFOLIO]},
    )


def _metrics(curve: xr.Dataset, bars_per_year: float, rate: float) -> dict[str, float]:
    """Figures of one model's whole history; costs of the first bar count in the equity only."""
    returns = curve["returns"].values
    figures = _figures(returns[1:], bars_per_year, rate)
    n_years = (returns.size - 1) / bars_per_year
    final = float(curve["equity"].values[-1])
    return {
        "total_return": final - 1.0,
        "cagr": final ** (1.0 / n_years) - 1.0 if n_years > 0.0 else np.nan,
        "volatility_ann": figures["volatility_ann"],
        "sharpe_ratio": figures["sharpe_ratio"],
        "max_drawdown": float(np.min(curve["drawdown"].values)),
        "turnover_ann": float(np.mean(curve["turnover"].values)) * bars_per_year,
        "cost": float(np.sum(curve["cost"].values)),
        "profit": float(np.sum(curve["profit"].values)),
    }


def _figures(returns: FloatArray, bars_per_year: float, rate: float) -> dict[str, float]:
    """Figures of returns put end to end; `rate` is free of risk, per bar."""
    n_bars = returns.size
    curve = np.cumprod(np.maximum(1.0 + returns, 0.0))
    mean = float(np.mean(returns)) if n_bars else np.nan
    deviation = float(np.std(returns, ddof=1)) if n_bars > 1 else np.nan
    peak = np.maximum(np.maximum.accumulate(curve), 1.0)
    return {
        "n_bars": n_bars,
        "total_return": float(curve[-1]) - 1.0 if n_bars else np.nan,
        "return_ann": mean * bars_per_year,
        "volatility_ann": deviation * np.sqrt(bars_per_year),
        "sharpe_ratio": (mean - rate) / deviation * np.sqrt(bars_per_year) if deviation > 1e-12 else np.nan,
        "max_drawdown": float(np.min(curve / peak - 1.0)) if n_bars else np.nan,
    }
