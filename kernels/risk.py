"""From a rule's intent to an order: sizing, limits, and the reason where one of them refused.

SPEC 5.1: shares = equity x risk / stop distance, capped by ``max_position`` of equity per position and
``max_deployed`` in all, never more than cash pays, rounded down to whole lots. Sizes come from the close of
the decision bar. A short is sized like a long: it needs as much cash as it is worth.

`shorts` is a constant where a step is compiled in: whether the rule can be short at all. Where it cannot,
nothing of shorts is left in the machine code.
"""

from typing import NamedTuple

import numpy as np

from .decorator import kernel
from .intent import ENTER, ENTER_SHORT, LEAVE, TRAIL, Intent
from .lane import BUY, NO_ORDER, REQUESTED, SELL, Lane, Order, Position

# What became of an intent; the names are in OUTCOMES.
NOTHING = 0.0
ACCEPTED = 1.0
DENIED_HOLDING = 2.0
DENIED_STOPPED = 3.0
DENIED_NO_STOP = 4.0
DENIED_SIZE = 5.0
DENIED_FLAT = 6.0
WORKING = 7.0
NOT_READY = 8.0

OUTCOMES = {
    0: "none",
    1: "accepted",
    2: "denied: a position is open",
    3: "denied: stopped out since the last decision",
    4: "denied: no valid stop",
    5: "denied: size below one lot",
    6: "denied: nothing to close",
    7: "waiting: an order is still working",
    8: "waiting: a feature is not known yet",
}


class Risk(NamedTuple):
    """Limits of a lane; fractions of equity. Rates are per session."""

    max_position: float
    max_deployed: float
    cash_rate: float
    risk_free: float
    lots: float  # lots per unit of the instrument: 1 for whole shares, 1e8 for 1e-8 coins


class Verdict(NamedTuple):
    """What the tape keeps of a decision."""

    action: float
    reason: float
    qty: float  # of the order it made
    outcome: float


@kernel
def guard(lane: Lane, intent: Intent, ready: bool, shorts: bool) -> float:
    """Outcome of an intent: the first rule that refuses it, or ACCEPTED. Sizes come later."""
    position = lane.position
    # The comparison that long rules make too, so that it is made once: `!= 0.0` costs a tenth of all time.
    holds = position.qty != 0.0 if shorts else position.qty > 0.0
    has_stop = (intent.stop_distance > 0.0) & (intent.stop_distance < np.inf) & (intent.risk > 0.0)
    outcome = NOTHING
    if intent.action == ENTER:
        outcome = ACCEPTED if has_stop else DENIED_NO_STOP
        outcome = DENIED_STOPPED if position.stopped > 0.0 else outcome
        outcome = DENIED_HOLDING if holds else outcome
    if (intent.action == LEAVE) | (intent.action == TRAIL):
        outcome = ACCEPTED if holds else DENIED_FLAT
    outcome = WORKING if lane.order.action != NO_ORDER else outcome
    return outcome if ready else NOT_READY


@kernel
def request(lane: Lane, intent: Intent, ready: bool, shorts: bool) -> tuple[Lane, Verdict]:
    """Turn an intent into an order to close, a moved stop, or a requested entry that ``size`` completes.

    Sizing divides, and few bars enter: it has a loop of its own that runs only where somebody asked.
    """
    position = lane.position
    is_short = shorts & (position.qty < 0.0)
    sells_short = shorts & (intent.side < 0.0)
    outcome = guard(lane, intent, ready, shorts)
    accepted = outcome == ACCEPTED
    order = lane.order
    stop = position.stop
    qty = 0.0
    if accepted & (intent.action == ENTER):
        risk = -intent.risk if sells_short else intent.risk
        order = Order(REQUESTED, risk, intent.stop_distance, intent.mode, intent.reason)
    if accepted & (intent.action == LEAVE):
        qty = -position.qty if is_short else position.qty
        order = Order(BUY if is_short else SELL, qty, 0.0, position.mode, intent.reason)
    if accepted & (intent.action == TRAIL):
        is_closer = intent.stop < stop if is_short else intent.stop > stop
        stop = intent.stop if is_closer else stop  # a NaN never moves it
    decided = Position(
        position.qty,
        position.entry_price,
        position.entry_value,
        stop,
        position.highest_high,
        position.mode,
        0.0,
        position.lowest_low,
    )
    action = ENTER_SHORT if sells_short & (intent.action == ENTER) else intent.action
    verdict = Verdict(action if ready else 0.0, intent.reason if ready else 0.0, qty, outcome)
    return Lane(decided, order, lane.account, lane.trades, lane.drawdown, lane.returns), verdict


@kernel
def order_qty(
    equity: float, cash: float, price: float, stop_distance: float, risk: float, limits: Risk
) -> float:
    """Units to buy or to sell short: the smallest of what risk, limits and cash allow, in whole lots."""
    by_risk = equity * risk / stop_distance
    by_limit = min(equity * min(limits.max_position, limits.max_deployed), cash) / price
    return np.floor(min(by_risk, by_limit) * limits.lots) / limits.lots  # type: ignore[no-any-return]


@kernel
def size(lane: Lane, price: float, limits: Risk, shorts: bool) -> tuple[Lane, float]:
    """Complete a requested entry at the decision bar's close `price`: an order, or none below one lot.

    The second value is the order's quantity.
    """
    order = lane.order
    account = lane.account
    is_short = shorts & (order.qty < 0.0)
    risk = -order.qty if is_short else order.qty
    qty = order_qty(account.equity, account.cash, price, order.stop_distance, risk, limits)
    sized = order
    if order.action == REQUESTED:
        if qty > 0.0:  # a NaN is not
            side = SELL if is_short else BUY
            sized = Order(side, qty, order.stop_distance, order.mode, order.reason)
        else:
            sized = Order(NO_ORDER, 0.0, 0.0, 0.0, 0.0)
    return Lane(lane.position, sized, account, lane.trades, lane.drawdown, lane.returns), sized.qty
