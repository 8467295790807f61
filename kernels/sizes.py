"""How much: from a requested entry to an order, under all limits.

SPEC 5.1 and 5.2. Everything is taken from the close of the decision bar, rounded down to whole lots; a
short is sized like a long. The first limit that leaves nothing names the outcome.
"""

from typing import NamedTuple

import numpy as np

from .decorator import kernel
from .fills import Symbol
from .lane import (
    BUY,
    LIMIT,
    MARKET,
    NOT_BEGUN,
    REQUESTED,
    SELL,
    STOP,
    STOP_LIMIT,
    Lane,
    Order,
    Position,
    TradeTally,
    no_order,
)
from .outcomes import (
    ACCEPTED,
    DENIED_CASH,
    DENIED_CLASS,
    DENIED_DEPLOYED,
    DENIED_FAR_STOP,
    DENIED_NO_STOP,
    DENIED_NO_VOLATILITY,
    DENIED_OPEN_RISK,
    DENIED_POSITIONS,
    DENIED_PRICES,
    DENIED_SECTOR,
    DENIED_SIZE,
    DENIED_TRADES,
)
from .ticks import on_tick
from .uses import Uses

BY_STOP, BY_FRACTION, BY_EQUAL, BY_VOLATILITY, BY_KELLY = 0.0, 1.0, 2.0, 3.0, 4.0
SIZINGS = {
    "stop": BY_STOP,
    "fraction": BY_FRACTION,
    "equal": BY_EQUAL,
    "volatility": BY_VOLATILITY,
    "kelly": BY_KELLY,
}
KELLY_TRADES = 20.0  # finished trades before their statistics count


class Risk(NamedTuple):
    """Limits of a lane; shares of equity, infinity where there is none. Rates are per session."""

    sizing: float
    fraction: float
    target_volatility: float
    kelly_share: float
    stop_atr: float
    max_stop: float
    max_trades: float
    max_position: float
    max_crypto: float
    max_sector: float
    max_positions: float
    max_open_risk: float
    max_deployed: float
    correlation_above: float
    correlation_size: float
    min_rebalance: float
    drawdown_reduce: float
    drawdown_size: float
    drawdown_stop: float
    drawdown_halt: float
    halt_sessions: float
    daily_loss: float
    cash_rate: float
    risk_free: float


class Room(NamedTuple):
    """What an account has left for a further position, account currency."""

    cash: float
    deployed: float
    open_risk: float
    crypto: float
    sector: float
    positions: float  # how many


class Facts(NamedTuple):
    """What sizing knows of a symbol at a decision."""

    price: float  # close of the decision bar
    atr: float  # of the decision bars; NaN: unknown
    volatility: float  # annual; NaN: unknown
    correlated: float  # 1 beside a correlated position


@kernel
def own_room(lane: Lane, price: float, limits: Risk, is_crypto: float, uses: Uses) -> Room:
    """Room of an account of one symbol; but for target weights it is flat when anybody asks."""
    equity = lane.account.equity
    if uses.weights:
        held = lane.position
        value = abs(held.qty) * price
        side = -1.0 if held.qty < 0.0 else 1.0
        distance = max(side * (price - held.stop), 0.0) if held.stop == held.stop else price
        return Room(
            lane.account.cash,
            equity * limits.max_deployed - value,
            equity * limits.max_open_risk - abs(held.qty) * distance,
            equity * limits.max_crypto - value if is_crypto > 0.0 else np.inf,
            equity * limits.max_sector - value,
            limits.max_positions - (1.0 if held.qty != 0.0 else 0.0),
        )
    return Room(
        lane.account.cash,
        equity * limits.max_deployed,
        equity * limits.max_open_risk,
        equity * limits.max_crypto if is_crypto > 0.0 else np.inf,
        equity * limits.max_sector,
        limits.max_positions,
    )


@kernel
def kelly_fraction(trades: TradeTally) -> float:
    """Kelly's fraction of the finished trades; NaN while they do not tell."""
    n_losses = trades.n_trades - trades.n_wins
    wins = trades.n_wins / trades.n_trades
    payoff = (trades.gross_profit / trades.n_wins) / (-trades.gross_loss / n_losses)
    known = (trades.n_trades >= KELLY_TRADES) & (trades.n_wins > 0.0) & (trades.gross_loss < 0.0)
    fraction = wins - (1.0 - wins) / payoff
    none_won = (trades.n_trades >= KELLY_TRADES) & (trades.n_wins == 0.0) & (trades.gross_loss < 0.0)
    return 0.0 if none_won else (fraction if known else np.nan)


@kernel
def wanted_qty(lane: Lane, risk: float, stop_distance: float, facts: Facts, limits: Risk) -> float:
    """Units by the sizing rule alone; NaN where it does not know."""
    equity = lane.account.equity
    by_stop = equity * risk / stop_distance
    qty = by_stop
    if limits.sizing == BY_FRACTION:
        qty = equity * limits.fraction / facts.price
    if limits.sizing == BY_EQUAL:
        qty = equity * limits.max_deployed / limits.max_positions / facts.price
    if limits.sizing == BY_VOLATILITY:
        qty = equity * limits.target_volatility / (facts.volatility * facts.price)
    if limits.sizing == BY_KELLY:
        kelly = kelly_fraction(lane.trades)
        qty = equity * limits.kelly_share * kelly / facts.price if kelly == kelly else by_stop
    return qty


@kernel
def peak_equity(lane: Lane, uses: Uses) -> float:
    """What a drawdown is measured from."""
    return lane.halt.peak if uses.resumes else lane.drawdown.peak_equity


@kernel
def has_fallen(equity: float, to: float, start: float) -> bool:
    """Whether equity has fallen to a share of its start; minus infinity: there is no such limit.

    Both may be negative, and minus infinity times what is below zero is no limit that holds.
    """
    return (to >= 0.0) & (equity <= to * start)


@kernel
def in_drawdown(lane: Lane, limits: Risk, uses: Uses) -> bool:
    """Whether sizes are reduced."""
    return has_fallen(lane.account.equity, limits.drawdown_reduce, peak_equity(lane, uses))


@kernel
def prices_agree(order: Order, limit: float, trigger: float, is_short: bool, uses: Uses) -> bool:
    """Whether an entry's prices are prices, and a stop-limit's limit lies where it can be filled."""
    agree = True
    if uses.resting:
        side = -1.0 if is_short else 1.0
        needs_limit = (order.kind == LIMIT) | (order.kind == STOP_LIMIT)
        needs_trigger = (order.kind == STOP) | (order.kind == STOP_LIMIT)
        has_limit = (limit > 0.0) & (limit < np.inf)
        has_trigger = (trigger > 0.0) & (trigger < np.inf)
        ordered = side * limit >= side * trigger
        is_market = order.kind == MARKET
        agree = is_market | needs_limit | needs_trigger
        agree = agree & (has_limit | (not needs_limit)) & (has_trigger | (not needs_trigger))
        agree = agree & (ordered | (order.kind != STOP_LIMIT))
    if uses.targets:
        agree = agree & (order.target >= 0.0)
    if uses.trailing:
        agree = agree & (order.trailing >= 0.0)
    return agree


@kernel
def size(
    lane: Lane, facts: Facts, room: Room, limits: Risk, symbol: Symbol, uses: Uses
) -> tuple[Lane, float, float]:
    """Complete a requested entry: an order, or none below one lot; then its quantity and the outcome."""
    order = lane.order
    is_short = uses.shorts & (order.qty < 0.0)
    risk = -order.qty if is_short else order.qty
    price = facts.price
    reduces = in_drawdown(lane, limits, uses)
    asked = order.stop_distance
    asked = limits.stop_atr * facts.atr if asked != asked else asked
    asked = asked * limits.drawdown_stop if reduces else asked
    waived = uses.unprotected & (order.unprotected > 0.0)
    distance = np.nan if waived else asked
    has_stop = (distance > 0.0) & (distance < np.inf)
    wanted = wanted_qty(lane, risk, distance, facts, limits)
    factor = limits.drawdown_size if reduces else 1.0
    factor = factor * (limits.correlation_size if facts.correlated > 0.0 else 1.0)
    at_risk = price if waived else distance  # without a stop all of it is at risk
    lots = symbol.lots
    by_size = min(wanted * factor, lane.account.equity * limits.max_position / price)
    by_class = min(by_size, room.crypto / price)
    by_sector = min(by_class, room.sector / price)
    by_count = by_sector if room.positions >= 1.0 else 0.0
    by_risk = min(by_count, room.open_risk / at_risk)
    by_deployed = min(by_risk, room.deployed / price)
    by_cash = min(by_deployed, room.cash / price)
    qty = np.floor(by_cash * lots) / lots
    outcome = ACCEPTED if qty > 0.0 else DENIED_CASH  # a NaN is not
    least = 1.0 / lots
    outcome = outcome if by_deployed >= least else DENIED_DEPLOYED
    outcome = outcome if by_risk >= least else DENIED_OPEN_RISK
    outcome = outcome if by_count >= least else DENIED_POSITIONS
    outcome = outcome if by_sector >= least else DENIED_SECTOR
    outcome = outcome if by_class >= least else DENIED_CLASS
    outcome = outcome if by_size >= least else DENIED_SIZE
    if (limits.sizing == BY_VOLATILITY) & (not (facts.volatility > 0.0)):
        outcome = DENIED_NO_VOLATILITY
    outcome = outcome if lane.position.entries < limits.max_trades else DENIED_TRADES
    outcome = DENIED_FAR_STOP if distance > limits.max_stop * price else outcome
    limit, trigger = order.limit, order.trigger
    if uses.ticks:
        limit, trigger = on_tick(limit, symbol.ticks), on_tick(trigger, symbol.ticks)
    outcome = outcome if prices_agree(order, limit, trigger, is_short, uses) else DENIED_PRICES
    kelly = kelly_fraction(lane.trades)
    falls_back = (limits.sizing == BY_KELLY) & (kelly != kelly)
    needs_stop = (limits.sizing == BY_STOP) | falls_back | (not waived)
    outcome = DENIED_NO_STOP if needs_stop & (not has_stop) else outcome
    by_stop = (limits.sizing == BY_STOP) | falls_back
    outcome = DENIED_NO_STOP if by_stop & (not (risk > 0.0)) else outcome
    accepted = (order.action == REQUESTED) & (outcome == ACCEPTED)
    sized = order
    if order.action == REQUESTED:
        sized = no_order()
    if accepted:
        sized = Order(
            SELL if is_short else BUY,
            qty,
            distance,
            order.mode,
            order.reason,
            order.kind,
            limit,
            trigger,
            order.target,
            order.trailing,
            order.for_day,
            NOT_BEGUN,
            order.unprotected,
            order.score,
        )
    held = lane.position
    counted = Position(
        held.qty,
        held.entry_price,
        held.entry_value,
        held.stop,
        held.highest_high,
        held.mode,
        held.stopped,
        held.lowest_low,
        held.target,
        held.trailing,
        held.within,
        held.reference,
        held.traded,
        held.entries + (1.0 if accepted else 0.0),
    )
    sized_lane = Lane(counted, sized, lane.account, lane.trades, lane.drawdown, lane.returns, lane.halt)
    return sized_lane, qty if accepted else 0.0, outcome
