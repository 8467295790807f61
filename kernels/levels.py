"""Which price a bar gives an order: the table of fills in ``kernels/README.md``, and nothing else.

All is written for the buyer. A seller sees the bar in a mirror, with all prices negated: that is exact, so
both sides get the same bits.
"""

from typing import NamedTuple

import numpy as np

from .bar import Bar
from .decorator import kernel
from .execution import PATH, TARGET_FIRST, Execution
from .lane import LIMIT, MARKET, STOP, Order

# How a position came to be held in this bar.
HELD = 0.0  # since its open, or longer
BY_LIMIT = 1.0  # within it, by a price that fell to a limit (the buyer's view)
BY_STOP = 2.0  # within it, by a price that rose to a trigger
AT_CLOSE = 3.0  # with its close

NEITHER = 0.0
STOP_EXIT = 1.0
TARGET_EXIT = 2.0


class Entry(NamedTuple):
    """What a bar gives to an order that opens a position."""

    reached: bool
    reference: float  # price before slippage
    within: float  # HELD, BY_LIMIT or BY_STOP
    triggered: bool  # a stop-limit order has become a limit order
    worst: float  # no price beyond this, slippage included


class Exit(NamedTuple):
    """Which of a position's two orders a bar fills."""

    kind: float  # NEITHER, STOP_EXIT or TARGET_EXIT
    reference: float


@kernel
def seen_by(side: float, bar: Bar) -> Bar:
    """The bar as the buyer (side +1) sees it, or in the seller's mirror."""
    if side < 0.0:
        return Bar(-bar.open, -bar.low, -bar.high, -bar.close, bar.volume)
    return bar


@kernel
def passes(price: float, level: float, touch: float) -> bool:
    """Whether a price at or below a limit fills it: beyond it surely, at it where touching is enough."""
    return (price < level) | ((touch > 0.0) & (price == level))


@kernel
def entry_level(order: Order, side: float, bar: Bar, execution: Execution) -> Entry:
    """Price of an entry in this bar."""
    seen = seen_by(side, bar)
    limit, trigger = side * order.limit, side * order.trigger
    touch = execution.limit_fill
    reached, reference, within, triggered, worst = False, seen.open, HELD, False, np.inf
    if order.kind == MARKET:
        reached = True
    elif order.kind == LIMIT:
        if passes(seen.open, limit, touch):
            reached = True
            reference = limit if execution.limit_gap > 0.0 else seen.open
        elif passes(seen.low, limit, touch):
            reached, reference, within = True, limit, BY_LIMIT
        worst = reference  # a limit order pays no slippage
    elif order.kind == STOP:
        reached = (seen.open >= trigger) | (seen.high >= trigger)
        if seen.open < trigger:
            reference, within = trigger, BY_STOP
    else:
        worst = limit
        if seen.open >= trigger:
            triggered = True
            if seen.open <= limit:
                reached = True
            elif passes(seen.low, limit, touch):
                reached, reference, within = True, limit, BY_LIMIT
        elif seen.high >= trigger:
            reached, reference, within, triggered = True, trigger, BY_STOP, True
    return Entry(reached, side * reference, within, triggered, side * worst)


@kernel
def exit_level(
    side: float,
    stop: float,
    target: float,
    within: float,
    entered_at: float,
    bar: Bar,
    execution: Execution,
) -> Exit:
    """Which of stop and target of a position of `side` this bar fills, and from which price.

    A level that is NaN is none: nothing compares with it. `entered_at` is the price before slippage of an
    entry `within` this bar.
    """
    seen = seen_by(side, bar)
    own_stop, own_target = side * stop, side * target
    touch = execution.limit_fill
    intrabar = execution.intrabar
    down, up = seen.open - seen.low, seen.high - seen.open
    at_stop = seen.low <= own_stop
    # A target is a seller's limit: the same comparison with all signs turned.
    at_target = passes(-seen.high, -own_target, touch)
    ends_beyond = passes(-seen.close, -own_target, touch)
    low_first = down <= up  # on the path
    worst_price = seen.open
    if within == BY_LIMIT:
        # From the limit the price went on down: whatever lies below was reached after the entry.
        if (intrabar != TARGET_FIRST) & (not ((intrabar == PATH) & low_first)):
            at_target = ends_beyond
        stop_is_first = intrabar != TARGET_FIRST
        worst_price = side * entered_at
    elif within == BY_STOP:
        if (intrabar == TARGET_FIRST) | ((intrabar == PATH) & low_first):
            at_stop = seen.close <= own_stop
        stop_is_first = (intrabar != TARGET_FIRST) & (intrabar != PATH)
        worst_price = side * entered_at
    else:
        gap_to_stop = seen.open <= own_stop
        gap_to_target = passes(-seen.open, -own_target, touch)
        hurts_first = (intrabar != TARGET_FIRST) & ((intrabar != PATH) | low_first)
        stop_is_first = gap_to_stop | (hurts_first & (not gap_to_target))
    if own_stop >= worst_price:  # slippage or a tick has put the stop where the price is already
        at_stop, stop_is_first = True, True
    stopped = at_stop & (stop_is_first | (not at_target))
    gains = at_target & (not stopped)
    kind = STOP_EXIT if stopped else (TARGET_EXIT if gains else NEITHER)
    opens_beyond = seen.open >= own_target
    gap_price = seen.open if (within == HELD) & opens_beyond & (execution.limit_gap == 0.0) else own_target
    return Exit(kind, side * (min(worst_price, own_stop) if stopped else gap_price))
