"""The fill rules as calls for Python: a paper broker works out one fill at a time.

The very kernels of a backtest, compiled by themselves: nothing is reordered or contracted, so that the bits
are those of the loop they are inlined into elsewhere. `uses` is a value here, not a constant.
"""

from typing import NamedTuple

from .costs import Costs, slippage_fraction
from .decorator import entry, kernel
from .execution import Execution, misses
from .fills import Fill, Slippage, Symbol, Venue, settle_exit, settle_market, settle_resting
from .lane import (
    MARKET,
    Account,
    Drawdown,
    Halt,
    Lane,
    Order,
    Position,
    SessionReturns,
    TradeTally,
)
from .levels import AT_CLOSE, HELD
from .mark import borrow_fee, idle_cash
from .uses import Uses


class Rules(NamedTuple):
    """What fills depend on and no order changes."""

    costs: Costs
    execution: Execution
    uses: Uses


class Settled(NamedTuple):
    """What became of an order, a stop or a target in a bar."""

    position: Position
    order: Order
    cash: float
    fill: Fill  # its quantity is signed
    kind: float  # of an exit: NEITHER, STOP_EXIT or TARGET_EXIT
    missed: bool  # whether the bar misses fills


@kernel
def _lane(position: Position, order: Order, cash: float) -> Lane:
    """A lane of which fills are all that matters."""
    return Lane(
        position,
        order,
        Account(cash, 0.0, 0.0),
        TradeTally(0.0, 0.0, 0.0, 0.0, 0.0),
        Drawdown(0.0, 0.0, 0.0),
        SessionReturns(0.0, 0.0, 0.0, 0.0, 0.0),
        Halt(0.0, 0.0, 0.0),
    )


@kernel
def order_settled(
    position: Position,
    order: Order,
    cash: float,
    at_close: bool,
    venue: Venue,
    symbol: Symbol,
    rules: Rules,
    slippage: Slippage,
) -> Settled:
    """Settle an order that acts in this bar: at its open or close, or where its price is reached."""
    costs, execution, uses = rules.costs, rules.execution, rules.uses
    lane = _lane(position, order, cash)
    if order.kind == MARKET:
        reference = venue.bar.close if at_close else venue.bar.open
        within = AT_CLOSE if at_close else HELD
        done, fill = settle_market(
            lane, reference, within, True, venue, costs, execution, symbol, slippage, uses
        )
    else:
        done, fill = settle_resting(lane, True, venue, costs, execution, symbol, slippage, uses)
    missed = misses(venue.draw, execution)
    return Settled(done.position, done.order, done.account.cash, fill, 0.0, missed)


@kernel
def exit_settled(
    position: Position,
    order: Order,
    cash: float,
    venue: Venue,
    symbol: Symbol,
    rules: Rules,
    slippage: Slippage,
) -> Settled:
    """Settle the protective stop and the target of what is held."""
    lane = _lane(position, order, cash)
    done, fill, kind = settle_exit(lane, venue, rules.costs, rules.execution, symbol, slippage, rules.uses)
    return Settled(done.position, done.order, done.account.cash, fill, kind, False)


@entry
def call_order(
    position: Position, order: Order, cash: float, at_close: bool, venue: Venue, symbol: Symbol, rules: Rules
) -> Settled:
    """Call ``order_settled`` with the slippage of the costs."""
    return order_settled(position, order, cash, at_close, venue, symbol, rules, slippage_fraction)


@entry
def call_exit(
    position: Position, order: Order, cash: float, venue: Venue, symbol: Symbol, rules: Rules
) -> Settled:
    """Call ``exit_settled`` with the slippage of the costs."""
    return exit_settled(position, order, cash, venue, symbol, rules, slippage_fraction)


@entry
def call_carry(cash: float, equity: float, qty: float, cash_rate: float, borrow_rate: float) -> float:
    """Call ``idle_cash`` and ``borrow_fee``: what a session earns, the fee taken off."""
    return idle_cash(cash, equity, qty) * cash_rate - borrow_fee(cash, equity, qty, borrow_rate)
