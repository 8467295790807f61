"""Fills: what an execution costs, and what it does to a lane.

Which price a bar gives is in ``levels.py`` and in the table of ``kernels/README.md``. An entry is cut to
what cash can pay at the fill, so that no entry takes more than there is; a short needs as much cash as what
it sells is worth, commission included. In live trading the venue decides the fills; then ``venue_order``
and ``venue_exit`` move the lane by the same rules.

A side is +1 to buy, -1 to sell. `uses` is a constant where a step is compiled in: what a rule and its
settings cannot do leaves nothing in the machine code.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .bar import Bar
from .costs import Costs, commission
from .decorator import kernel
from .execution import Execution, misses
from .lane import (
    LIMIT,
    MARKET,
    NO_ORDER,
    REST_OF_STOP,
    SELL,
    STOP,
    STOP_LIMIT,
    Account,
    Lane,
    Order,
    Position,
    TradeTally,
    closing_order,
    no_order,
    with_order,
    with_position,
)
from .levels import NEITHER, STOP_EXIT, TARGET_EXIT, entry_level, exit_level
from .ticks import on_tick
from .uses import Uses

Slippage = Callable[..., float]


class Fill(NamedTuple):
    """One execution; a quantity of zero means that there was none."""

    qty: float  # in the tape: > 0 bought, < 0 sold
    price: float
    commission: float  # account currency
    reference: float  # price before slippage


class Venue(NamedTuple):
    """What a bar offers to whoever trades in it."""

    bar: Bar
    mean_volume: float  # of the bars before; NaN: unknown
    draw: float  # of the bar, in [0, 1): which lanes it misses


class Symbol(NamedTuple):
    """Constants of an instrument."""

    lots: float  # lots per unit: 1 for whole shares, 1e8 for 1e-8 coins
    ticks: float  # ticks per unit of price; 0: prices are not rounded


@kernel
def no_fill() -> Fill:
    """Nothing was executed."""
    return Fill(0.0, 0.0, 0.0, 0.0)


@kernel
def nearest_lots(qty: float, lots: float) -> float:
    """A sum of quantities without what rounding has added: 0.3 less 0.1 is 0.2."""
    return np.floor(qty * lots + 0.5) / lots  # type: ignore[no-any-return]


@kernel
def paid_share(told: float, costs: Costs) -> float:
    """Share of the price that slippage takes: where a model does not know, ours; nobody is paid to trade."""
    known = told if told == told else costs.slippage
    return min(max(known, 0.0), 1.0)


@kernel
def entry_fill(
    side: float,
    reference: float,
    worst: float,
    qty: float,
    cash: float,
    venue: Venue,
    costs: Costs,
    lots: float,
    slippage: Slippage,
) -> Fill:
    """Trade `qty` at `reference`, at no price beyond `worst`, cut to the whole lots that `cash` can pay."""
    share = paid_share(slippage(side, qty, reference, venue.mean_volume, costs), costs)
    price = reference * (1.0 + side * share)
    price = min(price, worst) if side > 0.0 else max(price, worst)
    per_unit = price + costs.commission_per_share + costs.commission_rate * price
    affordable = np.floor((cash - costs.commission_per_order) / per_unit * lots) / lots
    taken = max(min(qty, affordable), 0.0)
    # A quotient and a product round apart by an ulp or two: what still does not fit loses one more lot.
    too_much = taken * price + commission(costs, taken, price) > cash
    taken = max(taken - 1.0 / lots, 0.0) if too_much else taken
    return Fill(taken, price, commission(costs, taken, price), reference)


@kernel
def exit_fill(
    side: float, reference: float, qty: float, venue: Venue, costs: Costs, slippage: Slippage
) -> Fill:
    """Trade `qty` at `reference`."""
    share = paid_share(slippage(side, qty, reference, venue.mean_volume, costs), costs)
    price = reference * (1.0 + side * share)
    return Fill(qty, price, commission(costs, qty, price), reference)


@kernel
def side_held(qty: float, shorts: bool) -> float:
    """Side that opened a position of `qty`; +1 where it is flat."""
    return -1.0 if shorts & (qty < 0.0) else 1.0


@kernel
def room_in_bar(venue: Venue, traded: float, participation: float, lots: float) -> float:
    """Units that may still be traded in a bar; no cap where its volume is unknown."""
    allowed = np.floor(venue.bar.volume * participation * lots) / lots
    allowed = nearest_lots(allowed - traded, lots)
    return max(allowed, 0.0) if venue.mean_volume > 0.0 else np.inf


@kernel
def touches(bar: Bar, stop: float, target: float, qty: float, uses: Uses) -> bool:
    """Whether the bar may reach the protective stop or the target of what is held."""
    hit = (qty > 0.0) & (bar.low <= stop)
    hit = hit | (uses.shorts & (qty < 0.0) & (bar.high >= stop))
    if uses.targets:
        hit = hit | ((qty > 0.0) & (bar.high >= target))
        hit = hit | (uses.shorts & (qty < 0.0) & (bar.low <= target))
    return hit


@kernel
def opened(order: Order, fill: Fill, side: float, within: float, symbol: Symbol, uses: Uses) -> Position:
    """The position that an entry's first fill makes."""
    stop = fill.price - side * order.stop_distance
    target = np.nan
    if uses.targets:
        target = fill.price + side * order.target if order.target > 0.0 else np.nan
    if uses.ticks:
        stop, target = on_tick(stop, symbol.ticks), on_tick(target, symbol.ticks)
    value = side * fill.qty * fill.price + fill.commission
    return Position(
        side * fill.qty,
        fill.price,
        value,
        stop,
        fill.price,
        order.mode,
        0.0,
        fill.price,
        target,
        order.trailing,
        within,
        fill.reference,
        0.0,
        0.0,
    )


@kernel
def enlarged(position: Position, fill: Fill, side: float, lots: float) -> Position:
    """A position after a further fill of its entry: stop and target stay with the first."""
    qty = nearest_lots(position.qty + side * fill.qty, lots)
    mean = (position.entry_price * position.qty + fill.price * (side * fill.qty)) / qty
    return Position(
        qty,
        mean,
        position.entry_value + side * fill.qty * fill.price + fill.commission,
        position.stop,
        position.highest_high,
        position.mode,
        position.stopped,
        position.lowest_low,
        position.target,
        position.trailing,
        position.within,
        position.reference,
        position.traded,
        position.entries,
    )


@kernel
def traded_more(position: Position, qty: float, traded: float, entries: float) -> Position:
    """A position with other tallies of this bar and this session."""
    return Position(
        position.qty,
        position.entry_price,
        position.entry_value,
        position.stop,
        position.highest_high,
        position.mode,
        position.stopped,
        position.lowest_low,
        position.target,
        position.trailing,
        position.within,
        position.reference,
        traded + qty,
        entries,
    )


@kernel
def apply_entry(
    lane: Lane, fill: Fill, side: float, within: float, rest: Order, symbol: Symbol, uses: Uses
) -> Lane:
    """Open (or enlarge) the position that the order asked for; `rest` is what is left of the order."""
    position = lane.position
    account = lane.account
    value = side * fill.qty * fill.price + fill.commission
    if fill.qty > 0.0:
        first = opened(lane.order, fill, side, within, symbol, uses)
        if (uses.capped | uses.weights) & (lane.position.qty != 0.0):
            first = enlarged(lane.position, fill, side, symbol.lots)
        position = traded_more(first, fill.qty, lane.position.traded, lane.position.entries)
        paid = fill.commission + fill.qty * (side * (fill.price - fill.reference))
        account = Account(account.cash - value, account.equity, account.costs_paid + paid)
    return Lane(position, rest, account, lane.trades, lane.drawdown, lane.returns, lane.halt)


@kernel
def apply_exit(
    lane: Lane, fill: Fill, held: float, stopped: float, rest: Order, lots: float, uses: Uses
) -> Lane:
    """Close (a part of) the position, of side `held`; a fill of zero changes nothing but the order.

    With the last unit the round trip is counted, and whatever else waited has nothing left to close.
    """
    position = lane.position
    order = rest
    account = lane.account
    trades = lane.trades
    value = held * fill.qty * fill.price - fill.commission
    if fill.qty > 0.0:
        left = nearest_lots(position.qty - held * fill.qty, lots) if uses.capped | uses.weights else 0.0
        is_last = left == 0.0
        pnl = value - position.entry_value
        if is_last:
            trades = TradeTally(
                trades.n_trades + 1.0,
                trades.n_wins + (1.0 if pnl > 0.0 else 0.0),
                trades.gross_profit + max(pnl, 0.0),
                trades.gross_loss + min(pnl, 0.0),
                trades.bars_held,
            )
            order = no_order()
        paid = fill.commission + fill.qty * (held * (fill.reference - fill.price))
        account = Account(account.cash + value, account.equity, account.costs_paid + paid)
        position = Position(
            left,
            position.entry_price,
            position.entry_value if is_last else position.entry_value - value,
            position.stop,
            position.highest_high,
            position.mode,
            stopped,
            position.lowest_low,
            position.target,
            position.trailing,
            position.within,
            position.reference,
            position.traded + fill.qty,
            position.entries,
        )
    return Lane(position, order, account, trades, lane.drawdown, lane.returns, lane.halt)


@kernel
def reduced(order: Order, qty: float, kind: float) -> Order:
    """What is left of an order."""
    return Order(
        order.action,
        qty,
        order.stop_distance,
        order.mode,
        order.reason,
        kind,
        order.limit,
        order.trigger,
        order.target,
        order.trailing,
        order.for_day,
        order.wait,
        order.unprotected,
        order.score,
    )


@kernel
def is_entry(order: Order, qty: float) -> bool:
    """Whether an order opens or enlarges a position of `qty`: it is on its side, or there is none."""
    side = -1.0 if order.action == SELL else 1.0
    return side * qty >= 0.0


@kernel
def begin(lane: Lane, may_begin: bool, delay_bars: float) -> tuple[Lane, bool]:
    """Let an order's wait go on by a bar; whether it acts in this one."""
    before = lane.order.wait
    wait = max(before - 1.0, 0.0)
    wait = before if before < 0.0 else wait
    works = lane.order.action != NO_ORDER
    wait = delay_bars if works & (before < 0.0) & may_begin else wait
    acts = works & (wait == 0.0)
    order = lane.order
    waiting = Order(
        order.action,
        order.qty,
        order.stop_distance,
        order.mode,
        order.reason,
        order.kind,
        order.limit,
        order.trigger,
        order.target,
        order.trailing,
        order.for_day,
        wait,
        order.unprotected,
        order.score,
    )
    return with_order(lane, waiting), acts


@kernel
def settle_market(
    lane: Lane,
    reference: float,
    within: float,
    acts: bool,
    venue: Venue,
    costs: Costs,
    execution: Execution,
    symbol: Symbol,
    slippage: Slippage,
    uses: Uses,
) -> tuple[Lane, Fill]:
    """Execute the working market order, if there is one, at `reference`; the fill's quantity is signed."""
    order = lane.order
    qty = lane.position.qty
    side = -1.0 if uses.shorts & (order.action == SELL) else 1.0
    held = side_held(qty, uses.shorts)
    enters = is_entry(order, qty) if uses.capped | uses.weights else qty == 0.0
    room = np.inf
    if uses.capped:
        room = room_in_bar(venue, lane.position.traded, execution.participation, symbol.lots)
    wanted = min(order.qty, room)
    worst = np.inf if side > 0.0 else -np.inf
    entered = entry_fill(
        side, reference, worst, wanted, lane.account.cash, venue, costs, symbol.lots, slippage
    )
    leaves = min(order.qty, held * qty) if uses.weights else held * qty
    left = exit_fill(-held, reference, min(leaves, room), venue, costs, slippage)
    settled = lane
    fill = no_fill()
    if acts & (order.action != NO_ORDER) & enters:
        missed = uses.missed & (wanted > 0.0) & misses(venue.draw, execution)
        entered = Fill(0.0 if missed else entered.qty, entered.price, entered.commission, entered.reference)
        rest = no_order()
        if uses.capped & (wanted < order.qty) & (entered.qty == wanted) & (not missed):
            rest = reduced(order, nearest_lots(order.qty - wanted, symbol.lots), MARKET)
        settled = apply_entry(lane, entered, side, within, rest, symbol, uses)
        fill = Fill(side * entered.qty, entered.price, entered.commission, entered.reference)
    if acts & (order.action != NO_ORDER) & (not enters):
        rest = reduced(order, nearest_lots(leaves - left.qty, symbol.lots), MARKET)
        rest = rest if rest.qty > 0.0 else no_order()
        stopped = 1.0 if uses.capped & (order.reason == REST_OF_STOP) else 0.0
        settled = apply_exit(lane, left, held, stopped, rest, symbol.lots, uses)
        fill = Fill(-held * left.qty, left.price, left.commission, left.reference)
    return settled, fill


@kernel
def settle_resting(
    lane: Lane,
    acts: bool,
    venue: Venue,
    costs: Costs,
    execution: Execution,
    symbol: Symbol,
    slippage: Slippage,
    uses: Uses,
) -> tuple[Lane, Fill]:
    """Fill a limit, stop or stop-limit entry where the bar reaches it; the fill's quantity is signed."""
    order = lane.order
    side = -1.0 if uses.shorts & (order.action == SELL) else 1.0
    entry = entry_level(order, side, venue.bar, execution)
    room = np.inf
    if uses.capped:
        room = room_in_bar(venue, lane.position.traded, execution.participation, symbol.lots)
    wanted = min(order.qty, room)
    filled = entry_fill(
        side,
        entry.reference,
        entry.worst,
        wanted,
        lane.account.cash,
        venue,
        costs,
        symbol.lots,
        slippage,
    )
    works = acts & (order.action != NO_ORDER) & (order.kind != MARKET)
    missed = uses.missed & entry.reached & (wanted > 0.0) & misses(venue.draw, execution)
    hit = works & entry.reached & (not missed)
    taken = Fill(filled.qty if hit else 0.0, filled.price, filled.commission, filled.reference)
    # A stop-limit that is triggered is a limit order from then on, a stop a market order.
    kind = LIMIT if entry.triggered else order.kind
    kind = MARKET if (order.kind == STOP) & entry.reached else kind
    rest = reduced(order, order.qty, kind)
    if missed:
        rest = no_order()
    if hit:
        rest = no_order()
        if uses.capped & (wanted < order.qty) & (filled.qty == wanted):
            rest = reduced(order, nearest_lots(order.qty - wanted, symbol.lots), kind)
    settled = apply_entry(lane, taken, side, entry.within, rest, symbol, uses) if works else lane
    return settled, Fill(side * taken.qty, taken.price, taken.commission, taken.reference)


@kernel
def unguarded(position: Position) -> Position:
    """A position whose stop has acted: what is left of it is being sold at market."""
    return Position(
        position.qty,
        position.entry_price,
        position.entry_value,
        np.nan,
        position.highest_high,
        position.mode,
        1.0,
        position.lowest_low,
        np.nan,
        0.0,
        position.within,
        position.reference,
        position.traded,
        position.entries,
    )


@kernel
def settle_exit(
    lane: Lane,
    venue: Venue,
    costs: Costs,
    execution: Execution,
    symbol: Symbol,
    slippage: Slippage,
    uses: Uses,
) -> tuple[Lane, Fill, float]:
    """Fill the protective stop or the target if the bar reaches it; the fill's quantity is signed.

    What a stop leaves over is closed at market on the next bars; what a target leaves over rests on.
    """
    position = lane.position
    held = side_held(position.qty, uses.shorts)
    target = position.target if uses.targets else np.nan
    if uses.missed:
        target = np.nan if misses(venue.draw, execution) else target
    level = exit_level(held, position.stop, target, position.within, position.reference, venue.bar, execution)
    is_open = position.qty != 0.0
    by_stop = is_open & (level.kind == STOP_EXIT)
    by_target = is_open & (level.kind == TARGET_EXIT)
    room = np.inf
    if uses.capped:
        room = room_in_bar(venue, position.traded, execution.participation, symbol.lots)
    wanted = min(held * position.qty, room) if by_stop | by_target else 0.0
    slipped = exit_fill(-held, level.reference, wanted, venue, costs, slippage)
    fill = slipped
    if by_target:
        fill = Fill(wanted, level.reference, commission(costs, wanted, level.reference), level.reference)
    rest = lane.order
    if uses.capped & by_stop:
        left = nearest_lots(position.qty - held * wanted, symbol.lots)
        rest = closing_order(left, position.mode, REST_OF_STOP, 1.0)
    if by_target & is_entry(lane.order, position.qty):
        rest = no_order()  # what is being sold is not bought on
    stopped = 1.0 if by_stop else 0.0
    done = apply_exit(lane, fill, held, stopped, rest, symbol.lots, uses)
    if uses.capped & by_stop:
        done = with_position(done, unguarded(done.position))
    kind = level.kind if by_stop | by_target else NEITHER
    return done, Fill(-held * fill.qty, fill.price, fill.commission, fill.reference), kind


@kernel
def unsigned(fill: Fill) -> Fill:
    """A fill as the lane's steps take it."""
    return Fill(abs(fill.qty), fill.price, fill.commission, fill.reference)


@kernel
def venue_order(
    lane: Lane, done: float, within: float, reached: bool, fill: Fill, symbol: Symbol, uses: Uses
) -> Lane:
    """Take the venue's answer to the working order: 1 it is done with, 2 it works on with what is left."""
    order = lane.order
    qty = lane.position.qty
    settled = lane
    if done > 0.0:
        taken = unsigned(fill)
        rest = no_order()
        enters = is_entry(order, qty) if uses.capped else qty == 0.0
        if enters:
            side = -1.0 if uses.shorts & (order.action == SELL) else 1.0
            kind = LIMIT if reached & (order.kind == STOP_LIMIT) else order.kind
            kind = MARKET if reached & (order.kind == STOP) else kind
            if done > 1.0:
                rest = reduced(order, nearest_lots(order.qty - taken.qty, symbol.lots), kind)
            settled = apply_entry(lane, taken, side, within, rest, symbol, uses)
        else:
            held = side_held(qty, uses.shorts)
            if done > 1.0:
                rest = reduced(order, nearest_lots(held * qty - taken.qty, symbol.lots), MARKET)
            stopped = 1.0 if uses.capped & (order.reason == REST_OF_STOP) else 0.0
            settled = apply_exit(lane, taken, held, stopped, rest, symbol.lots, uses)
    return settled


@kernel
def venue_exit(lane: Lane, kind: float, fill: Fill, symbol: Symbol, uses: Uses) -> Lane:
    """Take the venue's execution of the protective stop or the target."""
    position = lane.position
    held = side_held(position.qty, uses.shorts)
    taken = unsigned(fill)
    by_stop = kind == STOP_EXIT
    rest = lane.order
    if uses.capped & by_stop:
        rest = closing_order(
            nearest_lots(position.qty - held * taken.qty, symbol.lots), position.mode, REST_OF_STOP, 1.0
        )
    if (kind == TARGET_EXIT) & is_entry(lane.order, position.qty):
        rest = no_order()
    done = apply_exit(lane, taken, held, 1.0 if by_stop else 0.0, rest, symbol.lots, uses)
    if uses.capped & by_stop:
        done = with_position(done, unguarded(done.position))
    return done
