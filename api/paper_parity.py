"""Paper against backtest: is what the ledger holds the very run that a backtest of the same rows gives?

Equal means to the bit: every trade, fill, order and decision with all its numbers, and the equity at every
close. The first difference is told with both values.
"""

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ..engine.executions import status_of
from ..engine.records import ACCOUNT
from ..engine.run import Run
from ..engine.strategy import Strategy
from ..store.ledger import Ledger

Row = dict[str, Any]


class Comparison(NamedTuple):
    """One kind of record, on both sides."""

    what: str
    n_paper: int
    n_backtest: int
    difference: str  # the first one, in words; empty where all is equal to the bit

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.difference

    def sentence(self) -> str:
        """The finding for a person."""
        if self.is_equal:
            return f"{self.what}: all {self.n_backtest:,} equal to the bit"
        counts = f"{self.n_paper:,} on paper, {self.n_backtest:,} in the backtest"
        return f"{self.what}: NOT equal ({counts}): {self.difference}"


def compare_with_backtest(ledger: Ledger, run_id: str, run: Run, strategy: Strategy) -> list[Comparison]:
    """Compare a paper run's ledger with the backtest of the same rows.

    Parameters
    ----------
    ledger : Ledger
    run_id : str
    run : Run
        The backtest.
    strategy : Strategy
        Whose words name the modes of trades.

    Returns
    -------
    list of Comparison
        Trades, fills, orders, decisions, equity.
    """
    sides: dict[str, tuple[Iterable[Row], Iterable[Row], tuple[str, ...]]] = {
        "trades": (_paper_trades(ledger, run_id, strategy), _table(run.trades), ("symbol", "exit_time")),
        "fills": (_paper_fills(ledger, run_id), _table(run.fills), ("symbol", "time", "client_order_id")),
        "orders": (_paper_orders(ledger, run_id), _backtest_orders(run), ("client_order_id",)),
        "decisions": (_paper_decisions(ledger, run_id), _table(run.decisions), ("symbol", "time")),
    }
    found = [_compare(what, *side) for what, side in sides.items()]
    return [*found, _compare_equity(ledger, run_id, run.equity)]


def _compare(what: str, paper: Iterable[Row], backtest: Iterable[Row], key: tuple[str, ...]) -> Comparison:
    """Match rows by their key; a column that only one side knows is not compared."""
    mine = {tuple(row[name] for name in key): row for row in paper}
    theirs = {tuple(row[name] for name in key): row for row in backtest}
    return Comparison(what, len(mine), len(theirs), _first_difference(mine, theirs))


def _first_difference(mine: Mapping[tuple[Any, ...], Row], theirs: Mapping[tuple[Any, ...], Row]) -> str:
    for key, row in theirs.items():
        if key not in mine:
            return f"{_words(key)} is missing on paper"
        for name, value in mine[key].items():
            if name in row and _bits(value) != _bits(row[name]):
                return f"{_words(key)}: `{name}` is {value!r} on paper and {row[name]!r} in the backtest"
    extra = next((key for key in mine if key not in theirs), None)
    return "" if extra is None else f"{_words(extra)} is missing in the backtest"


def _bits(value: Any) -> Any:
    """A value that is equal exactly where the bits are; all NaN are one."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack("<d", value)
    return value


def _words(key: tuple[Any, ...]) -> str:
    return " ".join(str(np.datetime64(part, "ns")) if isinstance(part, int) else str(part) for part in key)


def _table(frame: pd.DataFrame) -> Iterator[Row]:
    """Rows of plain values; times in nanoseconds."""
    columns: dict[str, list[Any]] = {}
    for name in frame.columns:
        values = frame[name]
        is_time = np.issubdtype(values.dtype, np.datetime64) if isinstance(values.dtype, np.dtype) else False
        columns[str(name)] = (
            values.astype("datetime64[ns]").astype(np.int64) if is_time else values
        ).tolist()
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _paper_trades(ledger: Ledger, run_id: str, strategy: Strategy) -> Iterator[Row]:
    return (
        {
            "symbol": trade.symbol,
            "entry_time": trade.entry_ts_ns,
            "exit_time": trade.exit_ts_ns,
            "side": trade.side,
            "qty": trade.qty,
            "entry_price": trade.entry_price,
            "exit_price": trade.exit_price,
            "pnl": trade.pnl,
            "costs": trade.costs,
            "mode": strategy.mode(trade.mode),
            "entry_reason": trade.entry_reason,
            "exit_reason": trade.exit_reason,
        }
        for trade in ledger.trades(run_id)
    )


def _paper_fills(ledger: Ledger, run_id: str) -> Iterator[Row]:
    names = ("client_order_id", "symbol", "side", "qty", "price", "cost", "kind", "reason")
    return (_picked(fill, names) | {"time": fill.ts_ns} for fill in ledger.fills(run_id))


def _paper_orders(ledger: Ledger, run_id: str) -> Iterator[Row]:
    names = (
        *("client_order_id", "symbol", "side", "qty", "kind", "reason", "status"),
        *("stop_distance", "limit_price", "trigger_price", "good_for_day"),
    )
    orders = {order.client_order_id: order for order in ledger.orders(run_id)}
    for name, order in orders.items():
        row = _picked(order, names) | {"time": order.ts_ns}
        if order.kind == "target":
            del row["limit_price"]  # where it rests; a backtest tells it by the fill
            entry = orders[name.removesuffix("-target")]
            if math.isnan(entry.target_distance) and order.status != "filled":
                continue  # the rule set it later: a backtest lists it once it is filled
        yield row


def _backtest_orders(run: Run) -> Iterator[Row]:
    return (row | {"status": status_of(row["outcome"])} for row in _table(run.orders))


def _paper_decisions(ledger: Ledger, run_id: str) -> Iterator[Row]:
    names = ("symbol", "action", "reason", "qty", "stop_price", "outcome")
    return (
        _picked(decision, names) | {"time": decision.ts_ns} | decision.values
        for decision in ledger.decisions(run_id)
    )


def _picked(record: Any, names: tuple[str, ...]) -> Row:
    return {name: getattr(record, name) for name in names}


def _compare_equity(ledger: Ledger, run_id: str, equity: xr.DataArray) -> Comparison:
    """Every close of every account."""
    times = equity["time"].values.astype("datetime64[ns]").astype(np.int64)
    n_paper, difference = 0, ""
    if "symbol" not in equity.dims:  # one account for all
        equity = equity.expand_dims(symbol=[ACCOUNT])
    for symbol in (str(name) for name in equity["symbol"].values):
        points = ledger.equity(run_id, symbol=symbol)
        n_paper += len(points)
        mine = {point.ts_ns: point.equity for point in points}
        theirs = equity.sel(symbol=symbol).values.astype(np.float64).tolist()
        difference = difference or _first_difference(
            {(symbol, ts_ns): {"equity": value} for ts_ns, value in mine.items()},
            {(symbol, ts_ns): {"equity": value} for ts_ns, value in zip(times.tolist(), theirs, strict=True)},
        )
    return Comparison("equity at every close", n_paper, int(equity.size), difference)
