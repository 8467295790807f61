"""Marking to the close, and the accumulators that the metrics are read from.

Metrics are moments kept inside the lane, so that a sweep never holds an equity curve. Drawdown compares
``equity x worst_peak < worst_equity x peak`` instead of dividing on every bar; returns are taken per
session. A short can lose more than there is: equity may fall to zero and below. A session that begins there
has the return 0, since there is nothing left to earn on.
"""

import numpy as np

from .costs import Costs
from .decorator import kernel
from .fills import Symbol, is_entry, traded_more
from .halts import new_session
from .lane import (
    Account,
    Drawdown,
    Halt,
    Lane,
    Position,
    SessionReturns,
    TradeTally,
    no_order,
    with_position,
)
from .levels import HELD
from .ticks import on_tick
from .types import FloatArray
from .uses import Uses

# Deviations of session returns below this are rounding of the equity (1 ulp is 1e-16 of it), not risk.
ROUNDING = 1e-12


@kernel
def mark_position(
    position: Position, high: float, low: float, close: float, symbol: Symbol, uses: Uses
) -> Position:
    """What a bar leaves behind: best prices since the entry, and the stop that follows them."""
    if uses.resting | uses.at_close:  # of an entry's bar only what came after it counts, and its close did
        high, low = (high, low) if position.within == HELD else (close, close)
    highest, lowest = max(position.highest_high, high), min(position.lowest_low, low)
    holds = position.qty != 0.0 if uses.shorts else position.qty > 0.0
    stop = position.stop
    if uses.trailing:
        is_short = uses.shorts & (position.qty < 0.0)
        wish = lowest + position.trailing if is_short else highest - position.trailing
        wish = on_tick(wish, symbol.ticks) if uses.ticks else wish
        is_closer = (wish < stop if is_short else wish > stop) | (stop != stop)
        stop = wish if (position.trailing > 0.0) & (position.qty != 0.0) & is_closer else stop
    return Position(
        position.qty,
        position.entry_price,
        position.entry_value,
        stop,
        # While it is flat they stay: what a lane keeps must not depend on who else is in its block.
        highest if holds else position.highest_high,
        position.mode,
        position.stopped,
        lowest if holds else position.lowest_low,
        position.target,
        position.trailing,
        HELD,
        0.0,
        0.0,
        position.entries,
    )


@kernel
def mark_account(lane: Lane, equity: float, holds: bool, uses: Uses) -> Lane:
    """Value the account, once its positions are worth what they are."""
    peak = max(lane.drawdown.peak_equity, equity)
    deeper = equity * lane.drawdown.worst_peak < lane.drawdown.worst_equity * peak
    halt = lane.halt
    if uses.resumes:
        halt = Halt(halt.reason, halt.sessions, max(halt.peak, equity))
    return Lane(
        lane.position,
        lane.order,
        Account(lane.account.cash, equity, lane.account.costs_paid),
        TradeTally(
            lane.trades.n_trades,
            lane.trades.n_wins,
            lane.trades.gross_profit,
            lane.trades.gross_loss,
            lane.trades.bars_held + (1.0 if holds else 0.0),
        ),
        Drawdown(
            peak,
            equity if deeper else lane.drawdown.worst_equity,
            peak if deeper else lane.drawdown.worst_peak,
        ),
        lane.returns,
        halt,
    )


@kernel
def mark(lane: Lane, high: float, low: float, close: float, symbol: Symbol, uses: Uses) -> Lane:
    """Value a lane that has one symbol at the close of a bar."""
    marked = with_position(lane, mark_position(lane.position, high, low, close, symbol, uses))
    equity = lane.account.cash + lane.position.qty * close
    return mark_account(marked, equity, lane.position.qty != 0.0, uses)


@kernel
def add_return(returns: SessionReturns, equity: float, risk_free: float) -> SessionReturns:
    """Add the return since the last session's end to the moments."""
    value = equity / returns.session_equity - 1.0 if returns.session_equity > 0.0 else 0.0
    n = returns.n_sessions + 1.0
    deviation = value - returns.mean
    mean = returns.mean + deviation / n
    shortfall = min(value - risk_free, 0.0)
    return SessionReturns(
        equity,
        n,
        mean,
        returns.m2 + deviation * (value - mean),
        returns.downside + shortfall * shortfall,
    )


@kernel
def idle_cash(cash: float, equity: float, qty: float) -> float:
    """Cash that earns interest: the proceeds of a short are not ours to lend."""
    return max(min(cash, equity) if qty < 0.0 else cash, 0.0)


@kernel
def borrow_fee(cash: float, equity: float, qty: float, borrow_rate: float) -> float:
    """What a session costs whoever is short: a fraction of the position's value at the last close."""
    return max(cash - equity, 0.0) * borrow_rate if qty < 0.0 else 0.0


@kernel
def carried(lane: Lane, cash_rate: float, risk_free: float, fee: float, idle: float, uses: Uses) -> Lane:
    """An account after its session: interest on idle cash, less the `fee` of loans, and the return."""
    account = lane.account
    earned = idle * cash_rate - fee
    equity = account.equity + earned
    peak = max(lane.drawdown.peak_equity, equity)
    deeper = equity * lane.drawdown.worst_peak < lane.drawdown.worst_equity * peak
    halt = new_session(lane.halt, equity) if uses.halts else lane.halt
    return Lane(
        lane.position,
        lane.order,
        Account(account.cash + earned, equity, account.costs_paid + fee),
        lane.trades,
        Drawdown(
            peak,
            equity if deeper else lane.drawdown.worst_equity,
            peak if deeper else lane.drawdown.worst_peak,
        ),
        add_return(lane.returns, equity, risk_free),
        halt,
    )


@kernel
def end_day(lane: Lane, uses: Uses) -> Lane:
    """A symbol after its session: entries for the day expire, and counting entries begins anew."""
    order = lane.order
    if uses.resting:
        # Made at the last close, or still letting bars pass, it has its session still before it.
        begun = order.wait == 0.0
        expires = (order.for_day > 0.0) & begun & is_entry(order, lane.position.qty)
        order = no_order() if expires else order
    position = traded_more(lane.position, 0.0, lane.position.traded, 0.0)
    return Lane(position, order, lane.account, lane.trades, lane.drawdown, lane.returns, lane.halt)


@kernel
def close_session(lane: Lane, cash_rate: float, risk_free: float, costs: Costs, uses: Uses) -> Lane:
    """End a session of a lane that has one symbol. Rates are per session."""
    account = lane.account
    qty = lane.position.qty if uses.shorts else 0.0
    idle = idle_cash(account.cash, account.equity, qty)
    fee = borrow_fee(account.cash, account.equity, qty, costs.borrow_rate)
    return end_day(carried(lane, cash_rate, risk_free, fee, idle, uses), uses)


def per_session(annual_rate: float, sessions_per_year: int) -> float:
    """Rate per session that compounds to `annual_rate` in a year."""
    return float(np.expm1(np.log1p(annual_rate) / sessions_per_year))


def read_metrics(
    state: dict[str, FloatArray],
    *,
    initial_cash: FloatArray,
    n_bars: FloatArray,
    session_open: bool,
    idle: FloatArray,
    short_value: FloatArray,
    cash_rate: FloatArray,
    risk_free: FloatArray,
    borrow_rate: FloatArray,
    sessions_per_year: int,
) -> dict[str, FloatArray]:
    """Metrics of lanes from their state.

    Parameters
    ----------
    state : dict of ndarray, shape (n_lanes,)
        One array per name in ``STATE_FIELDS``.
    initial_cash : ndarray, shape (n_lanes,), account currency
    n_bars : ndarray, shape (n_lanes,)
        Bars that the lanes have seen; missing bars do not count.
    session_open : bool
        Whether the last session is still in progress: then its return so far counts in what is read, and
        never in the state.
    idle, short_value : ndarray, shape (n_lanes,), account currency
        Cash that earns interest, and what is sold short at its last close.
    cash_rate, risk_free, borrow_rate : ndarray, shape (n_lanes,), fraction per session
    sessions_per_year : int

    Returns
    -------
    dict of ndarray of float64, shape (n_lanes,)
        ``max_drawdown`` <= 0 (below -1 where a short lost more than there was), ``costs_paid`` >= 0; what is
        undefined (no trades, no losses, fewer than two sessions, no deviation) is NaN. Sharpe and Sortino are
        annualised by sqrt(`sessions_per_year`); the deviation has ddof 1, the downside deviation is the root
        of the mean square of min(excess, 0) over all sessions (Sortino and Price, 1994). A session that
        begins with an equity of zero or below has the return 0.
    """
    equity = state["account.equity"]
    n, mean, m2, downside = (state[f"returns.{name}"] for name in ("n_sessions", "mean", "m2", "downside"))
    with np.errstate(divide="ignore", invalid="ignore"):
        if session_open:
            # As if it ended now: without its interest a session in progress would look like a loss.
            fee = short_value * borrow_rate
            begun = state["returns.session_equity"]
            value = np.where(begun > 0.0, (equity + (idle * cash_rate - fee)) / begun - 1.0, 0.0)
            deviation = value - mean
            n = n + 1.0
            mean = mean + deviation / n
            m2 = m2 + deviation * (value - mean)
            downside = downside + np.minimum(value - risk_free, 0.0) ** 2
        year = np.sqrt(float(sessions_per_year))
        spread = np.where(n >= 2.0, np.sqrt(m2 / (n - 1.0)), np.nan)
        spread = np.where(spread > ROUNDING, spread, np.nan)
        below = np.where(n >= 2.0, np.sqrt(downside / n), np.nan)
        below = np.where(below > ROUNDING, below, np.nan)
        n_trades = state["trades.n_trades"]
        gross_loss = -state["trades.gross_loss"]
        return {
            "final_equity": equity.copy(),
            "total_return": equity / initial_cash - 1.0,
            "sharpe_ratio": (mean - risk_free) / spread * year,
            "sharpe_ratio_rf0": mean / spread * year,
            "sortino_ratio": (mean - risk_free) / below * year,
            "max_drawdown": state["drawdown.worst_equity"] / state["drawdown.worst_peak"] - 1.0,
            "n_trades": n_trades.copy(),
            "win_rate": np.where(n_trades > 0.0, state["trades.n_wins"] / n_trades, np.nan),
            "profit_factor": np.where(gross_loss > 0.0, state["trades.gross_profit"] / gross_loss, np.nan),
            "exposure": np.where(n_bars > 0.0, state["trades.bars_held"] / n_bars, np.nan),
            "costs_paid": state["account.costs_paid"].copy(),
        }


METRICS = (
    "final_equity",
    "total_return",
    "sharpe_ratio",
    "sharpe_ratio_rf0",
    "sortino_ratio",
    "max_drawdown",
    "n_trades",
    "win_rate",
    "profit_factor",
    "exposure",
    "costs_paid",
)
