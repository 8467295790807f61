"""Fills: which price an order gets in a bar, and what that does to a lane.

The table so far (every row has a test):

| order | where the bar goes | fills at |
|---|---|---|
| market, decided at an earlier close | anywhere | the open, slippage against it |
| protective stop | opens above the stop, low at or below it | the stop, slippage against it |
| protective stop | opens at or below the stop (gap) | the open, slippage against it |
| protective stop, entered at this open | low at or below it | the stop: it acts from the bar of entry |

An entry is cut to what cash can pay at the fill, so that cash never falls below zero. In live trading the
venue decides the fills; then ``venue_order`` and ``venue_stop`` move the lane by the same rules.
"""

from typing import NamedTuple

import numpy as np

from .bar import Bar
from .costs import Costs, commission, slippage_fraction
from .decorator import kernel
from .lane import BUY, SELL, Account, Lane, Position, TradeTally, no_order


class Fill(NamedTuple):
    """One execution; a quantity of zero means that there was none."""

    qty: float  # in the tape: > 0 bought, < 0 sold
    price: float
    commission: float  # account currency
    reference: float  # price before slippage


@kernel
def buy_fill(
    reference: float, qty: float, cash: float, mean_volume: float, costs: Costs, lots: float
) -> Fill:
    """Buy `qty` at `reference`, cut to the whole lots (`lots` to a unit) that `cash` can pay."""
    price = reference * (1.0 + slippage_fraction(costs, qty, mean_volume))
    per_unit = price + costs.commission_per_share + costs.commission_rate * price
    affordable = np.floor((cash - costs.commission_per_order) / per_unit * lots) / lots
    bought = max(min(qty, affordable), 0.0)
    # A quotient and a product round apart by an ulp or two: what still does not fit loses one more lot.
    too_much = bought * price + commission(costs, bought, price) > cash
    bought = max(bought - 1.0 / lots, 0.0) if too_much else bought
    return Fill(bought, price, commission(costs, bought, price), reference)


@kernel
def sell_fill(reference: float, qty: float, mean_volume: float, costs: Costs) -> Fill:
    """Sell `qty` at `reference`."""
    price = reference * (1.0 - slippage_fraction(costs, qty, mean_volume))
    return Fill(qty, price, commission(costs, qty, price), reference)


@kernel
def stop_fill(bar: Bar, stop: float, qty: float, mean_volume: float, costs: Costs) -> Fill:
    """Sell `qty` if the bar touches `stop`; a bar that opens at or below it fills at its open."""
    hit = (qty > 0.0) & (bar.low <= stop)
    return sell_fill(min(bar.open, stop), qty if hit else 0.0, mean_volume, costs)


@kernel
def apply_entry(lane: Lane, fill: Fill) -> Lane:
    """Open the position that the working order asked for; a fill of zero only clears the order."""
    position = lane.position
    account = lane.account
    value = fill.qty * fill.price + fill.commission
    if fill.qty > 0.0:
        stop = fill.price - lane.order.stop_distance
        position = Position(fill.qty, fill.price, value, stop, fill.price, lane.order.mode, 0.0)
        paid = fill.commission + fill.qty * (fill.price - fill.reference)
        account = Account(account.cash - value, account.equity, account.costs_paid + paid)
    return Lane(position, no_order(), account, lane.trades, lane.drawdown, lane.returns)


@kernel
def apply_exit(lane: Lane, fill: Fill, stopped: float) -> Lane:
    """Close the whole position and count the trade; a fill of zero changes nothing."""
    position = lane.position
    order = lane.order
    account = lane.account
    trades = lane.trades
    value = fill.qty * fill.price - fill.commission
    if fill.qty > 0.0:
        pnl = value - position.entry_value
        trades = TradeTally(
            trades.n_trades + 1.0,
            trades.n_wins + (1.0 if pnl > 0.0 else 0.0),
            trades.gross_profit + max(pnl, 0.0),
            trades.gross_loss + min(pnl, 0.0),
            trades.bars_held,
        )
        paid = fill.commission + fill.qty * (fill.reference - fill.price)
        account = Account(account.cash + value, account.equity, account.costs_paid + paid)
        position = Position(
            0.0,
            position.entry_price,
            position.entry_value,
            position.stop,
            position.highest_high,
            position.mode,
            stopped,
        )
        order = no_order()  # an exit that still waits has nothing left to close
    return Lane(position, order, account, trades, lane.drawdown, lane.returns)


@kernel
def settle_order(
    lane: Lane, open_price: float, mean_volume: float, costs: Costs, lots: float
) -> tuple[Lane, Fill]:
    """Execute the working market order, if there is one, at the open of the bar."""
    order = lane.order
    bought = buy_fill(open_price, order.qty, lane.account.cash, mean_volume, costs, lots)
    sold = sell_fill(open_price, lane.position.qty, mean_volume, costs)
    settled = lane
    fill = Fill(0.0, 0.0, 0.0, 0.0)
    if order.action == BUY:
        settled = apply_entry(lane, bought)
        fill = bought
    if order.action == SELL:
        settled = apply_exit(lane, sold, 0.0)
        fill = Fill(-sold.qty, sold.price, sold.commission, sold.reference)
    return settled, fill


@kernel
def settle_stop(lane: Lane, bar: Bar, mean_volume: float, costs: Costs) -> tuple[Lane, Fill]:
    """Execute the protective stop if the bar touches it."""
    sold = stop_fill(bar, lane.position.stop, lane.position.qty, mean_volume, costs)
    return apply_exit(lane, sold, 1.0), Fill(-sold.qty, sold.price, sold.commission, sold.reference)


@kernel
def venue_order(lane: Lane, done: float, fill: Fill) -> Lane:
    """Take the venue's answer to the working order: `done` with a fill, or done without (refused)."""
    settled = lane
    if done > 0.0:
        if lane.order.action == BUY:
            settled = apply_entry(lane, fill)
        else:
            settled = apply_exit(lane, Fill(-fill.qty, fill.price, fill.commission, fill.reference), 0.0)
    return settled


@kernel
def venue_stop(lane: Lane, fill: Fill) -> Lane:
    """Take the venue's execution of the protective stop (quantity below zero), if any."""
    return apply_exit(lane, Fill(-fill.qty, fill.price, fill.commission, fill.reference), 1.0)
