"""The state of a lane: one trial of a parameter cube with an account of its own.

A lane is six small records, each with one owner among the kernels. All fields are float64, so that a block
of lanes is one array ``[field, lane]``, and a state can be saved, sent and resumed without losing a bit.

    Lane
    ├── position   what is held                       fills, protect
    ├── order      what waits for the next bar        risk (writes), fills (clears)
    ├── account    money                              fills, mark
    ├── trades     tally of finished round trips      fills
    ├── drawdown   deepest fall of equity so far      mark
    └── returns    moments of session returns         mark

A position's ``qty`` is signed: below zero it is short. So is what it cost: a short pays less than nothing.
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


class Position(NamedTuple):
    """What is held of the lane's symbol; while it is flat only ``qty`` and ``stopped`` mean something."""

    qty: float  # units; 0 is flat, below zero short
    entry_price: float  # fill price, quote currency
    entry_value: float  # cash paid, costs included; of a short < 0: the proceeds, less the commission
    stop: float  # protective stop, quote currency
    highest_high: float  # since the entry, the entry's bar included
    mode: float  # the rule's own label of the position; its exits belong to it
    stopped: float  # 1 after a stop-out until the next decision, which must not enter
    lowest_low: float  # like highest_high; kept up only where the rule shorts or reads it


class Order(NamedTuple):
    """A market order that waits for its bar: an entry where the account is flat by then, else an exit."""

    action: float  # NO_ORDER, BUY, SELL or, within a decision, REQUESTED
    qty: float
    stop_distance: float  # of an entry: stop = fill price - distance
    mode: float
    reason: float  # code from the rule's REASONS


class Account(NamedTuple):
    """Money, in account currency."""

    cash: float
    equity: float  # cash plus position at the last close
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


class Lane(NamedTuple):
    """One trial's state."""

    position: Position
    order: Order
    account: Account
    trades: TradeTally
    drawdown: Drawdown
    returns: SessionReturns


LANE_RECORDS: dict[str, Any] = {
    "position": Position,
    "order": Order,
    "account": Account,
    "trades": TradeTally,
    "drawdown": Drawdown,
    "returns": SessionReturns,
}
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
    ):
        start[name] = initial_cash
    return np.array(list(start.values()))


@kernel
def no_order() -> Order:
    """Nothing waits."""
    return Order(NO_ORDER, 0.0, 0.0, 0.0, 0.0)
