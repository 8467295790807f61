"""The state of a lane: one trial of a parameter cube with an account of its own.

A lane is seven small records, each with one owner among the kernels. All fields are float64, so that a block
of lanes is one array ``[field, lane]``, and a state can be saved, sent and resumed without losing a bit.

    Lane
    ├── position   what is held                       fills, exits, mark
    ├── order      what waits or rests                risk (writes), fills (clears)
    ├── account    money                              fills, mark
    ├── trades     tally of finished round trips      fills
    ├── drawdown   deepest fall of equity so far      mark
    ├── returns    moments of session returns         mark
    └── halt       whether trading is stopped         halts

Where all symbols share one account, position and order are kept per symbol and the rest once; the kernels
see the same Lane. A position's ``qty`` is signed: below zero it is short. So is what it cost: a short pays
less than nothing.
"""

from typing import Any, NamedTuple

import numpy as np

from .decorator import kernel
from .types import FloatArray

NO_ORDER = 0.0
BUY = 1.0
SELL = 2.0
# An entry between the rule's decision and its size; `qty` holds the risk fraction, below zero for a short.
REQUESTED = 3.0

MARKET = 0.0
LIMIT = 1.0
STOP = 2.0
STOP_LIMIT = 3.0
WEIGHT = 4.0  # of a requested order: its `qty` is a share of equity, and the market order comes with its size

NOT_BEGUN = -1.0  # an order that no bar could have filled yet
# Why the engine itself closes a position; a rule's codes are above zero.
DAILY_LOSS = -1.0
DRAWDOWN_HALT = -2.0
REST_OF_STOP = -3.0
BY_HAND = -4.0
ENGINE_REASONS = {-1: "daily loss limit", -2: "drawdown limit", -3: "protective stop", -4: "stopped by hand"}


class Position(NamedTuple):
    """What is held of a symbol; while it is flat only ``qty``, ``stopped`` and ``entries`` mean something."""

    qty: float  # units; 0 is flat, below zero short
    entry_price: float  # mean of the entry's fills, quote currency
    entry_value: float  # cash paid so far, costs included, less what partial exits brought; of a short < 0
    stop: float  # protective stop, quote currency; NaN: none
    highest_high: float  # since the entry, the entry's bar included
    mode: float  # the rule's own label of the position; its exits belong to it
    stopped: float  # 1 after a stop-out until the next decision, which must not enter
    lowest_low: float  # like highest_high; kept up only where the rule shorts or reads it
    target: float  # take-profit, quote currency; NaN: none
    trailing: float  # distance at which the stop follows; 0: it does not
    within: float  # how this bar's entry came about: HELD, within the bar by a limit or a stop, at its close
    reference: float  # of an entry within this bar: its price before slippage
    traded: float  # units traded in this bar
    entries: float  # orders to enter in this session


class Order(NamedTuple):
    """An order that waits for its bar, or rests until a price is reached."""

    action: float  # NO_ORDER, BUY, SELL or, within a decision, REQUESTED
    qty: float
    stop_distance: float  # of an entry: stop = fill price - distance
    mode: float
    reason: float  # code from the rule's REASONS, or of ENGINE_REASONS
    kind: float  # MARKET, LIMIT, STOP or STOP_LIMIT
    limit: float
    trigger: float  # of a stop or stop-limit order
    target: float  # distance of the bracket's target; 0: none
    trailing: float  # distance of a trailing stop; 0: none
    for_day: float  # 1: ends with its session
    wait: float  # bars to let pass before it acts; NOT_BEGUN, also where there is no order
    unprotected: float  # 1: an entry without a stop
    score: float  # rank among entries that compete for a shared account


class Account(NamedTuple):
    """Money, in account currency."""

    cash: float
    equity: float  # cash plus positions at the last close
    costs_paid: float  # commission, slippage and borrow fees, positive


class TradeTally(NamedTuple):
    """Finished round trips, net of costs."""

    n_trades: float
    n_wins: float
    gross_profit: float
    gross_loss: float  # <= 0
    bars_held: float  # bars that closed with a position


class Drawdown(NamedTuple):
    """The deepest drawdown as its two equities: comparing products needs no division per bar."""

    peak_equity: float
    worst_equity: float
    worst_peak: float


class SessionReturns(NamedTuple):
    """Welford moments of equity's session returns."""

    session_equity: float  # equity at the last session's end
    n_sessions: float
    mean: float
    m2: float  # sum of squared deviations
    downside: float  # sum of squares of min(return - risk-free, 0)


class Halt(NamedTuple):
    """Whether a loss has stopped trading."""

    reason: float  # 0: trading goes on; DAILY_LOSS, DRAWDOWN_HALT or BY_HAND
    sessions: float  # session ends until it is over; 0: never
    peak: float  # of equity, what a fall is measured from: a person, or the end of a halt, resets it


class Lane(NamedTuple):
    """One trial's state."""

    position: Position
    order: Order
    account: Account
    trades: TradeTally
    drawdown: Drawdown
    returns: SessionReturns
    halt: Halt


LANE_RECORDS: dict[str, Any] = {
    "position": Position,
    "order": Order,
    "account": Account,
    "trades": TradeTally,
    "drawdown": Drawdown,
    "returns": SessionReturns,
    "halt": Halt,
}
OWN_RECORDS = ("position", "order")  # one per symbol, whoever pays
STATE_FIELDS = tuple(f"{record}.{field}" for record, kind in LANE_RECORDS.items() for field in kind._fields)


def lane_init(initial_cash: float) -> FloatArray:
    """State of a lane that has never traded, one value per name in ``STATE_FIELDS``."""
    start = dict.fromkeys(STATE_FIELDS, 0.0)
    for name in (
        "account.cash",
        "account.equity",
        "drawdown.peak_equity",
        "drawdown.worst_equity",
        "drawdown.worst_peak",
        "returns.session_equity",
        "halt.peak",
    ):
        start[name] = initial_cash
    start["order.wait"] = NOT_BEGUN
    return np.array(list(start.values()))


@kernel
def no_order() -> Order:
    """Nothing waits."""
    return Order(NO_ORDER, 0.0, 0.0, 0.0, 0.0, MARKET, 0.0, 0.0, 0.0, 0.0, 0.0, NOT_BEGUN, 0.0, 0.0)


@kernel
def closing_order(qty: float, mode: float, reason: float, wait: float) -> Order:
    """An order at market that closes a position of `qty`."""
    action = SELL if qty > 0.0 else BUY
    return Order(action, abs(qty), 0.0, mode, reason, MARKET, 0.0, 0.0, 0.0, 0.0, 0.0, wait, 0.0, 0.0)


@kernel
def with_position(lane: Lane, position: Position) -> Lane:
    """A lane with another position."""
    return Lane(position, lane.order, lane.account, lane.trades, lane.drawdown, lane.returns, lane.halt)


@kernel
def with_order(lane: Lane, order: Order) -> Lane:
    """A lane with another order."""
    return Lane(lane.position, order, lane.account, lane.trades, lane.drawdown, lane.returns, lane.halt)
