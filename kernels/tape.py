"""The tape: every event of one lane, one row per bar. A sweep's compiled loop leaves it out.

And its counterpart, what a venue answers: one row per bar too.
"""

from typing import NamedTuple


class TapeRow(NamedTuple):
    """What happened on one row."""

    order_qty: float  # filled by the order: > 0 bought, < 0 sold
    order_price: float
    order_commission: float
    order_reference: float
    order_done: float  # 1 or 2 where a working buy or sell came up for its fill
    order_left: float  # 1 where it goes on working after that
    order_at_close: float  # 1 where it came up at the close
    stop_qty: float  # filled by the protective stop or the target: < 0 sold a long, > 0 bought a short back
    stop_price: float
    stop_commission: float
    stop_reference: float
    exit_kind: float  # 1 the stop, 2 the target
    expired: float  # 1 where an entry for the day ended with a session before this row, 2 with this row's
    halted: float  # reason, where a loss stopped trading on this row
    equity: float  # at the close, account currency
    cash: float
    qty: float  # held at the close, < 0 short
    entry_price: float
    stop: float  # protective stop after the decision
    target: float
    mode: float
    decided: float  # 1 where the rule was asked
    action: float
    reason: float
    decided_qty: float  # of the order that the decision made
    outcome: float  # code in OUTCOMES
    working: float  # action of the order that works after this row; what follows is its own
    order_mode_after: float
    stop_distance: float
    kind: float
    limit: float
    trigger: float
    target_distance: float
    for_day: float
    order_wait: float  # below zero: no bar could have filled it yet


class VenueRow(NamedTuple):
    """What a venue did since the last row, as the lanes take it."""

    order_done: float = 0.0  # 1: the working order is done with; 2: it works on
    order_at: float = 0.0  # how it was filled: HELD (the open), BY_LIMIT (within the bar), AT_CLOSE
    order_reached: float = 0.0  # 1: its price was reached
    order_qty: float = 0.0
    order_price: float = 0.0
    order_commission: float = 0.0
    order_reference: float = 0.0
    exit_kind: float = 0.0  # STOP_EXIT or TARGET_EXIT
    stop_qty: float = 0.0
    stop_price: float = 0.0
    stop_commission: float = 0.0
    stop_reference: float = 0.0


TAPE_FIELDS = TapeRow._fields
TAPE = {name: column for column, name in enumerate(TAPE_FIELDS)}
VENUE_FIELDS = VenueRow._fields
