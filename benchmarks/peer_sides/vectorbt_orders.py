"""vectorbt's side of the parity check: given signals, traded at the next open, every trade kept.

Two ways, which share nothing but the function that executes an order. ``signals`` is `Portfolio.from_signals`
with the sizes that the other side decided; cash, cuts, fills and fees are vectorbt's. ``orders`` is
`Portfolio.from_order_func`, which works out the sizes as well, from vectorbt's own account.

vectorbt knows no commission per share. As a fraction of the value it is ``per_share / price``, with the price
that is paid: slippage is known from the side of the order, and the side from the signal.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import vectorbt as vbt
from numba import njit
from serve import serve
from vectorbt.portfolio.enums import Direction, NoOrder, OppositeEntryMode, TradeStatus
from vectorbt.portfolio.nb import order_nb

FOLDER = Path(sys.argv[1])
BUY, LEAVE_LONG, SELL_SHORT, LEAVE_SHORT = 1.0, 2.0, 3.0, 4.0


def _read(name: str) -> dict[str, Any]:
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def _next_bar(values: Any, nothing: float) -> Any:
    """What is decided at a close trades at the next open."""
    moved = np.full_like(values, nothing)
    moved[1:] = values[:-1]
    return moved


def _taken(pf: Any) -> dict[str, Any]:
    """Every finished trade, and equity at each close."""
    trades = pf.trades.records
    trades = trades[trades["status"] == TradeStatus.Closed].sort_values(["col", "entry_idx"])
    return {
        "symbol": trades["col"].to_numpy(),
        "entry_bar": trades["entry_idx"].to_numpy(),
        "exit_bar": trades["exit_idx"].to_numpy(),
        "side": np.where(trades["direction"] == 0, 1, -1),
        "size": trades["size"].to_numpy(),
        "entry_price": trades["entry_price"].to_numpy(),
        "exit_price": trades["exit_price"].to_numpy(),
        "entry_fees": trades["entry_fees"].to_numpy(),
        "exit_fees": trades["exit_fees"].to_numpy(),
        "pnl": trades["pnl"].to_numpy(),
        "equity": np.atleast_2d(pf.value().to_numpy().T).T,
    }


def signals(case: str, costs: dict[str, float], lots: float, opposite_closes: bool, **_: Any) -> Any:
    """`from_signals`, told the size of each entry."""
    given = _read(case)
    told, open_ = _next_bar(given["signal"], 0.0), given["open"]
    buys = (told == BUY) | (told == LEAVE_SHORT)
    paid = open_ * np.where(buys, 1.0 + costs["slippage"], 1.0 - costs["slippage"])
    return _taken(
        vbt.Portfolio.from_signals(
            given["close"],
            entries=told == BUY,
            exits=told == LEAVE_LONG,
            short_entries=told == SELL_SHORT,
            short_exits=told == LEAVE_SHORT,
            upon_opposite_entry=OppositeEntryMode.Close if opposite_closes else OppositeEntryMode.Ignore,
            size=_next_bar(given["size"], np.nan),
            size_granularity=1.0 / lots,
            price=open_,
            fees=costs["rate"] + costs["per_share"] / paid,
            fixed_fees=costs["per_order"],
            slippage=costs["slippage"],
            lock_cash=True,
            init_cash=costs["cash"],
            freq="1h",
        )
    )


@njit
def _order(c, told, open_, close, share, risk, lots, is_closing, per_share, per_order, rate, slippage):  # type: ignore[no-untyped-def]
    """The order of one bar, sized at the close before."""
    if c.i == 0:
        return NoOrder
    signal, held = told[c.i - 1, c.col], c.position_now
    size = 0.0
    if held > 0.0:
        if signal == LEAVE_LONG or (is_closing and signal == SELL_SHORT):
            size = -held
    elif held < 0.0:
        if signal == LEAVE_SHORT or (is_closing and signal == BUY):
            size = -held
    elif signal in (BUY, SELL_SHORT):
        cash = c.cash_now  # flat: all of equity
        size = np.floor(min(cash * risk, cash * share, cash) / close[c.i - 1, c.col] * lots) / lots
        if signal == SELL_SHORT:
            size = -size
    if size == 0.0:
        return NoOrder
    paid = open_[c.i, c.col] * (1.0 + slippage if size > 0.0 else 1.0 - slippage)
    return order_nb(
        size=size,
        price=open_[c.i, c.col],
        direction=Direction.Both,
        fees=rate + per_share / paid,
        fixed_fees=per_order,
        slippage=slippage,
        size_granularity=1.0 / lots,
        lock_cash=True,
    )


def orders(
    case: str, costs: dict[str, float], lots: float, opposite_closes: bool, share: float, risk: float
) -> Any:
    """`from_order_func`, which sizes each entry itself."""
    given = _read(case)
    return _taken(
        vbt.Portfolio.from_order_func(
            given["close"],
            _order,
            given["signal"],
            given["open"],
            given["close"],
            share,
            risk,
            lots,
            opposite_closes,
            costs["per_share"],
            costs["per_order"],
            costs["rate"],
            costs["slippage"],
            init_cash=costs["cash"],
            freq="1h",
        )
    )


if __name__ == "__main__":
    vbt.settings.array_wrapper["freq"] = "1h"
    serve({"signals": signals, "orders": orders}, {"engine": f"vectorbt {vbt.__version__}"})
