"""The records that cross from room to room: plain, frozen, in the field's words.

Times are UTC nanoseconds; a bar carries its close. ``side`` is +1 or -1 and ``qty`` is never
negative, but for what is held: there ``qty`` below zero is a short.
NaN stands for "unknown"; what a record cannot have is None.

Live trading is a conversation in these words: events go into the live core (``RowClosed``, ``Execution``,
``Rejection``), instructions come out (``Write`` first; then ``Submit``, ``MoveStop``, ``Postpone``,
``Cancel``). Each carries what a log needs to replay it.
"""

import msgspec


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One finished bar of one symbol, stamped at its close."""

    symbol: str
    ts_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    session_close_ns: int  # scheduled end of the session that the bar belongs to


class Order(msgspec.Struct, frozen=True):
    """An instruction to trade, made before it is sent; a retry reuses its id."""

    client_order_id: str
    symbol: str
    side: int
    qty: float
    kind: str  # "market" (entry, exit) or "stop" (protective, rests with the venue)
    ts_ns: int  # close of the bar that decided it
    reason: str
    stop_price: float  # of a stop order; NaN otherwise
    stop_distance: float  # of an entry: from the fill price to its protective stop; NaN otherwise
    mode: int = 0
    status: str = "pending"  # pending -> accepted -> filled | cancelled | rejected; unknown: reconcile first


class Fill(msgspec.Struct, frozen=True):
    """One execution."""

    client_order_id: str
    symbol: str
    ts_ns: int  # close of the bar in which it happened
    side: int
    qty: float
    price: float
    cost: float  # commission plus slippage, account currency, positive
    kind: str  # "market" or "stop"
    reason: str


class Trade(msgspec.Struct, frozen=True):
    """A round trip, net of the costs of its two fills."""

    symbol: str
    entry_ts_ns: int
    exit_ts_ns: int
    qty: float
    entry_price: float
    exit_price: float
    pnl: float
    costs: float
    mode: int
    entry_reason: str
    exit_reason: str
    side: int = 1  # of the entry: +1 long, -1 short


class Decision(msgspec.Struct, frozen=True):
    """What a strategy wanted at the close of a bar, why, and what became of it."""

    symbol: str
    ts_ns: int
    action: str  # "hold", "enter", "enter_short", "leave" or "trail"
    reason: str
    qty: float  # of the order it made; 0 if none
    stop_price: float  # protective stop after the decision; NaN when flat
    outcome: str  # "accepted", "none" or "denied: ..." with the rule that refused
    values: dict[str, float] = {}  # the feature row it saw


class Position(msgspec.Struct, frozen=True):
    """What is held of one symbol."""

    symbol: str
    ts_ns: int
    qty: float  # below zero: sold short
    entry_price: float
    stop_price: float
    cash: float
    equity: float


class EquityPoint(msgspec.Struct, frozen=True):
    """The account of one symbol at the close of a bar."""

    symbol: str
    ts_ns: int
    equity: float
    cash: float
    qty: float  # below zero: sold short


class OrderStatus(msgspec.Struct, frozen=True):
    """What has become of an order."""

    client_order_id: str
    status: str  # as in `Order`


class RowClosed(msgspec.Struct, frozen=True, tag=True):
    """An interval of the calendar is over, for all symbols; whoever has no bar in it did not trade."""

    ts_ns: int
    session_close_ns: int  # scheduled end of the session that the row belongs to
    bars: tuple[Bar, ...]


class Execution(msgspec.Struct, frozen=True, tag=True):
    """A venue executed an order of ours, finally: partial fills come as one, with their mean price."""

    client_order_id: str
    symbol: str
    ts_ns: int
    side: int
    qty: float
    price: float
    commission: float  # account currency, positive
    reference: float  # price before slippage; the difference to `price` counts as cost


class Rejection(msgspec.Struct, frozen=True, tag=True):
    """A venue will not execute an order of ours."""

    client_order_id: str
    symbol: str
    ts_ns: int
    reason: str


class Write(msgspec.Struct, frozen=True, tag=True):
    """Make a record durable before any other instruction beside it is carried out."""

    record: Order | OrderStatus | Fill | Trade | Decision | Position | EquityPoint


class Submit(msgspec.Struct, frozen=True, tag=True):
    """Send an order. An entry is a bracket: its protective stop rests from the fill on."""

    order: Order
    not_before_ns: int  # no bar that starts earlier may fill it


class MoveStop(msgspec.Struct, frozen=True, tag=True):
    """Move a resting protective stop; it acts from the next bar."""

    client_order_id: str
    stop_price: float


class Postpone(msgspec.Struct, frozen=True, tag=True):
    """Let an order that still waits wait on, as if it had been decided now."""

    client_order_id: str
    not_before_ns: int


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Take back an order that waits."""

    client_order_id: str


Answer = Execution | Rejection
Event = RowClosed | Answer
Action = Submit | MoveStop | Postpone | Cancel
Instruction = Write | Action
