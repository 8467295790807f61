"""What the accounts of a run held and were worth, row by row, and when a loss stopped them.

A run tells equity, fills and stops; the rest follows. The walk over sessions repeats what one bar does with
them (``kernels/README.md``): peaks move with marks and with a session's interest, guards look at every close.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..kernels.mark import per_session
from ..kernels.types import BoolArray, FloatArray, IntArray
from .config import Costs, Execution, Risk, from_json
from .records import ACCOUNT
from .run import Run

DAILY_LOSS_HALT = "daily loss limit"
DRAWDOWN_HALT = "drawdown limit"
_FOR_THE_DAY, _FALLEN = 1, 2
HALT_WORDS = {0: "", _FOR_THE_DAY: DAILY_LOSS_HALT, _FALLEN: DRAWDOWN_HALT}
_DUST = 1e-9  # of the largest position: what adding up fills may leave


@dataclass(frozen=True)
class Halt:
    """A time without entries."""

    account: str
    reason: str
    start: np.datetime64  # close of the bar that stopped trading
    stop: np.datetime64 | None  # last row of it; None: it lasts


@dataclass(frozen=True)
class AccountHistory:
    """One account after each row; arrays have the shape (n_bars,)."""

    name: str
    members: tuple[int, ...]  # positions of its symbols
    equity: FloatArray
    cash: FloatArray
    peak_equity: FloatArray
    worst_drawdown: FloatArray  # so far, <= 0; at the marks, before a session's interest
    limit_peak: FloatArray  # what the drawdown limits measure from: a halt that ends resets it
    session_equity: FloatArray  # at the session's beginning
    halted: IntArray  # 0, 1 for the day, 2 for a drawdown
    halts: tuple[Halt, ...]


@dataclass(frozen=True)
class RunHistory:
    """All of a run, arrays of shape (n_symbols, n_bars)."""

    symbols: tuple[str, ...]
    time: Any  # datetime64[ns]
    qty: FloatArray
    price: FloatArray  # last known close; NaN before the first
    accounts: tuple[AccountHistory, ...]
    costs: Costs
    execution: Execution
    risk: Risk


def run_history(run: Run, risk: Risk | None = None) -> RunHistory:
    """Positions, money and halts of a run; with `risk`, what another profile would say of its equity."""
    symbols = tuple(str(symbol) for symbol in run.market["symbol"].values)
    time = run.market["time"].values
    closes = run.market["close"].values
    price = pd.DataFrame(closes.T).ffill().to_numpy().T
    qty = np.zeros(closes.shape)
    for symbol, fills in run.fills.groupby("symbol", sort=False):
        rows = np.searchsorted(time, fills["time"].to_numpy())
        np.add.at(qty[symbols.index(symbol)], rows, (fills["side"] * fills["qty"]).to_numpy(dtype=np.float64))
    qty = qty.cumsum(axis=1)
    qty[np.abs(qty) <= _DUST * np.abs(qty).max(initial=0.0)] = 0.0
    own_risk = from_json(run.attrs["risk"], Risk)
    profile = own_risk if risk is None else risk
    costs = from_json(run.attrs["costs"], Costs)
    execution = from_json(run.attrs.get("execution", "{}"), Execution)
    equity = np.atleast_2d(run.equity.values)
    shared = run.equity.ndim == 1
    values = np.where(qty == 0.0, 0.0, qty * price)
    terms = _Terms(
        run.initial_cash,
        profile,
        per_session(own_risk.cash_rate, int(run.attrs["sessions_per_year"])),
        per_session(costs.borrow_rate, int(run.attrs["sessions_per_year"])) * execution.cost_multiple,
    )
    grid = _Grid(run.market["session"].values, time, run.market["session_close"].values)
    accounts = []
    for i, name in enumerate([ACCOUNT] if shared else symbols):
        members = tuple(range(len(symbols))) if shared else (i,)
        own = values[list(members)]
        has_bar = ~np.isnan(closes[list(members)]).all(axis=0)
        walk = _Walk(terms, name, time, equity[i], equity[i] - own.sum(axis=0))
        walk.run(grid, has_bar, np.maximum(-own, 0.0).sum(axis=0))
        accounts.append(walk.history(members))
    return RunHistory(symbols, time, qty, price, tuple(accounts), costs, execution, profile)


class _Grid(NamedTuple):
    """The rows of a market."""

    session: Any
    time: Any
    session_close: Any

    def sessions(self) -> Iterator[tuple[int, int, bool]]:
        """First row and end of each session, and whether its closing row is among them."""
        edges = [0, *(np.flatnonzero(self.session[1:] != self.session[:-1]) + 1).tolist(), len(self.time)]
        for first, stop in pairwise(edges):
            yield first, stop, bool(self.time[stop - 1] >= self.session_close[stop - 1])


@dataclass(frozen=True)
class _Terms:
    initial_cash: float
    risk: Risk
    cash_rate: float  # per session
    borrow_rate: float  # per session


@dataclass
class _Walk:
    """An account, session by session."""

    terms: _Terms
    name: str
    time: Any
    equity: FloatArray
    cash: FloatArray
    reason: int = 0
    sessions: int = 0
    since: int = 0
    found: list[Halt] = field(default_factory=list)

    def run(self, grid: "_Grid", has_bar: BoolArray, short_value: FloatArray) -> None:
        """Walk over all rows."""
        n, start = len(self.equity), self.terms.initial_cash
        self.marks = self.equity.copy()
        self.peaks, self.limit_peaks = np.full(n, start), np.full(n, start)
        self.session_equity, self.halted = np.full(n, start), np.zeros(n, dtype=np.int64)
        peak = limit_peak = begun = start
        has_begun = False
        for first, stop, is_whole in grid.sessions():
            rows, last = slice(first, stop), stop - 1
            has_begun = has_begun or bool(has_bar[rows].any())
            if not has_begun:
                continue
            earned = self._earned(last, float(short_value[last]), is_whole)
            if is_whole:  # its last row shows the account after the session
                self.marks[last] -= earned
            self.session_equity[rows] = begun
            self.peaks[rows] = np.maximum(np.maximum.accumulate(self.marks[rows]), peak)
            self.limit_peaks[rows] = np.maximum(np.maximum.accumulate(self.marks[rows]), limit_peak)
            self._guard(first, stop, has_bar, begun)
            if not is_whole and stop == n:
                continue
            begun = float(self.marks[last]) + earned
            peak = max(float(self.peaks[last]), begun)
            limit_peak = max(float(self.limit_peaks[last]), begun)
            if self._ends(last):
                limit_peak = begun
            if is_whole:
                self.session_equity[last], self.halted[last] = begun, self.reason
                self.peaks[last], self.limit_peaks[last] = peak, limit_peak

    def _earned(self, last: int, short_value: float, is_whole: bool) -> float:
        """Interest less the borrow fee of the session that ends with a row."""
        rate, fee = self.terms.cash_rate, short_value * self.terms.borrow_rate
        cash = float(self.cash[last])
        if is_whole:  # both are in the cash already
            before = (cash + short_value * rate + fee) / (1.0 + rate)
            cash = before if before > short_value else cash + fee
        return max(cash - short_value, 0.0) * rate - fee

    def _guard(self, first: int, stop: int, has_bar: BoolArray, begun: float) -> None:
        risk, equity = self.terms.risk, self.marks[first:stop]
        by_day = equity <= (1.0 - (np.inf if risk.daily_loss is None else risk.daily_loss)) * begun
        halt = np.inf if risk.drawdown_halt is None else risk.drawdown_halt
        by_peak = equity <= (1.0 - halt) * self.limit_peaks[first:stop]
        for row in (np.flatnonzero((by_day | by_peak) & has_bar[first:stop]) + first).tolist():
            if by_peak[row - first] and self.reason != _FALLEN:
                self._stop(row, _FALLEN)
            elif by_day[row - first] and self.reason == 0:
                self._stop(row, _FOR_THE_DAY)
        if self.reason:
            self.halted[max(first, self.since) : stop] = self.reason

    def _stop(self, row: int, reason: int) -> None:
        if self.reason:
            self.halted[self.since : row] = self.reason
            self._note(row)
        self.reason, self.since = reason, row
        self.sessions = (self.terms.risk.halt_sessions or 0) if reason == _FALLEN else 0

    def _ends(self, last: int) -> bool:
        """End a session; whether a drawdown's halt ended with it."""
        counted = self.reason == _FALLEN and self.sessions > 0
        self.sessions = max(self.sessions - 1, 0)
        is_over = counted and self.sessions == 0
        if is_over or self.reason == _FOR_THE_DAY:
            self._note(last)
            self.reason = 0
        return is_over

    def _note(self, last: int | None) -> None:
        stop = None if last is None else self.time[last]
        self.found.append(Halt(self.name, HALT_WORDS[self.reason], self.time[self.since], stop))

    def history(self, members: tuple[int, ...]) -> AccountHistory:
        """What the walk found."""
        if self.reason:
            self._note(None)
        return AccountHistory(
            self.name,
            members,
            self.equity,
            self.cash,
            self.peaks,
            np.minimum.accumulate(self.marks / self.peaks - 1.0),
            self.limit_peaks,
            self.session_equity,
            self.halted,
            tuple(self.found),
        )
