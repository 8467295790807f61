"""What the page draws of a run: equity with its drawdown, and candles with entries, exits and stops."""

from typing import Any

import numpy as np
import pandas as pd

from ...kernels.types import FloatArray, IntArray
from ..run import Run
from . import formats
from .candles import Candles, decision_candles
from .curves import equity_curves

MAX_CANDLES = 60_000  # of all symbols together
MAX_CANDLES_PER_SYMBOL = 6_000  # more than this, and a browser pans slowly
_MS = 1_000_000


def equity_figure(run: Run) -> dict[str, Any]:
    """Equity and drawdown of every account and of their mean, beside buy and hold."""
    curves = equity_curves(run)
    symbols = [str(symbol) for symbol in run.market["symbol"].values]
    views = [
        _curve(symbol, *parts)
        for symbol, *parts in zip(
            symbols,
            curves.accounts,
            curves.held,
            curves.account_drawdowns,
            curves.held_drawdowns,
            strict=True,
        )
    ]
    if len(symbols) > 1:
        name = f"mean of {len(symbols)} accounts"
        mean = _curve(name, curves.mean, curves.mean_held, curves.mean_drawdown, curves.mean_held_drawdown)
        views = [mean, *views]
    return {
        "time": (curves.time // _MS).tolist(),
        "initial_cash": run.initial_cash,
        "views": views,
        "unit": curves.unit,
    }


def candle_figure(run: Run) -> dict[str, Any]:
    """Candles of every symbol with what the run did on them, the most traded symbol first to be seen."""
    symbols = [str(symbol) for symbol in run.market["symbol"].values]
    room = min(MAX_CANDLES_PER_SYMBOL, max(1, MAX_CANDLES // len(symbols)))
    seen = decision_values(run)
    charts, times, n_left_out = [], list[list[int]](), 0
    for symbol in symbols:
        every = decision_candles(run, symbol)
        candles = every.latest(room)
        n_left_out = max(n_left_out, len(every.ts_ns) - len(candles.ts_ns))
        time = (candles.ts_ns // _MS).tolist()
        if time not in times:
            times.append(time)
        charts.append({"times": times.index(time), **_chart(run, candles, seen)})
    n_trades = run.trades["symbol"].value_counts()
    first = max(range(len(symbols)), key=lambda i: int(n_trades.get(symbols[i], 0)))
    return {
        "timeframe": run.decision_timeframe,
        "times": times,
        "charts": charts,
        "first": first,
        "note": f"The latest {formats.count(room)} candles of each symbol." if n_left_out else "",
    }


def decision_values(run: Run) -> dict[str, str]:
    """What the rule saw when it made each market order, as text, by client order id."""
    names = list(run.decisions.columns[run.decisions.columns.get_loc("outcome") + 1 :])
    if not names or not len(run.orders):
        return {}
    market = run.orders[run.orders["kind"] == "market"][["client_order_id", "symbol", "time"]]
    table = market.merge(run.decisions[["symbol", "time", *names]], on=["symbol", "time"], how="inner")
    return {
        str(order.client_order_id): " · ".join(
            f"{name} {value:.5g}" for name, value in zip(names, order[4:], strict=True) if not np.isnan(value)
        )
        for order in table.itertuples(name="Seen")
    }


def _curve(
    name: str, account: FloatArray, held: FloatArray, drawdown: FloatArray, held_drawdown: FloatArray
) -> dict[str, Any]:
    return {
        "name": name,
        "account": _rounded(account, 2),
        "held": _rounded(held, 2),
        "drawdown": _rounded(drawdown, 5),
        "held_drawdown": _rounded(held_drawdown, 5),
    }


def _chart(run: Run, candles: Candles, seen: dict[str, str]) -> dict[str, Any]:
    digits = _price_digits(candles.ohlc)
    opened, high, low, close = (_rounded(column, digits) for column in candles.ohlc.T)
    has_line = bool(np.isfinite(candles.line).any())
    return {
        "symbol": candles.symbol,
        "open": opened,
        "high": high,
        "low": low,
        "close": close,
        "kama": _rounded(candles.line, digits) if has_line else [],
        "stop": _rounded(candles.stop, digits),
        "fills": _fills(run, candles, seen),
        "trades": _trades(run, candles),
        "refusals": _refusals(run, candles),
    }


def _fills(run: Run, candles: Candles, seen: dict[str, str]) -> list[dict[str, Any]]:
    """Executions inside the candles, with everything there is to say on hover."""
    own = run.fills[run.fills["symbol"] == candles.symbol]
    index = candles.index_of(_ns(own["time"]))
    distance = dict(zip(run.orders["client_order_id"], run.orders["stop_distance"], strict=True))
    closed = _trades_by_exit(run, candles.symbol)
    found = []
    for i, when, fill in zip(index, _ns(own["time"]), own.itertuples(), strict=True):
        if i < 0:
            continue
        is_buy = fill.side > 0
        lines = [f"{'BUY' if is_buy else 'SELL'} {formats.quantity(fill.qty)} @ {formats.price(fill.price)}"]
        lines.append(str(fill.reason))
        stop_distance = float(distance.get(fill.client_order_id, np.nan)) if is_buy else np.nan
        if not np.isnan(stop_distance):
            stop = formats.price(fill.price - stop_distance)
            lines.append(f"stop {stop}, at risk {formats.amount(fill.qty * stop_distance)}")
        pnl, words = closed.get(int(when), (np.nan, "")) if not is_buy else (np.nan, "")
        found.append(
            {
                "i": int(i),
                "ms": int(when) // _MS,
                "price": float(fill.price),
                "kind": "buy" if is_buy else "gain" if pnl > 0.0 else "loss",
                "lines": [*lines, words] if words else lines,
                "seen": seen.get(fill.client_order_id, ""),
            }
        )
    return found


def _trades(run: Run, candles: Candles) -> list[dict[str, Any]]:
    """Round trips that end inside the candles: where each began and ended."""
    own = run.trades[run.trades["symbol"] == candles.symbol]
    entries, exits = candles.index_of(_ns(own["entry_time"])), candles.index_of(_ns(own["exit_time"]))
    return [
        {
            "from": int(entry),
            "to": int(exit_),
            "ms": int(when) // _MS,
            "entry": float(trade.entry_price),
            "exit": float(trade.exit_price),
            "gain": bool(trade.pnl > 0.0),
        }
        for entry, exit_, when, trade in zip(
            entries, exits, _ns(own["entry_time"]), own.itertuples(), strict=True
        )
        if entry >= 0 and exit_ >= 0
    ]


def _refusals(run: Run, candles: Candles) -> list[dict[str, Any]]:
    """Signals that a gate or a limit refused: the candle after whose close it happened, and why."""
    own = run.decisions[run.decisions["symbol"] == candles.symbol]
    denied = own["outcome"].str.startswith("denied")
    words = own["reason"].where(~denied, own["outcome"])
    refused = words[denied | words.str.startswith("refused")]
    index = candles.index_of(_ns(own["time"][refused.index]))
    return [{"i": int(i), "why": str(why)} for i, why in zip(index, refused, strict=True) if i >= 0]


def _trades_by_exit(run: Run, symbol: str) -> dict[int, tuple[float, str]]:
    """What each round trip of a symbol made, as a number and in words, by the time of its exit."""
    own = run.trades[run.trades["symbol"] == symbol]
    return {
        int(when): (
            float(trade.pnl),
            f"{formats.amount(trade.pnl, sign=True)} ({formats.percent(trade.pnl_fraction, sign=True)})",
        )
        for when, trade in zip(_ns(own["exit_time"]), own.itertuples(), strict=True)
    }


def _price_digits(ohlc: FloatArray) -> int:
    """Decimals that a price needs: cents, or five significant digits below ten."""
    if not ohlc.size:
        return 2
    smallest = float(ohlc.min())
    return 2 if smallest >= 10.0 or smallest <= 0.0 else min(12, 4 - int(np.floor(np.log10(smallest))))


def _rounded(values: FloatArray, digits: int) -> list[float]:
    rounded: list[float] = np.round(values, digits).tolist()
    return rounded


def _ns(times: "pd.Series[Any]") -> IntArray:
    ns: IntArray = times.to_numpy().astype("datetime64[ns]").view(np.int64)
    return ns
