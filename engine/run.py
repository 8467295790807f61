"""A run in full detail: equity, orders, fills, trades, decisions, read off the tape."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..kernels.intent import ENTER, ENTER_SHORT, LEAVE, TRAIL
from ..kernels.risk import ACCEPTED, OUTCOMES
from ..kernels.tape import TAPE
from ..kernels.types import FloatArray, IntArray
from .strategy import Strategy

ACTIONS = {
    0: "hold",
    int(ENTER): "enter",
    int(LEAVE): "leave",
    int(TRAIL): "trail",
    int(ENTER_SHORT): "enter_short",
}
STOPPED_OUT = "protective stop"
TEXT = frozenset(
    {
        "symbol",
        "kind",
        "reason",
        "mode",
        "entry_reason",
        "exit_reason",
        "action",
        "outcome",
        "client_order_id",
    }
)


@dataclass(frozen=True)
class Run:
    """One trial over one or more symbols, with everything that happened.

    Times are UTC closes of bars; a fill carries the close of the bar in which it happened.
    """

    strategy: str
    params: dict[str, float]
    decision_timeframe: str
    initial_cash: float
    market: xr.Dataset
    metrics: xr.Dataset  # (symbol)
    equity: xr.DataArray  # (symbol, time), account currency
    stops: xr.DataArray  # (symbol, time), quote currency; NaN when flat
    trades: pd.DataFrame  # `side` +1 long, -1 short; `pnl` is net of the fills' costs
    fills: pd.DataFrame
    orders: pd.DataFrame
    decisions: pd.DataFrame
    attrs: dict[str, Any]  # provenance

    def refusals(self) -> pd.Series:
        """How often each gate or limit stood in the way of a signal."""
        table = self.decisions
        words = table["reason"].where(table["reason"].str.startswith("refused"), "")
        words = words.where(~table["outcome"].str.startswith("denied"), table["outcome"])
        return words[words != ""].value_counts()


@dataclass(frozen=True)
class SymbolTape:
    """The tape of one symbol beside what is needed to read it."""

    symbol: str
    close_ns: IntArray
    tape: FloatArray  # (n_bars, TAPE_FIELDS)
    decision_row: IntArray  # (n_bars,): row of the feature table, -1 where none
    features: FloatArray  # (n_decision_bars, n_names)
    names: Sequence[str]


def client_order_id(symbol: str, ts_ns: int, leg: str) -> str:
    """Our own id of an order, made before it is sent: the same decision always makes the same id."""
    return f"fh-{symbol}-{ts_ns}-{leg}"


def _column(part: SymbolTape, rows: IntArray, name: str) -> FloatArray:
    values: FloatArray = part.tape[rows, TAPE[name]]
    return values


def _words(codes: FloatArray, word: Callable[[float], str]) -> pd.Series:
    """A word for every code; there are few codes and many rows."""
    whole = codes.astype(np.int64)
    table = np.empty(int(whole.max(initial=0)) + 1, dtype=object)
    for code in np.flatnonzero(np.bincount(whole)):
        table[code] = word(float(code))
    return pd.Series(table[whole], dtype=object)  # pandas would make text of it, and we objects again


def _same_word(word: str, n: int) -> pd.Series:
    return pd.Series(np.full(n, word, dtype=object), dtype=object)


def read_fills(part: SymbolTape, strategy: Strategy) -> pd.DataFrame:
    """Executions, oldest first; within one bar the market order at its open comes before the stop."""
    frames = []
    for kind in ("order", "stop"):
        rows = np.flatnonzero(part.tape[:, TAPE[f"{kind}_qty"]])
        qty = _column(part, rows, f"{kind}_qty")
        price = _column(part, rows, f"{kind}_price")
        commission = _column(part, rows, f"{kind}_commission")
        slippage = np.abs(qty) * np.abs(price - _column(part, rows, f"{kind}_reference"))
        side = np.sign(qty).astype(np.int64)
        reasons = (
            _words(_column(part, rows, "order_reason"), strategy.reason)
            if kind == "order"
            else [STOPPED_OUT] * len(rows)
        )
        frames.append(
            pd.DataFrame(
                {
                    "row": rows,
                    "leg": 0 if kind == "order" else 1,
                    "side": side,
                    "qty": np.abs(qty),
                    "price": price,
                    "commission": commission,
                    "cost": commission + slippage,
                    "kind": "market" if kind == "order" else "stop",
                    "reason": reasons,
                    "mode": _column(part, rows, "order_mode") if kind == "order" else np.nan,
                }
            )
        )
    fills = pd.concat(frames).sort_values(["row", "leg"], ignore_index=True)
    fills.insert(0, "symbol", part.symbol)
    fills.insert(1, "time", part.close_ns[fills["row"].to_numpy(dtype=np.int64)].astype("datetime64[ns]"))
    decided = _deciding_rows(part)
    ids, entry_id = [], ""
    for i, (row, kind) in enumerate(zip(fills["row"], fills["kind"], strict=True)):
        if kind == "stop":
            ids.append(f"{entry_id}-stop")
            continue
        decision = decided[np.searchsorted(decided, row, side="left") - 1]
        is_entry = i % 2 == 0  # each fill opens a position or closes the whole of it
        ids.append(
            client_order_id(part.symbol, int(part.close_ns[decision]), "enter" if is_entry else "leave")
        )
        entry_id = ids[-1] if is_entry else entry_id
    fills["client_order_id"] = pd.Series(ids, dtype=object)
    return fills


def _deciding_rows(part: SymbolTape) -> IntArray:
    """Rows whose decision made an order."""
    made = (part.tape[:, TAPE["outcome"]] == ACCEPTED) & (part.tape[:, TAPE["decided_qty"]] > 0.0)
    return np.flatnonzero(made)


def read_trades(fills: pd.DataFrame, strategy: Strategy) -> pd.DataFrame:
    """Round trips of one symbol: each entry with the exit that closed it; the open one is left out."""
    exits = fills.iloc[1::2].reset_index(drop=True)
    entries = fills.iloc[::2].reset_index(drop=True).iloc[: len(exits)]
    side = entries["side"].to_numpy()
    paid = side * entries["qty"].to_numpy() * entries["price"].to_numpy() + entries["commission"].to_numpy()
    got = side * exits["qty"].to_numpy() * exits["price"].to_numpy() - exits["commission"].to_numpy()
    return pd.DataFrame(
        {
            "symbol": entries["symbol"],
            "entry_time": entries["time"],
            "exit_time": exits["time"],
            "side": side,
            "qty": entries["qty"],
            "entry_price": entries["price"],
            "exit_price": exits["price"],
            "pnl": got - paid,
            "pnl_fraction": (got - paid) / np.abs(paid),
            "costs": entries["cost"].to_numpy() + exits["cost"].to_numpy(),
            "mode": _words(entries["mode"].to_numpy(dtype=np.float64), strategy.mode),
            "entry_reason": entries["reason"],
            "exit_reason": exits["reason"],
            "bars_held": exits["row"].to_numpy(dtype=np.int64) - entries["row"].to_numpy(dtype=np.int64),
        }
    )


def read_decisions(part: SymbolTape, strategy: Strategy) -> pd.DataFrame:
    """Every time the rule was asked, what it answered, what became of it, and what it saw."""
    rows = np.flatnonzero(part.tape[:, TAPE["decided"]])
    table = {
        "symbol": _same_word(part.symbol, len(rows)),
        "time": part.close_ns[rows].astype("datetime64[ns]"),
        "action": _words(_column(part, rows, "action"), lambda code: ACTIONS[int(code)]),
        "reason": _words(_column(part, rows, "reason"), strategy.reason),
        "qty": _column(part, rows, "decided_qty"),
        "stop_price": _stop_or_nan(part, rows),
        "outcome": _words(_column(part, rows, "outcome"), lambda code: OUTCOMES[int(code)]),
    }
    seen = part.features[part.decision_row[rows]]
    return pd.DataFrame(table | {name: seen[:, i] for i, name in enumerate(part.names)})


def _stop_or_nan(part: SymbolTape, rows: IntArray) -> FloatArray:
    return np.where(_column(part, rows, "qty") != 0.0, _column(part, rows, "stop"), np.nan)


def read_orders(part: SymbolTape, fills: pd.DataFrame, strategy: Strategy) -> pd.DataFrame:
    """Orders that decisions made, and the protective stop of each entry, with what became of them."""
    rows = _deciding_rows(part)
    action = _column(part, rows, "action")
    opens = (action == ENTER) | (action == ENTER_SHORT)
    closing = np.where(_column(part, rows, "qty") > 0.0, -1, 1)
    side = np.where(opens, np.where(action == ENTER, 1, -1), closing)
    ids = [
        client_order_id(part.symbol, int(part.close_ns[row]), "enter" if is_entry else "leave")
        for row, is_entry in zip(rows, opens, strict=True)
    ]
    orders = pd.DataFrame(
        {
            "row": rows,
            "symbol": part.symbol,
            "time": part.close_ns[rows].astype("datetime64[ns]"),
            "side": side,
            "qty": _column(part, rows, "decided_qty"),
            "kind": "market",
            "reason": _words(_column(part, rows, "reason"), strategy.reason),
            "stop_distance": np.where(opens, _column(part, rows, "stop_distance"), np.nan),
            "client_order_id": pd.Series(ids, dtype=object),
            "opens": opens,
        }
    )
    entries = fills.iloc[::2]
    distance = dict(zip(orders["client_order_id"], orders["stop_distance"], strict=True))
    stops = pd.DataFrame(
        {
            "row": entries["row"],
            "symbol": part.symbol,
            "time": entries["time"],
            "side": -entries["side"],
            "qty": entries["qty"],
            "kind": "stop",
            "reason": STOPPED_OUT,
            "stop_distance": [distance[name] for name in entries["client_order_id"]],
            "client_order_id": entries["client_order_id"] + "-stop",
            "opens": False,
        }
    )
    both = pd.concat([orders, stops.astype(orders.dtypes.to_dict())]).sort_values(
        "row", kind="stable", ignore_index=True
    )
    filled = dict(zip(fills["client_order_id"], fills["qty"], strict=True))
    held = bool(len(part.tape)) and part.tape[-1, TAPE["qty"]] != 0.0
    last_stop = f"{entries['client_order_id'].iloc[-1]}-stop" if len(entries) else ""
    settled = np.flatnonzero(part.tape[:, TAPE["order_done"]])
    stopped = np.flatnonzero(part.tape[:, TAPE["stop_qty"]])  # a stop-out cancels a working exit
    last_settled = max([-1, *settled[-1:], *stopped[-1:]])
    both["outcome"] = [
        _order_outcome(
            order,
            filled,
            working=order.row >= last_settled,
            resting=held and order.client_order_id == last_stop,
        )
        for order in both.itertuples()
    ]
    return both.drop(columns=["row", "opens"])


def _order_outcome(order: Any, filled: Mapping[str, float], *, working: bool, resting: bool) -> str:
    got = filled.get(order.client_order_id)
    if got is not None:
        return "filled" if got == order.qty else f"filled {got:g} of {order.qty:g}: cash"
    if order.kind == "stop":
        return "working" if resting else "cancelled: position closed"
    if working:
        return "working"
    return "rejected: cash below one lot" if order.opens else "cancelled: stopped out first"


def read_run(
    parts: Sequence[SymbolTape],
    strategy: Strategy,
    *,
    params: dict[str, float],
    decision_timeframe: str,
    initial_cash: float,
    market: xr.Dataset,
    metrics: Mapping[str, FloatArray],
    attrs: dict[str, Any],
) -> Run:
    """Assemble the run of all symbols."""
    symbols = market["symbol"].values
    trades, fills, orders, decisions = [], [], [], []
    for part in parts:
        own = read_fills(part, strategy)
        fills.append(own)
        trades.append(read_trades(own, strategy))
        orders.append(read_orders(part, own, strategy))
        decisions.append(read_decisions(part, strategy))
    everything = np.arange(market.sizes["time"])
    coords = {"symbol": symbols, "time": market["time"].values}
    equity = np.array([_column(part, everything, "equity") for part in parts])
    stops = np.array([_stop_or_nan(part, everything) for part in parts])
    all_fills = _stack([own.drop(columns=["row", "leg", "mode"]) for own in fills])
    return Run(
        strategy=strategy.name,
        params=params,
        decision_timeframe=decision_timeframe,
        initial_cash=initial_cash,
        market=market,
        metrics=xr.Dataset(
            {
                name: ("symbol", values.astype(np.int64) if name == "n_trades" else values)
                for name, values in metrics.items()
            },
            coords={"symbol": symbols},
        ),
        equity=xr.DataArray(equity, dims=("symbol", "time"), coords=coords, name="equity"),
        stops=xr.DataArray(stops, dims=("symbol", "time"), coords=coords, name="stop"),
        trades=_stack(trades),
        fills=all_fills,
        orders=_stack(orders),
        decisions=_stack(decisions),
        attrs=attrs,
    )


def _stack(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table; empty ones are left out first and text is cast: they must not change a column's type."""
    full = [frame for frame in frames if len(frame)]
    whole = pd.concat(full, ignore_index=True) if full else frames[0]
    return whole.astype({name: object for name in whole.columns if name in TEXT})
