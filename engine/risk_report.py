"""What an account risks at a moment: drawdown, exposure, open risk, the distance to every limit (SPEC 5.6).

Of a run after any of its bars, or of a stream now. A share is of equity at that moment, and unknown (NaN)
where equity is zero or below. After a session's last bar its interest is in, and a halt for the day is over.

A position's risk is what the limits count: quantity times the distance from the last close to the stop, all
of its value where it has none. The worst case adds what the exits cost: slippage and commission, no impact.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from .account_snapshot import AccountState, Snapshot, SymbolState, run_snapshot, stream_snapshot
from .errors import DataError, ParameterError
from .risk_rules import risk_rules
from .run import Run
from .stream import Stream


@dataclass(frozen=True)
class PositionRisk:
    """One position."""

    symbol: str
    qty: float  # below zero: sold short
    price: float  # last close
    value: float  # signed, account currency
    share: float  # |value| / equity
    stop: float  # NaN: none
    stop_distance: float  # from the price, as a share of it; NaN: no stop
    risk: float  # lost if the stop is hit, account currency
    risk_share: float
    worst_case: float  # `risk` and what the exit costs


@dataclass(frozen=True)
class LimitUse:
    """How much of a limit is used."""

    name: str  # the rule's
    used: float
    allowed: float
    left: float  # below zero: exceeded, such as by a price that moved
    unit: str
    by: str  # the symbol or sector that uses it most; "" for the account


@dataclass(frozen=True)
class AccountRisk:
    """One account: a symbol's own, or the one that all share."""

    name: str
    equity: float
    peak_equity: float
    drawdown: float  # <= 0
    worst_drawdown: float  # <= 0, so far
    cash: float
    gross_exposure: float  # sum of |values| / equity
    net_exposure: float
    deployed: float  # positions and waiting entries, share of equity
    positions: tuple[PositionRisk, ...]
    largest_position: str  # symbol, "" for none
    open_risk: float  # of the positions, account currency
    open_risk_share: float
    worst_case: float  # lost if all stops were hit, costs included
    worst_case_share: float
    limits: tuple[LimitUse, ...]
    halt: str  # why trading is stopped, "" where it is not


@dataclass(frozen=True)
class RiskReport:
    """What is at risk at one moment."""

    strategy: str
    time: np.datetime64  # close of the bar; NaT: before the first
    account: str  # "own" or "shared"
    accounts: tuple[AccountRisk, ...]
    symbols: tuple[str, ...]
    held: tuple[str, ...]  # symbols with a position
    correlations: tuple[tuple[float, ...], ...]  # of 60 session returns, all symbols; NaN: not known yet

    @property
    def held_correlations(self) -> tuple[tuple[float, ...], ...]:
        """The part of `correlations` that concerns the positions."""
        rows = [self.symbols.index(symbol) for symbol in self.held]
        return tuple(tuple(self.correlations[i][j] for j in rows) for i in rows)

    @property
    def halts(self) -> dict[str, str]:
        """Accounts in which trading is stopped, and why."""
        return {account.name: account.halt for account in self.accounts if account.halt}

    def to_dict(self) -> dict[str, Any]:
        """The report for programs; what is unknown is None."""
        found: dict[str, Any] = _without_nan(asdict(self))
        found["time"] = None if np.isnat(self.time) else f"{self.time}Z"
        found["held_correlations"] = _without_nan(self.held_correlations)
        return found


def risk_report(source: Run | Stream, when: Any = None) -> RiskReport:
    """What a run risked at the close of a bar, or a stream risks now.

    Parameters
    ----------
    source : Run or Stream
    when : time, optional
        UTC; the last bar that closed by then. Default: the last bar. A stream knows only now.

    Returns
    -------
    RiskReport
        Of a run's earlier bars, entries that waited then count if they were filled later; which of the others
        were still waiting a run does not tell.

    Raises
    ------
    DataError
        If no bar had closed by `when`.
    ParameterError
        If `when` is no time, or given for a stream.
    """
    if isinstance(source, Stream):
        if when is not None:
            raise ParameterError(f"`when` was {when!r}, but a stream knows only its last row; leave it out")
        return _report(stream_snapshot(source))
    return _report(run_snapshot(source, _row(source.market["time"].values, when)))


def _row(time: Any, when: Any) -> int:
    if when is None:
        return len(time) - 1
    try:
        instant = pd.Timestamp(when)
    except (TypeError, ValueError):
        instant = pd.NaT
    if instant is pd.NaT:
        raise ParameterError(f"`when` was {when!r}, must be a UTC time such as '2024-03-01T15:00'")
    if instant.tzinfo is not None:
        instant = instant.tz_convert("UTC").tz_localize(None)
    row = int(np.searchsorted(time, instant.to_datetime64(), side="right")) - 1
    if row < 0:
        raise DataError(f"`when` was {when!s}, but the run's first bar closes at {pd.Timestamp(time[0])} UTC")
    return row


def _report(snapshot: Snapshot) -> RiskReport:
    symbols = [one for account in snapshot.accounts for one in account.symbols]
    matrix = np.array(snapshot.correlations, dtype=np.float64)
    np.fill_diagonal(matrix, 1.0)
    rows = {one.name: i for i, one in enumerate(symbols)}
    return RiskReport(
        snapshot.strategy,
        snapshot.time,
        "shared" if snapshot.is_shared else "own",
        tuple(_account_risk(account, snapshot, matrix, rows) for account in snapshot.accounts),
        tuple(rows),
        tuple(one.name for one in symbols if one.qty),
        tuple(tuple(map(float, row)) for row in matrix),
    )


def _share(value: float, equity: float) -> float:
    return value / equity if equity > 0.0 else np.nan


def _account_risk(
    account: AccountState, snapshot: Snapshot, matrix: Any, rows: dict[str, int]
) -> AccountRisk:
    equity = account.equity
    positions = tuple(_position(one, equity, snapshot) for one in account.symbols if one.qty)
    largest = max(positions, key=lambda one: abs(one.value), default=None)
    open_risk = float(sum(one.risk for one in positions))
    worst_case = float(sum(one.worst_case for one in positions))
    return AccountRisk(
        name=account.name,
        equity=equity,
        peak_equity=account.peak,
        drawdown=equity / account.peak - 1.0,
        worst_drawdown=account.worst_drawdown,
        cash=account.cash,
        gross_exposure=_share(sum(abs(one.value) for one in positions), equity),
        net_exposure=_share(sum(one.value for one in positions), equity),
        deployed=_share(sum(one.deployed for one in account.symbols), equity),
        positions=positions,
        largest_position="" if largest is None else largest.symbol,
        open_risk=open_risk,
        open_risk_share=_share(open_risk, equity),
        worst_case=worst_case,
        worst_case_share=_share(worst_case, equity),
        limits=tuple(_limits(account, snapshot, matrix, rows)),
        halt=account.halt,
    )


def _position(one: SymbolState, equity: float, snapshot: Snapshot) -> PositionRisk:
    risk = abs(one.qty) * one.stop_gap
    return PositionRisk(
        symbol=one.name,
        qty=one.qty,
        price=one.price,
        value=one.value,
        share=_share(abs(one.value), equity),
        stop=one.stop,
        stop_distance=np.nan if np.isnan(one.stop) else one.stop_gap / one.price,
        risk=risk,
        risk_share=_share(risk, equity),
        worst_case=risk + _exit_cost(one, snapshot),
    )


def _exit_cost(one: SymbolState, snapshot: Snapshot) -> float:
    """What the stop's execution costs beside the way to it; nothing where all is lost anyway."""
    if np.isnan(one.stop):
        return 0.0
    costs, units = snapshot.costs, abs(one.qty)
    reached = min(one.stop, one.price) if one.qty > 0.0 else max(one.stop, one.price)
    slipped = reached * (1.0 - np.sign(one.qty) * costs.slippage * snapshot.execution.cost_multiple)
    fee = costs.commission_per_order + units * (costs.commission_per_share + costs.commission_rate * slipped)
    return float(units * abs(slipped - reached) + fee * snapshot.execution.cost_multiple)


def _limits(account: AccountState, snapshot: Snapshot, matrix: Any, rows: dict[str, int]) -> list[LimitUse]:
    """Every limit of the profile that has a distance, in the order of precedence."""
    uses: dict[str, Callable[[], tuple[float, str]]] = {
        "max_stop": lambda: _most({one.name: one.stop_gap / one.price for one in account.symbols if one.qty}),
        "correlation_above": lambda: _nearest(account, matrix, rows),
        "max_trades": lambda: _most({one.name: float(one.entries) for one in account.symbols}),
        "max_position": lambda: _most(
            {one.name: _share(one.deployed, account.equity) for one in account.symbols if one.deployed}
        ),
        "max_crypto": lambda: (_deployed(account, lambda one: one.is_crypto), ""),
        "max_sector": lambda: _most(_by_sector(account)),
        "max_positions": lambda: (float(sum(bool(one.deployed) for one in account.symbols)), ""),
        "max_open_risk": lambda: (_share(sum(one.open_risk for one in account.symbols), account.equity), ""),
        "max_deployed": lambda: (_deployed(account, lambda _: True), ""),
        "drawdown_reduce": lambda: (1.0 - account.equity / account.limit_peak, ""),
        "drawdown_halt": lambda: (1.0 - account.equity / account.limit_peak, ""),
        "daily_loss": lambda: (_loss(account.session_equity, account.equity), ""),
    }
    found = []
    for rule in risk_rules(snapshot.risk):
        if rule.name not in uses or (rule.name == "correlation_above" and not snapshot.is_shared):
            continue
        used, by = uses[rule.name]()
        found.append(LimitUse(rule.name, used, rule.value, rule.value - used, rule.unit, by))
    return found


def _deployed(account: AccountState, is_meant: Callable[[SymbolState], bool]) -> float:
    return _share(sum(one.deployed for one in account.symbols if is_meant(one)), account.equity)


def _by_sector(account: AccountState) -> dict[str, float]:
    """Share of each sector; a symbol without one is its own."""
    values: dict[str, float] = {}
    for one in account.symbols:
        name = one.sector or one.name
        values[name] = values.get(name, 0.0) + one.deployed
    return {name: _share(value, account.equity) for name, value in values.items()}


def _loss(before: float, now: float) -> float:
    """Share lost since then; a gain is none."""
    return max(1.0 - now / before, 0.0) if before > 0.0 else np.nan


def _most(values: dict[str, float]) -> tuple[float, str]:
    """The largest, and whose it is."""
    known = {name: value for name, value in values.items() if value > 0.0}
    if any(np.isnan(value) for value in values.values()):
        return np.nan, ""
    name = max(known, key=lambda name: known[name], default="")
    return known.get(name, 0.0), name


def _nearest(account: AccountState, matrix: Any, rows: dict[str, int]) -> tuple[float, str]:
    """The highest correlation between two positions; unknown where there are none."""
    held = [one.name for one in account.symbols if one.deployed]
    pairs = {
        f"{a} and {b}": float(matrix[rows[a], rows[b]]) for i, a in enumerate(held) for b in held[i + 1 :]
    }
    known = {name: value for name, value in pairs.items() if not np.isnan(value)}
    name = max(known, key=lambda name: known[name], default="")
    return known.get(name, np.nan), name


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
