"""Equity over time: accounts, their mean, buy and hold beside them, drawdowns, months.

Drawdowns are measured on every bar and thinned afterwards, each point keeping the deepest since the point
before it, so that a thinned curve still touches the bottom that the metrics report.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from ...kernels.types import FloatArray, IntArray
from ..run import Run
from .candles import decision_rows

MAX_VALUES = 30_000  # numbers that one report spends on curves; beyond it they are thinned
MIN_SESSIONS = 60  # fewer points than these make a poor curve: take decision bars


class Curves(NamedTuple):
    """Accounts over time, thinned to rows of the market; account currency and fractions."""

    time: IntArray  # (n_points,) UTC closes, nanoseconds
    accounts: FloatArray  # (n_accounts, n_points)
    held: FloatArray  # (n_accounts, n_points): the same money, bought at the first open and held
    account_drawdowns: FloatArray  # (n_accounts, n_points), <= 0
    held_drawdowns: FloatArray
    mean: FloatArray  # (n_points,) mean of the accounts
    mean_held: FloatArray
    mean_drawdown: FloatArray
    mean_held_drawdown: FloatArray
    unit: str  # what a point is


class Month(NamedTuple):
    """Return of the mean of accounts in one calendar month of sessions."""

    year: int
    month: int
    value: float  # fraction


def equity_curves(run: Run) -> Curves:
    """Curves of a run, few enough for a page."""
    rows, unit = _points(run)
    accounts = run.account_equity
    held = held_beside(run)
    mean, mean_held = accounts.mean(axis=0), held.mean(axis=0)
    start = run.initial_cash
    return Curves(
        time=np.ascontiguousarray(run.market["time"].values).view(np.int64)[rows],
        accounts=accounts[:, rows],
        held=held[:, rows],
        account_drawdowns=_deepest(drawdowns(accounts, start), rows),
        held_drawdowns=_deepest(drawdowns(held, start), rows),
        mean=mean[rows],
        mean_held=mean_held[rows],
        mean_drawdown=_deepest(drawdowns(mean[None], start), rows)[0],
        mean_held_drawdown=_deepest(drawdowns(mean_held[None], start), rows)[0],
        unit=unit,
    )


def held_beside(run: Run) -> FloatArray:
    """Buy and hold beside each account; beside one that symbols share, the money in equal parts."""
    held = buy_and_hold(run.market, run.initial_cash)
    return held.mean(axis=0)[None] if run.is_shared else held


def buy_and_hold(market: xr.Dataset, initial_cash: float) -> FloatArray:
    """Equity (n_symbols, n_bars) of all the cash put into each symbol at its first open; without costs.

    A missing bar is worth the close before it; before its first bar a symbol is cash.
    """
    opens, closes = (np.asarray(market[name].values, dtype=np.float64) for name in ("open", "close"))
    known = ~np.isnan(closes)
    rows = np.arange(closes.shape[1])
    last_known = np.maximum.accumulate(np.where(known, rows, -1), axis=1)
    first = known.argmax(axis=1)
    paid = np.take_along_axis(opens, first[:, None], axis=1)
    filled = np.take_along_axis(closes, np.maximum(last_known, 0), axis=1)
    worth: FloatArray = np.where(last_known >= 0, initial_cash * filled / paid, initial_cash)
    return worth


def drawdowns(equity: FloatArray, initial_cash: float) -> FloatArray:
    """Distance below the highest equity so far, fractions <= 0, time last."""
    peak = np.maximum(np.maximum.accumulate(equity, axis=-1), initial_cash)
    below: FloatArray = equity / peak - 1.0
    return below


def monthly_returns(run: Run) -> list[Month]:
    """Return of the mean of accounts in each month, from the end of the month before."""
    equity = run.account_equity.mean(axis=0)
    months = run.market["session"].values.astype("datetime64[M]")
    last = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    ends = equity[last]
    returns = ends / np.concatenate([[run.initial_cash], ends[:-1]]) - 1.0
    since_1970 = months[last].astype(np.int64)
    return [
        Month(1970 + int(month) // 12, int(month) % 12 + 1, float(value))
        for month, value in zip(since_1970, returns, strict=True)
    ]


def _points(run: Run) -> tuple[IntArray, str]:
    """Rows to draw: closes of decision bars, or of sessions where those are too many."""
    n_series = 4 * (len(run.accounts) + 1)
    decided = _with_ends(decision_rows(run.market, run.decision_timeframe), run.market.sizes["time"])
    if decided.size * n_series <= MAX_VALUES:
        return decided, f"closes of {run.decision_timeframe} bars"
    sessions = run.market["session"].values
    closes = np.flatnonzero(np.append(sessions[1:] != sessions[:-1], True))
    rows, unit = (decided, "bar") if closes.size < MIN_SESSIONS else (closes, "session")
    every = max(1, -(-rows.size * n_series // MAX_VALUES))
    thinned = _with_ends(rows[::-every][::-1], run.market.sizes["time"])
    return thinned, f"closes of {f'every {every}th' if every > 1 else 'each'} {unit}"


def _with_ends(rows: IntArray, n: int) -> IntArray:
    """Rows with the first and the last of the market among them."""
    ends: IntArray = np.unique(np.concatenate([[0], rows, [n - 1]]))
    return ends


def _deepest(values: FloatArray, rows: IntArray) -> FloatArray:
    """Lowest value from behind the row before each row up to it."""
    starts = np.concatenate([[0], rows[:-1] + 1])
    lowest: FloatArray = np.minimum.reduceat(values, starts, axis=-1)
    return lowest
