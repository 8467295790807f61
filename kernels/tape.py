"""The tape: every event of one lane, one row per bar. A sweep's compiled loop leaves it out."""

TAPE_FIELDS = (
    "order_qty",  # filled at the open: > 0 bought, < 0 sold
    "order_price",
    "order_commission",
    "order_reference",
    "order_reason",
    "order_mode",
    "order_done",  # 1 or 2 where a working buy or sell came up for its fill
    "stop_qty",  # filled by the protective stop: < 0 sold a long, > 0 bought a short back
    "stop_price",
    "stop_commission",
    "stop_reference",
    "equity",  # at the close, account currency
    "cash",
    "qty",  # held at the close, < 0 short
    "stop",  # protective stop after the decision
    "mode",
    "decided",  # 1 where the rule was asked
    "action",
    "reason",
    "decided_qty",  # of the order that the decision made
    "outcome",  # code in risk.OUTCOMES
    "stop_distance",  # of the order that waits
)
TAPE = {name: column for column, name in enumerate(TAPE_FIELDS)}

VENUE_FIELDS = (
    "order_done",  # 1: the venue settled the working order
    "order_qty",
    "order_price",
    "order_commission",
    "order_reference",
    "stop_qty",
    "stop_price",
    "stop_commission",
    "stop_reference",
)
