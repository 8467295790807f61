"""Accounts at one moment, read off a run after any of its bars, or off a stream now."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..kernels.lane import BUY, ENGINE_REASONS, NO_ORDER
from .account_history import HALT_WORDS, RunHistory, run_history
from .config import Costs, Execution, Risk
from .market import symbol_bars
from .nearness import Nearness
from .records import ACCOUNT
from .run import Run
from .stream import Stream


class Waiting(NamedTuple):
    """An entry that waits or rests."""

    qty: float
    distance: float  # to its stop; NaN: none


@dataclass(frozen=True)
class SymbolState:
    """What is held of a symbol, and what waits."""

    name: str
    is_crypto: bool
    sector: str  # "" where unknown
    qty: float  # below zero: sold short
    price: float  # last close; NaN: none yet
    stop: float  # NaN: none
    entries: int  # in this session
    waiting: Waiting

    @property
    def value(self) -> float:
        """Of the position, signed."""
        return self.qty * self.price if self.qty else 0.0

    @property
    def deployed(self) -> float:
        """Value of the position and of what waits, at the last close."""
        pending = self.waiting.qty * self.price if self.waiting.qty else 0.0
        return abs(self.value) + pending

    @property
    def stop_gap(self) -> float:
        """From the price to the stop; all of the price where there is none."""
        side = 1.0 if self.qty > 0.0 else -1.0
        return self.price if np.isnan(self.stop) else max(side * (self.price - self.stop), 0.0)

    @property
    def open_risk(self) -> float:
        """As the limit counts it."""
        far = self.price if np.isnan(self.waiting.distance) else self.waiting.distance
        held = abs(self.qty) * self.stop_gap if self.qty else 0.0
        return held + (self.waiting.qty * far if self.waiting.qty else 0.0)


@dataclass(frozen=True)
class AccountState:
    """An account: a symbol's own, or the one that all share."""

    name: str
    symbols: tuple[SymbolState, ...]
    equity: float
    cash: float
    peak: float
    worst_drawdown: float  # <= 0
    limit_peak: float  # what the drawdown limits measure from
    session_equity: float  # at the session's beginning
    halt: str  # "" where trading goes on


@dataclass(frozen=True)
class Snapshot:
    """All accounts at one moment, and the terms under which they trade."""

    strategy: str
    time: Any  # close of the last bar, datetime64[ns]; NaT: none yet
    is_shared: bool
    costs: Costs
    execution: Execution
    risk: Risk
    accounts: tuple[AccountState, ...]
    correlations: Any  # of session returns as the limit sees them, (n_symbols, n_symbols); NaN: not known


def run_snapshot(run: Run, row: int) -> Snapshot:
    """A run after one of its rows.

    Entries that waited then count if they were filled later, or still wait at the run's end: which of the
    others were still waiting a run does not tell.
    """
    history = run_history(run)
    market, shared = run.market, run.attrs.get("account", "own") == "shared"
    sectors = (
        [str(name) for name in market["sector"].values]
        if "sector" in market.coords
        else [""] * len(history.symbols)
    )
    waiting, entries = _waiting(run, history, row), _entries(run, row)
    symbols = [
        SymbolState(
            name,
            str(market["asset_class"].values[i]) == "crypto",
            sectors[i],
            float(history.qty[i, row]),
            float(history.price[i, row]),
            float(run.stops.values[i, row]),
            entries.get(name, 0),
            waiting.get(name, Waiting(0.0, np.nan)),
        )
        for i, name in enumerate(history.symbols)
    ]
    accounts = [
        AccountState(
            one.name,
            tuple(symbols[i] for i in one.members),
            float(one.equity[row]),
            float(one.cash[row]),
            float(one.peak_equity[row]),
            float(one.worst_drawdown[row]),
            float(one.limit_peak[row]),
            float(one.session_equity[row]),
            HALT_WORDS[int(one.halted[row])],
        )
        for one in history.accounts
    ]
    return Snapshot(
        run.strategy,
        history.time[row],
        shared,
        history.costs,
        history.execution,
        history.risk,
        tuple(accounts),
        _correlations(run, row),
    )


def _waiting(run: Run, history: RunHistory, row: int) -> dict[str, Waiting]:
    """Entries that waited at a row: still working at the end, or filled later."""
    found = {}
    entries = run.orders[run.orders["client_order_id"].str.endswith("-enter")]
    entries = entries[entries["time"] <= history.time[row]]
    for order in entries.groupby("symbol", sort=False).tail(1).itertuples():
        own = run.fills[run.fills["client_order_id"] == order.client_order_id]
        before = float(own.loc[own["time"] <= history.time[row], "qty"].sum())
        total = float(order.qty) if order.outcome == "working" else float(own["qty"].sum())
        if total > before:
            found[str(order.symbol)] = Waiting(total - before, float(order.stop_distance))
    return found


def _entries(run: Run, row: int) -> dict[str, int]:
    """Entries that were accepted in the session in progress."""
    session, time = run.market["session"].values, run.market["time"].values
    first = int(np.searchsorted(session, session[row]))
    table = run.decisions
    counts = (
        (table["time"] >= time[first])
        & (table["time"] <= time[row])
        & (table["outcome"] == "accepted")
        & table["action"].isin(["enter", "enter_short"])
    )
    if time[row] >= run.market["session_close"].values[row]:
        return {}  # the session is over
    return {str(symbol): int(n) for symbol, n in table.loc[counts, "symbol"].value_counts().items()}


def _correlations(run: Run, row: int) -> Any:
    """As the limit saw them at a row."""
    names = [str(symbol) for symbol in run.market["symbol"].values]
    bars = [symbol_bars(run.market, name) for name in names]
    part = slice(0, row + 1)
    closes = np.stack([one.close[part] for one in bars])
    matrices, seen = Nearness(len(names)).advance(bars[0].ts_ns[part], bars[0].session_close_ns[part], closes)
    return matrices[seen[-1]]


def stream_snapshot(stream: Stream) -> Snapshot:
    """A stream after its last row."""
    setup, shared = stream.setup, stream.setup.account == "shared"
    lanes = [stream.state(symbol) for symbol in stream.symbols]
    closes = stream.closes
    symbols = [
        SymbolState(
            name,
            stream.instruments[i].is_crypto,
            "" if stream.instruments[i].sector < 0 else f"sector {stream.instruments[i].sector}",
            lane["position.qty"],
            float(closes[i]),
            lane["position.stop"] if lane["position.qty"] else np.nan,
            int(lane["position.entries"]),
            _stream_waiting(lane),
        )
        for i, (name, lane) in enumerate(zip(stream.symbols, lanes, strict=True))
    ]
    groups = [(ACCOUNT, tuple(symbols), lanes[0])] if shared else []
    if not shared:
        groups = [(one.name, (one,), lane) for one, lane in zip(symbols, lanes, strict=True)]
    resumes = stream.compiled.variant.uses.resumes  # else nothing ever resets the peak
    accounts = [_stream_account(name, members, lane, resumes) for name, members, lane in groups]
    time = np.datetime64(stream.ts_ns or "NaT", "ns")
    return Snapshot(
        setup.strategy.name,
        time,
        shared,
        setup.costs,
        setup.execution,
        setup.risk,
        tuple(accounts),
        stream.correlations,
    )


def _stream_account(
    name: str, members: tuple[SymbolState, ...], lane: dict[str, float], resumes: bool
) -> AccountState:
    worst = lane["drawdown.worst_equity"] / lane["drawdown.worst_peak"] - 1.0
    peak = lane["drawdown.peak_equity"]
    reason = lane["halt.reason"]
    return AccountState(
        name,
        members,
        lane["account.equity"],
        lane["account.cash"],
        peak,
        worst,
        lane["halt.peak"] if resumes else peak,
        lane["returns.session_equity"],
        ENGINE_REASONS[int(reason)] if reason else "",
    )


def _stream_waiting(lane: dict[str, float]) -> Waiting:
    side = 1.0 if lane["order.action"] == BUY else -1.0
    enters = lane["order.action"] != NO_ORDER and side * lane["position.qty"] >= 0.0
    return Waiting(lane["order.qty"], lane["order.stop_distance"]) if enters else Waiting(0.0, np.nan)
