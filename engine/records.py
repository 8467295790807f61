"""The records that cross from room to room: plain, frozen, in the field's words.

Times are UTC nanoseconds; a bar carries its close. ``side`` is +1 or -1 and ``qty`` is never
negative, but for what is held: there ``qty`` below zero is a short.
NaN stands for "unknown"; what a record cannot have is None.

Live trading is a conversation in these words: events go into the live core (``RowClosed``; the venue's
``Execution``, ``Reached``, ``Rejection``; a person's ``Intervention``), instructions come out (``Write``
first; then ``Submit``, ``MoveStop``, ``MoveTarget``, ``Postpone``, ``Cancel``). Each carries what a log needs
to replay it.
"""

import math
from typing import Literal

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
    kind: str  # entries: "market", "limit", "stop entry", "stop limit"; protective: "stop", "target"
    ts_ns: int  # close of the bar that decided it
    reason: str
    stop_price: float  # of a protective stop; NaN otherwise
    stop_distance: float  # of an entry: from the fill price to its protective stop; NaN otherwise
    mode: int = 0
    status: str = "pending"  # pending -> accepted -> filled | cancelled | rejected; unknown: reconcile first
    limit_price: float = math.nan  # of a limit or stop-limit entry, and of a target
    trigger_price: float = math.nan  # of a stop or stop-limit entry
    target_distance: float = math.nan  # of an entry: from the fill price to its target
    good_for_day: bool = False


class Fill(msgspec.Struct, frozen=True):
    """One execution."""

    client_order_id: str
    symbol: str
    ts_ns: int  # close of the bar in which it happened
    side: int
    qty: float
    price: float
    cost: float  # commission plus slippage, account currency, positive
    kind: str  # of its order
    reason: str


class Trade(msgspec.Struct, frozen=True):
    """A round trip from its first fill to its last, net of their costs."""

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
    action: str  # "hold", "enter", "enter_short", "leave", "trail", "aim" or "cancel"
    reason: str
    qty: float  # of the order it made; 0 if none
    stop_price: float  # protective stop after the decision; NaN when flat
    outcome: str  # "accepted", "none" or "denied: ..." with the rule that refused
    values: dict[str, float] = {}  # the feature row it saw


class Position(msgspec.Struct, frozen=True):
    """What is held of one symbol; cash and equity are those of the account that pays for it."""

    symbol: str
    ts_ns: int
    qty: float  # below zero: sold short
    entry_price: float
    stop_price: float
    cash: float
    equity: float


class EquityPoint(msgspec.Struct, frozen=True):
    """An account at the close of a bar: a symbol's own, or the one that all share, named ``ACCOUNT``."""

    symbol: str
    ts_ns: int
    equity: float
    cash: float
    qty: float  # below zero: sold short; unknown (NaN) of a shared account


class OrderSize(msgspec.Struct, frozen=True):
    """A stop or a target protects another quantity, since its entry was executed further."""

    client_order_id: str
    qty: float


class OrderStatus(msgspec.Struct, frozen=True):
    """What has become of an order."""

    client_order_id: str
    status: str  # as in `Order`


class SeriesValue(msgspec.Struct, frozen=True):
    """What a series from outside says of a symbol at a row's close."""

    symbol: str
    name: str
    value: float


class RowClosed(msgspec.Struct, frozen=True, tag=True):
    """An interval of the calendar is over, for all symbols; whoever has no bar in it did not trade."""

    ts_ns: int
    session_close_ns: int  # scheduled end of the session that the row belongs to
    bars: tuple[Bar, ...]
    series: tuple[SeriesValue, ...] = ()  # what is left out is unknown


class Execution(msgspec.Struct, frozen=True, tag=True):
    """A venue executed an order of ours, wholly or in part."""

    client_order_id: str
    symbol: str
    ts_ns: int
    side: int
    qty: float
    price: float
    commission: float  # account currency, positive
    reference: float  # price before slippage; the difference to `price` counts as cost
    left: float = 0.0  # of the order, that works on
    moment: Literal["open", "within", "close"] = "open"  # of its bar


class Reached(msgspec.Struct, frozen=True, tag=True):
    """The price of an order was reached: a stop is a market order now, a stop-limit order a limit order.

    Of a protective stop or a target: it was reached, and nothing could be executed.
    """

    client_order_id: str
    symbol: str
    ts_ns: int


class Rejection(msgspec.Struct, frozen=True, tag=True):
    """A venue will not execute an order of ours, or what is left of it."""

    client_order_id: str
    symbol: str
    ts_ns: int
    reason: str


class Intervention(msgspec.Struct, frozen=True, tag=True):
    """A person stops trading, or lets it go on.

    ``halt``: nothing is entered, and an entry at work is taken back; positions, stops and targets remain, and
    the rule may close. ``emergency_stop``: besides, everything is closed at market, at the next bar.
    ``resume``: trading goes on, and falls are measured from the equity of now; a daily loss that is still
    there stops it again.
    """

    kind: Literal["halt", "emergency_stop", "resume"]
    ts_ns: int  # close of the last row before it
    reason: str = ""


class Write(msgspec.Struct, frozen=True, tag=True):
    """Make a record durable before any other instruction beside it is carried out."""

    record: Order | OrderStatus | OrderSize | Fill | Trade | Decision | Position | EquityPoint | Intervention


class Submit(msgspec.Struct, frozen=True, tag=True):
    """Send an order. An entry is a bracket: its protective stop and its target rest from the fill on."""

    order: Order
    not_before_ns: int  # no bar that starts earlier may fill it
    delay_bars: int = 0  # bars to let pass from then on


class MoveStop(msgspec.Struct, frozen=True, tag=True):
    """Move a resting protective stop; it acts from the next bar."""

    client_order_id: str
    stop_price: float


class MoveTarget(msgspec.Struct, frozen=True, tag=True):
    """Move the target of what is held, or make one; it acts from the next bar."""

    client_order_id: str
    target_price: float


class Postpone(msgspec.Struct, frozen=True, tag=True):
    """Let an order that no bar could have filled yet wait on, as if it had been decided now."""

    client_order_id: str
    not_before_ns: int


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Take back an order that waits or rests."""

    client_order_id: str


class Holding(msgspec.Struct, frozen=True):
    """What a simulated venue holds of a symbol, between bars and within one."""

    qty: float = 0.0  # below zero: sold short
    entry_price: float = math.nan  # mean
    stop: float = math.nan
    target: float = math.nan
    moment: Literal["open", "limit", "stop", "close"] = "open"  # of this bar's entry
    reference: float = 0.0  # price before slippage of an entry within this bar
    traded: float = 0.0  # units traded in this bar


class Working(msgspec.Struct, frozen=True):
    """An order at work with a simulated venue."""

    order: Order
    left: float  # units
    kind: str  # what it is by now: a stop that was reached is a market order
    not_before_ns: int
    delay_bars: int
    wait: int = -1  # bars to let pass; below zero: none could have filled it yet


ACCOUNT = "account"  # what a shared account is called beside symbols
Answer = Execution | Reached | Rejection
Event = RowClosed | Answer | Intervention
Action = Submit | MoveStop | MoveTarget | Postpone | Cancel
Instruction = Write | Action
