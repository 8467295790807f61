"""Fills: which price an order gets in a bar, and what that does to a lane.

The table so far (every row has a test):

| order | where the bar goes | fills at |
|---|---|---|
| market, decided at an earlier close | anywhere | the open, slippage against it |
| stop of a long | opens above the stop, low at or below it | the stop, slippage against it |
| stop of a long | opens at or below the stop (gap) | the open, slippage against it |
| stop of a long, entered at this open | low at or below it | the stop: it acts from the bar of entry |
| stop of a short | opens below the stop, high at or above it | the stop, slippage against it |
| stop of a short | opens at or above the stop (gap) | the open, slippage against it |
| stop of a short, entered at this open | high at or above it | the stop: it acts from the bar of entry |

A market order is an entry where the account is flat when it settles, otherwise the exit of the whole
position. An entry is cut to what cash can pay at the fill, so that no entry takes more than there is; a short
needs as much cash as what it sells is worth, commission included. In live trading the venue decides the
fills; then ``venue_order`` and ``venue_stop`` move the lane by the same rules.

A side is +1 to buy, -1 to sell. `shorts` is a constant where a step is compiled in: whether the rule can be
short at all. Where it cannot, sides are constants too and nothing of shorts is left in the machine code.
"""

from typing import NamedTuple

import numpy as np

from .bar import Bar
from .costs import Costs, commission, slippage_fraction
from .decorator import kernel
from .lane import NO_ORDER, SELL, Account, Lane, Position, TradeTally, no_order


class Fill(NamedTuple):
    """One execution; a quantity of zero means that there was none."""

    qty: float  # in the tape: > 0 bought, < 0 sold
    price: float
    commission: float  # account currency
    reference: float  # price before slippage


@kernel
def entry_fill(
    side: float, reference: float, qty: float, cash: float, mean_volume: float, costs: Costs, lots: float
) -> Fill:
    """Trade `qty` at `reference`, cut to the whole lots (`lots` to a unit) that `cash` can pay."""
    price = reference * (1.0 + side * slippage_fraction(costs, qty, mean_volume))
    per_unit = price + costs.commission_per_share + costs.commission_rate * price
    affordable = np.floor((cash - costs.commission_per_order) / per_unit * lots) / lots
    taken = max(min(qty, affordable), 0.0)
    # A quotient and a product round apart by an ulp or two: what still does not fit loses one more lot.
    too_much = taken * price + commission(costs, taken, price) > cash
    taken = max(taken - 1.0 / lots, 0.0) if too_much else taken
    return Fill(taken, price, commission(costs, taken, price), reference)


@kernel
def exit_fill(side: float, reference: float, qty: float, mean_volume: float, costs: Costs) -> Fill:
    """Trade `qty` at `reference`."""
    price = reference * (1.0 + side * slippage_fraction(costs, qty, mean_volume))
    return Fill(qty, price, commission(costs, qty, price), reference)


@kernel
def side_held(qty: float, shorts: bool) -> float:
    """Side that opened a position of `qty`; +1 where it is flat."""
    return -1.0 if shorts & (qty < 0.0) else 1.0


@kernel
def touches(bar: Bar, stop: float, qty: float, shorts: bool) -> bool:
    """Whether the bar reaches the protective stop of what is held."""
    hit = (qty > 0.0) & (bar.low <= stop)
    return hit | (shorts & (qty < 0.0) & (bar.high >= stop))


@kernel
def stop_fill(bar: Bar, stop: float, qty: float, mean_volume: float, costs: Costs, shorts: bool) -> Fill:
    """Close a position of `qty` if the bar touches `stop`; a bar that opens beyond it fills at its open."""
    held = side_held(qty, shorts)
    reference = max(bar.open, stop) if held < 0.0 else min(bar.open, stop)
    hit = touches(bar, stop, qty, shorts)
    return exit_fill(-held, reference, held * qty if hit else 0.0, mean_volume, costs)


@kernel
def apply_entry(lane: Lane, fill: Fill, side: float) -> Lane:
    """Open the position that the working order asked for; a fill of zero only clears the order."""
    position = lane.position
    account = lane.account
    value = side * fill.qty * fill.price + fill.commission
    if fill.qty > 0.0:
        stop = fill.price - side * lane.order.stop_distance
        qty = side * fill.qty
        position = Position(qty, fill.price, value, stop, fill.price, lane.order.mode, 0.0, fill.price)
        paid = fill.commission + fill.qty * (side * (fill.price - fill.reference))
        account = Account(account.cash - value, account.equity, account.costs_paid + paid)
    return Lane(position, no_order(), account, lane.trades, lane.drawdown, lane.returns)


@kernel
def apply_exit(lane: Lane, fill: Fill, held: float, stopped: float) -> Lane:
    """Close the whole position, of side `held`, and count the trade; a fill of zero changes nothing."""
    position = lane.position
    order = lane.order
    account = lane.account
    trades = lane.trades
    value = held * fill.qty * fill.price - fill.commission
    if fill.qty > 0.0:
        pnl = value - position.entry_value
        trades = TradeTally(
            trades.n_trades + 1.0,
            trades.n_wins + (1.0 if pnl > 0.0 else 0.0),
            trades.gross_profit + max(pnl, 0.0),
            trades.gross_loss + min(pnl, 0.0),
            trades.bars_held,
        )
        paid = fill.commission + fill.qty * (held * (fill.reference - fill.price))
        account = Account(account.cash + value, account.equity, account.costs_paid + paid)
        position = Position(
            0.0,
            position.entry_price,
            position.entry_value,
            position.stop,
            position.highest_high,
            position.mode,
            stopped,
            position.lowest_low,
        )
        order = no_order()  # an exit that still waits has nothing left to close
    return Lane(position, order, account, trades, lane.drawdown, lane.returns)


@kernel
def settle_order(
    lane: Lane, open_price: float, mean_volume: float, costs: Costs, lots: float, shorts: bool
) -> tuple[Lane, Fill]:
    """Execute the working market order, if there is one, at the open of the bar.

    The fill's quantity is signed: above zero bought.
    """
    order = lane.order
    qty = lane.position.qty
    side = -1.0 if shorts & (order.action == SELL) else 1.0
    held = side_held(qty, shorts)
    entered = entry_fill(side, open_price, order.qty, lane.account.cash, mean_volume, costs, lots)
    left = exit_fill(-held, open_price, held * qty, mean_volume, costs)
    settled = lane
    fill = Fill(0.0, 0.0, 0.0, 0.0)
    if (order.action != NO_ORDER) & (qty == 0.0):
        settled = apply_entry(lane, entered, side)
        fill = Fill(side * entered.qty, entered.price, entered.commission, entered.reference)
    if (order.action != NO_ORDER) & (qty != 0.0):
        settled = apply_exit(lane, left, held, 0.0)
        fill = Fill(-held * left.qty, left.price, left.commission, left.reference)
    return settled, fill


@kernel
def settle_stop(lane: Lane, bar: Bar, mean_volume: float, costs: Costs, shorts: bool) -> tuple[Lane, Fill]:
    """Execute the protective stop if the bar touches it; the fill's quantity is signed."""
    position = lane.position
    held = side_held(position.qty, shorts)
    left = stop_fill(bar, position.stop, position.qty, mean_volume, costs, shorts)
    fill = Fill(-held * left.qty, left.price, left.commission, left.reference)
    return apply_exit(lane, left, held, 1.0), fill


@kernel
def unsigned(fill: Fill) -> Fill:
    """A fill as the lane's steps take it."""
    return Fill(abs(fill.qty), fill.price, fill.commission, fill.reference)


@kernel
def venue_order(lane: Lane, done: float, fill: Fill, shorts: bool) -> Lane:
    """Take the venue's answer to the working order: `done` with a fill, or done without (refused)."""
    settled = lane
    if done > 0.0:
        if lane.position.qty == 0.0:
            side = -1.0 if shorts & (lane.order.action == SELL) else 1.0
            settled = apply_entry(lane, unsigned(fill), side)
        else:
            settled = apply_exit(lane, unsigned(fill), side_held(lane.position.qty, shorts), 0.0)
    return settled


@kernel
def venue_stop(lane: Lane, fill: Fill, shorts: bool) -> Lane:
    """Take the venue's execution of the protective stop, if any."""
    return apply_exit(lane, unsigned(fill), side_held(lane.position.qty, shorts), 1.0)
