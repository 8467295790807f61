"""Orders that bring positions to the netted weights."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ...kernels.netting import (
    STAGES,
    OrderRules,
    OrderState,
    orders_run,
)
from ..errors import ConfigError, DataError
from .tables import PerSymbol, Table, by_symbol, per_symbol, price_block


def orders(
    result: xr.Dataset,
    prices: Table,
    *,
    equity: float,
    positions: Mapping[str, float] | None = None,
    lots: PerSymbol = 1.0,
    min_qty: PerSymbol = 0.0,
    min_notional: PerSymbol = 0.0,
    cost_rate: PerSymbol = 0.0,
) -> xr.Dataset:
    """Orders that bring positions to the final weights; live for one bar, or over time as if each filled.

    Parameters
    ----------
    result : Dataset
        From ``net``.
    prices : DataFrame or DataArray, (time, symbol), account currency
        On every time of `result`. NaN: not traded on this bar, valued at its last price.
    equity : float, account currency
        Cash and positions before the first bar's orders.
    positions : mapping of symbol to units, optional
        Held before the first bar, signed; a symbol that `result` lacks is refused.
    lots : float or mapping of symbol to float, lots per unit
        1 for whole shares, 1e8 for coins of 1e-8, 0.01 for lots of a hundred.
    min_qty, min_notional : float or mapping of symbol to float, units and account currency
        A smaller order is not made, not even one that closes a position.
    cost_rate : float or mapping of symbol to float, fraction of the notional
        Leaves the cash with each order.

    Returns
    -------
    Dataset
        Dims (time, symbol): ``order_qty`` (signed units; wanted position and order rounded towards zero),
        ``position`` after it, ``weight_before`` and ``weight_after`` of the order, ``delta`` (wanted weight
        less ``weight_before``), and ``rounding``: what lots, minima and missing prices leave over, a line of
        its own beside the models, which add up with it to ``weight_after``. Dims (time,): ``equity`` before
        the bar's orders.

    Raises
    ------
    DataError, ConfigError
        If prices are missing, or a number is not possible; names it.
    """
    symbols = [str(symbol) for symbol in result["symbol"].values]
    price = price_block(prices, result)
    rules = OrderRules(
        per_symbol("lots", lots, symbols, above=0.0),
        per_symbol("min_qty", min_qty, symbols),
        per_symbol("min_notional", min_notional, symbols),
        per_symbol("cost_rate", cost_rate, symbols),
    )
    if not (np.isfinite(equity) and equity > 0.0):
        raise ConfigError(f"`equity` was {equity}, must be an amount above 0")
    held = by_symbol("positions", positions, symbols)
    is_unknown = (held != 0.0) & ~(np.isfinite(price[0]) & (price[0] > 0.0))
    if is_unknown.any():
        i = int(np.flatnonzero(is_unknown)[0])
        raise DataError(f"`prices` has none for {symbols[i]!r} on the first bar, where {held[i]:g} are held")
    cash = equity - float(np.sum(held * np.where(held != 0.0, price[0], 0.0)))
    state = OrderState(held, np.full(held.size, np.nan), np.array([cash]))
    weight = np.ascontiguousarray(result["weight"].sel(stage=STAGES[-1]).transpose("time", "symbol").values)
    qty, position, weight_before, weight_after = (np.empty(weight.shape) for _ in range(4))
    values = np.empty(weight.shape[0])
    orders_run(weight, price, rules, state, qty, position, weight_before, weight_after, values)
    dims = ("time", "symbol")
    return xr.Dataset(
        {
            "order_qty": (dims, qty),
            "position": (dims, position),
            "weight_before": (dims, weight_before),
            "weight_after": (dims, weight_after),
            "delta": (dims, weight - weight_before),
            "rounding": (dims, weight_after - weight),
            "equity": (("time",), values),
        },
        coords={"time": result["time"].values, "symbol": symbols},
    )
