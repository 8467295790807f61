"""Target weights: from a wished share of equity to an order for the difference.

The form of models, of rotation and of signals that say how much rather than when. A weight is a signed
share of equity at the close of the decision bar; below zero it is short. A position that has the other side
is closed first, and the new one opened by the next decision.
"""

from typing import NamedTuple

import numpy as np

from .decorator import kernel
from .fills import Symbol
from .lane import (
    BUY,
    MARKET,
    NOT_BEGUN,
    REQUESTED,
    SELL,
    WEIGHT,
    Lane,
    Order,
    closing_order,
    no_order,
    with_order,
)
from .outcomes import (
    ACCEPTED,
    DENIED_CASH,
    DENIED_CLASS,
    DENIED_DEPLOYED,
    DENIED_HALTED,
    DENIED_NO_STOP,
    DENIED_OPEN_RISK,
    DENIED_POSITIONS,
    DENIED_SECTOR,
    NOTHING,
)
from .sizes import Facts, Risk, Room
from .uses import Uses


class Wish(NamedTuple):
    """What a target weight asks for."""

    side: float  # of the target; 0: flat
    change: float  # units: above zero to be added to what is held, below to be taken off it


@kernel
def wish(lane: Lane, price: float, limits: Risk, lots: float) -> Wish:
    """The change of position that a requested weight means, in whole lots."""
    weight = min(max(lane.order.qty, -limits.max_position), limits.max_position)
    equity, held = lane.account.equity, lane.position.qty
    wanted = np.floor(max(equity * abs(weight) / price, 0.0) * lots) / lots
    side = 0.0 if wanted == 0.0 else (1.0 if weight > 0.0 else -1.0)
    opposite = side * held < 0.0
    change = -abs(held) if opposite | (side == 0.0) else wanted - abs(held)
    small = abs(change) * price < limits.min_rebalance * equity
    keeps = small & (side != 0.0) & (not opposite)
    return Wish(side, 0.0 if keeps | (not (abs(change) >= 1.0 / lots)) else change)


@kernel
def asks_weight(lane: Lane) -> bool:
    """Whether the lane's rule has asked for a weight that nobody has turned into an order yet."""
    return (lane.order.action == REQUESTED) & (lane.order.kind == WEIGHT)


@kernel
def size_weight(
    lane: Lane, facts: Facts, room: Room, limits: Risk, symbol: Symbol, uses: Uses
) -> tuple[Lane, float, float]:
    """Complete a requested weight: an order, or none; then its quantity and the outcome."""
    order = lane.order
    price, lots = facts.price, symbol.lots
    asked = wish(lane, price, limits, lots)
    waived = order.unprotected > 0.0
    distance = (
        limits.stop_atr * facts.atr if order.stop_distance != order.stop_distance else order.stop_distance
    )
    distance = np.nan if waived else distance
    has_stop = (distance > 0.0) & (distance < np.inf)
    is_flat = lane.position.qty == 0.0
    at_risk = price if waived else distance
    slots = 1.0 if is_flat else 0.0
    by_class = min(asked.change, room.crypto / price)
    by_sector = min(by_class, room.sector / price)
    by_count = by_sector if room.positions >= slots else 0.0
    by_risk = min(by_count, room.open_risk / at_risk)
    by_deployed = min(by_risk, room.deployed / price)
    by_cash = min(by_deployed, room.cash / price)
    least = 1.0 / lots
    added = np.floor(by_cash * lots) / lots
    outcome = ACCEPTED if by_cash >= least else DENIED_CASH
    outcome = outcome if by_deployed >= least else DENIED_DEPLOYED
    outcome = outcome if by_risk >= least else DENIED_OPEN_RISK
    outcome = outcome if by_count >= least else DENIED_POSITIONS
    outcome = outcome if by_sector >= least else DENIED_SECTOR
    outcome = outcome if by_class >= least else DENIED_CLASS
    outcome = DENIED_NO_STOP if (not (waived | has_stop)) else outcome
    if uses.halts:
        outcome = DENIED_HALTED if lane.halt.reason != 0.0 else outcome
    made = no_order()
    qty = 0.0
    if asked.change > 0.0:
        if outcome == ACCEPTED:
            qty = added
            made = Order(
                SELL if asked.side < 0.0 else BUY,
                qty,
                distance,
                order.mode,
                order.reason,
                MARKET,
                0.0,
                0.0,
                0.0,
                0.0,
                0.0,
                NOT_BEGUN,
                order.unprotected,
                order.score,
            )
    elif asked.change < 0.0:
        outcome, qty = ACCEPTED, -asked.change
        taken = -asked.change if lane.position.qty > 0.0 else asked.change
        made = closing_order(taken, lane.position.mode, order.reason, NOT_BEGUN)
    else:
        outcome = NOTHING
    return with_order(lane, made), qty, outcome
