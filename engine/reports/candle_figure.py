"""What the page draws of the trading: candles with entries, exits, stops, and signals that were refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...kernels.types import FloatArray, IntArray
from ..run import Run
from . import formats
from .candles import Candles, decision_candles
from .cube_figure import significant

MAX_CANDLES = 40_000  # of all symbols together
MAX_CANDLES_PER_SYMBOL = 6_000  # more than this, and a browser pans slowly
_MS = 1_000_000
_VERBS = {(True, True): "BUY", (True, False): "SELL SHORT", (False, False): "SELL", (False, True): "BUY BACK"}


@dataclass(frozen=True)
class _Story:
    """What happened to one symbol, and what is known of its orders by their ids."""

    fills: pd.DataFrame
    trades: pd.DataFrame
    decisions: pd.DataFrame
    stop_distances: Mapping[str, float]
    seen: Mapping[str, list[float]]


def candle_figure(run: Run) -> dict[str, Any]:
    """Candles of every symbol with what the run did on them; `first` is the most traded symbol."""
    symbols = [str(symbol) for symbol in run.market["symbol"].values]
    room = min(MAX_CANDLES_PER_SYMBOL, max(1, MAX_CANDLES // len(symbols)))
    stories = _stories(run, symbols)
    charts: list[dict[str, Any]] = []
    times: list[list[int]] = []  # symbols that share a clock share its list
    n_left_out = 0
    for symbol in symbols:
        every = decision_candles(run, symbol)
        candles = every.latest(room)
        n_left_out = max(n_left_out, every.ts_ns.size - candles.ts_ns.size)
        time = (candles.ts_ns // _MS).tolist()
        if time not in times:
            times.append(time)
        charts.append({"times": times.index(time), **_chart(candles, stories[symbol])})
    n_trades = [len(stories[symbol].trades) for symbol in symbols]
    return {
        "timeframe": run.decision_timeframe,
        "features": feature_names(run),
        "times": times,
        "charts": charts,
        "first": n_trades.index(max(n_trades)),
        "note": f"The latest {formats.count(room)} candles of each symbol." if n_left_out else "",
    }


def feature_names(run: Run) -> list[str]:
    """Features in the table of decisions: its last columns."""
    columns = run.decisions.columns
    return [str(name) for name in columns[columns.get_loc("outcome") + 1 :]]


def values_seen(run: Run) -> dict[str, list[float]]:
    """What the rule saw when it made each market order, in the order of `feature_names`, by order id."""
    names = feature_names(run)
    market = run.orders[run.orders["kind"] == "market"][["client_order_id", "symbol", "time"]]
    table = market.merge(run.decisions[["symbol", "time", *names]], on=["symbol", "time"], how="inner")
    values = significant(table[names].to_numpy(dtype=np.float64), 5)
    return dict(zip(table["client_order_id"], values.tolist(), strict=True))


def _stories(run: Run, symbols: list[str]) -> dict[str, _Story]:
    fills, trades, decisions = (
        dict(tuple(table.groupby("symbol"))) for table in (run.fills, run.trades, run.decisions)
    )
    distances = dict(zip(run.orders["client_order_id"], run.orders["stop_distance"], strict=True))
    seen = values_seen(run)
    return {
        symbol: _Story(
            fills.get(symbol, run.fills.iloc[:0]),
            trades.get(symbol, run.trades.iloc[:0]),
            decisions.get(symbol, run.decisions.iloc[:0]),
            distances,
            seen,
        )
        for symbol in symbols
    }


def _chart(candles: Candles, story: _Story) -> dict[str, Any]:
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
        "fills": _fills(candles, story),
        "trades": _trades(candles, story.trades),
        "refusals": _refusals(candles, story.decisions),
    }


def _fills(candles: Candles, story: _Story) -> list[dict[str, Any]]:
    """Executions inside the candles, with everything there is to say on hover."""
    time_ns = _ns(story.fills["time"])
    results = _results_by_exit(story.trades)
    found = []
    entry = (np.arange(len(time_ns)) % 2 == 0).tolist()  # fills open and close in turn
    for i, when, is_entry, fill in zip(
        candles.index_of(time_ns), time_ns, entry, story.fills.itertuples(), strict=True
    ):
        if i < 0:
            continue
        is_buy = fill.side > 0
        verb = _VERBS[is_entry, is_buy]
        lines = [f"{verb} {formats.quantity(fill.qty)} @ {formats.price(fill.price)}", str(fill.reason)]
        kind = "buy" if is_buy else "short"
        if is_entry:
            distance = float(story.stop_distances.get(fill.client_order_id, np.nan))
            if not np.isnan(distance):
                risk = formats.amount(fill.qty * distance)
                lines.append(f"stop {formats.price(fill.price - fill.side * distance)}, at risk {risk}")
        else:
            pnl, words = results.get(int(when), (np.nan, ""))
            kind = "gain" if pnl > 0.0 else "loss"
            lines.append(words)
        found.append(
            {
                "i": int(i),
                "ms": int(when) // _MS,
                "price": float(fill.price),
                "kind": kind,
                "up": is_buy,
                "lines": lines,
                "seen": story.seen.get(fill.client_order_id, []),
            }
        )
    return found


def _trades(candles: Candles, trades: pd.DataFrame) -> list[dict[str, Any]]:
    """Round trips inside the candles: where each began and ended."""
    entry_ns, exit_ns = _ns(trades["entry_time"]), _ns(trades["exit_time"])
    entries, exits = candles.index_of(entry_ns), candles.index_of(exit_ns)
    return [
        {
            "from": int(entry),
            "to": int(exit_),
            "ms": int(when) // _MS,
            "entry": float(trade.entry_price),
            "exit": float(trade.exit_price),
            "gain": bool(trade.pnl > 0.0),
        }
        for entry, exit_, when, trade in zip(entries, exits, entry_ns, trades.itertuples(), strict=True)
        if entry >= 0 and exit_ >= 0
    ]


def _refusals(candles: Candles, decisions: pd.DataFrame) -> dict[str, list[Any]]:
    """Signals that a gate or a limit refused: candles after whose close it happened, and why."""
    denied = decisions["outcome"].str.startswith("denied")
    words = decisions["reason"].where(~denied, decisions["outcome"])
    refused = denied | words.str.startswith("refused")
    index = candles.index_of(_ns(decisions["time"][refused]))
    codes, known = pd.factorize(words[refused][index >= 0])
    return {"i": index[index >= 0].tolist(), "why": codes.tolist(), "words": [str(word) for word in known]}


def _results_by_exit(trades: pd.DataFrame) -> dict[int, tuple[float, str]]:
    """What each round trip made, as a number and in words, by the time of its exit."""
    return {
        int(when): (
            float(trade.pnl),
            f"{formats.amount(trade.pnl, sign=True)} ({formats.percent(trade.pnl_fraction, sign=True)})",
        )
        for when, trade in zip(_ns(trades["exit_time"]), trades.itertuples(), strict=True)
    }


def _price_digits(ohlc: FloatArray) -> int:
    """Decimals that a price needs: cents, or five significant digits below ten."""
    smallest = float(ohlc.min()) if ohlc.size else np.inf
    return 2 if smallest >= 10.0 or smallest <= 0.0 else min(12, 4 - int(np.floor(np.log10(smallest))))


def _rounded(values: FloatArray, digits: int) -> list[float]:
    rounded: list[float] = np.round(values, digits).tolist()
    return rounded


def _ns(times: "pd.Series[Any]") -> IntArray:
    ns: IntArray = times.to_numpy().astype("datetime64[ns]").view(np.int64)
    return ns
