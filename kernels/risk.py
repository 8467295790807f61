"""From a rule's intent to an order: what stands in its way before anybody asks how much.

Sizes, and all that divides, come in ``sizes.py``: few bars enter. `uses` is a constant where a step is
compiled in: what a rule and its settings cannot do leaves nothing in the machine code.
"""

from typing import NamedTuple

import numpy as np

from .decorator import kernel
from .fills import Symbol, is_entry
from .intent import AIM, CANCEL, ENTER, ENTER_SHORT, LEAVE, TARGET_WEIGHT, TRAIL, Intent
from .lane import (
    MARKET,
    NO_ORDER,
    NOT_BEGUN,
    REQUESTED,
    WEIGHT,
    Lane,
    Order,
    Position,
    closing_order,
    no_order,
)
from .outcomes import (
    ACCEPTED,
    DENIED_FLAT,
    DENIED_HALTED,
    DENIED_HOLDING,
    DENIED_NOTHING_RESTS,
    DENIED_PRICES,
    DENIED_STOPPED,
    NOT_READY,
    NOTHING,
    WORKING,
)
from .ticks import on_tick
from .uses import Uses


class Verdict(NamedTuple):
    """What the tape keeps of a decision."""

    action: float
    reason: float
    qty: float  # of the order it made
    outcome: float


@kernel
def rests(lane: Lane, uses: Uses) -> bool:
    """Whether the rule may replace the lane's order: an entry that rests, or is filled in part."""
    order, qty = lane.order, lane.position.qty
    partly = (order.action != NO_ORDER) & ((order.kind != MARKET) | (qty != 0.0)) & is_entry(order, qty)
    return partly if uses.resting | uses.capped else False


@kernel
def guard(lane: Lane, intent: Intent, ready: bool, symbol: Symbol, uses: Uses) -> float:
    """Outcome of an intent: the first rule that refuses it, or ACCEPTED. Sizes come later."""
    position = lane.position
    # The comparison that long rules make too, so that it is made once: `!= 0.0` costs a tenth of all time.
    holds = position.qty != 0.0 if uses.shorts else position.qty > 0.0
    replaceable = rests(lane, uses)
    outcome = NOTHING
    if intent.action == ENTER:
        outcome = DENIED_STOPPED if position.stopped > 0.0 else ACCEPTED
        outcome = DENIED_HOLDING if holds else outcome
        if uses.halts:
            outcome = DENIED_HALTED if lane.halt.reason != 0.0 else outcome
    if intent.action == LEAVE:
        outcome = ACCEPTED if holds | replaceable else DENIED_FLAT
    if intent.action == TRAIL:
        outcome = ACCEPTED if holds else DENIED_FLAT
    if uses.targets & (intent.action == AIM):
        wish = on_tick(intent.stop, symbol.ticks) if uses.ticks else intent.stop
        outcome = ACCEPTED if (wish > 0.0) & (wish < np.inf) else DENIED_PRICES
        outcome = outcome if holds else DENIED_FLAT
    if uses.weights & (intent.action == TARGET_WEIGHT):
        known = (intent.risk > -np.inf) & (intent.risk < np.inf)
        # A weight is traded at market and has no bracket: what is not heeded is denied.
        known = known & (intent.kind == MARKET) & (intent.target == 0.0)
        known = known & (intent.trailing == 0.0) & (intent.for_day == 0.0)
        outcome = ACCEPTED if known else DENIED_PRICES
        outcome = DENIED_STOPPED if (position.stopped > 0.0) & (not holds) & (intent.risk != 0.0) else outcome
    if uses.resting & (intent.action == CANCEL):
        outcome = ACCEPTED if replaceable else DENIED_NOTHING_RESTS
    outcome = WORKING if (lane.order.action != NO_ORDER) & (not replaceable) else outcome
    return outcome if ready else NOT_READY


@kernel
def request(lane: Lane, intent: Intent, ready: bool, symbol: Symbol, uses: Uses) -> tuple[Lane, Verdict]:
    """Turn an intent into an order to close, a moved stop, or a requested entry that ``size`` completes."""
    position = lane.position
    is_short = uses.shorts & (position.qty < 0.0)
    sells_short = uses.shorts & (intent.side < 0.0)
    outcome = guard(lane, intent, ready, symbol, uses)
    accepted = outcome == ACCEPTED
    order = lane.order
    stop = position.stop
    target = position.target
    qty = 0.0
    # Codes below zero are the engine's own.
    reason = max(intent.reason, 0.0) if intent.reason == intent.reason else 0.0
    mode = intent.mode if intent.mode == intent.mode else 0.0
    if accepted & (intent.action == ENTER):
        order = Order(
            REQUESTED,
            -intent.risk if sells_short else intent.risk,
            intent.stop_distance,
            mode,
            reason,
            intent.kind,
            intent.limit,
            intent.trigger,
            intent.target,
            intent.trailing,
            intent.for_day,
            NOT_BEGUN,
            intent.unprotected,
            intent.score,
        )
    if uses.weights & accepted & (intent.action == TARGET_WEIGHT):
        order = Order(
            REQUESTED,
            intent.risk,
            intent.stop_distance,
            mode,
            reason,
            WEIGHT,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            NOT_BEGUN,
            intent.unprotected,
            intent.score,
        )
    if accepted & (intent.action == LEAVE):
        qty = -position.qty if is_short else position.qty
        closing = closing_order(position.qty, position.mode, reason, NOT_BEGUN)
        order = closing if qty > 0.0 else no_order()
    if uses.resting & accepted & (intent.action == CANCEL):
        order = no_order()
    if accepted & (intent.action == TRAIL):
        wish = on_tick(intent.stop, symbol.ticks) if uses.ticks else intent.stop
        is_closer = wish < stop if is_short else wish > stop
        stop = wish if is_closer | (stop != stop) else stop  # a NaN never moves it
    if uses.targets & accepted & (intent.action == AIM):
        target = on_tick(intent.stop, symbol.ticks) if uses.ticks else intent.stop
    decided = Position(
        position.qty,
        position.entry_price,
        position.entry_value,
        stop,
        position.highest_high,
        position.mode,
        0.0,
        position.lowest_low,
        target,
        position.trailing,
        position.within,
        position.reference,
        position.traded,
        position.entries,
    )
    action = ENTER_SHORT if sells_short & (intent.action == ENTER) else intent.action
    verdict = Verdict(action if ready else 0.0, reason if ready else 0.0, qty, outcome)
    made = Lane(decided, order, lane.account, lane.trades, lane.drawdown, lane.returns, lane.halt)
    return made, verdict
