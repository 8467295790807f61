"""Orders, fills and trades of one symbol, read off its tape.

A walk over the rows on which anything happened, in the order of a bar: orders, exits, orders at the close,
halts, decisions, the session's end (``kernels/README.md``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import pandas as pd

from ..kernels.intent import CANCEL, ENTER, ENTER_SHORT, LEAVE, TARGET_WEIGHT
from ..kernels.lane import BUY, ENGINE_REASONS, LIMIT, MARKET, REST_OF_STOP, STOP, STOP_LIMIT
from ..kernels.levels import TARGET_EXIT
from ..kernels.outcomes import ACCEPTED
from ..kernels.tape import TAPE, TapeRow
from ..kernels.types import BoolArray, FloatArray, IntArray
from .strategy import Strategy

STOPPED_OUT = "protective stop"
TARGET_REACHED = "target"
KINDS = {int(MARKET): "market", int(LIMIT): "limit", int(STOP): "stop entry", int(STOP_LIMIT): "stop limit"}
_STATUS = {
    "filled": "filled",
    "cancelled": "cancelled",
    "replaced": "cancelled",
    "expired": "cancelled",
    "rejected": "rejected",
    "missed": "rejected",
    "working": "accepted",
}


@dataclass(frozen=True)
class SymbolTape:
    """The tape of one symbol beside what is needed to read it."""

    symbol: str
    close_ns: IntArray
    tape: FloatArray  # (n_bars, TAPE_FIELDS)
    decision_row: IntArray  # (n_bars,): row of the feature table, -1 where none
    features: FloatArray  # (n_decision_bars, n_names)
    names: Sequence[str]
    missed: BoolArray  # (n_bars,): bars that miss fills
    lots: float  # per unit


def status_of(outcome: str) -> str:
    """Status in a ledger of an order of which a backtest says `outcome`; it goes on after its first word."""
    return next((status for word, status in _STATUS.items() if outcome.startswith(word)), outcome)


def client_order_id(symbol: str, ts_ns: int, leg: str) -> str:
    """Our own id of an order, made before it is sent: the same decision always makes the same id."""
    return f"fh-{symbol}-{ts_ns}-{leg}"


class Executed(NamedTuple):
    """What a symbol's tape tells."""

    orders: pd.DataFrame
    fills: pd.DataFrame
    trades: pd.DataFrame


class BookOrder(msgspec.Struct):
    """An order of a book."""

    leg: str  # enter, leave, weight, halt, rest; stop and target of what is held
    ts_ns: int  # close of the bar that made it
    client_order_id: str
    side: int
    qty: float
    kind: str
    reason: str
    mode: float
    stop_distance: float = np.nan
    target_distance: float = np.nan
    limit_price: float = np.nan
    trigger_price: float = np.nan
    is_for_day: bool = False
    is_reduction: bool = False  # takes a part off what is held
    filled: float = 0.0
    left: float = np.nan  # as the lanes subtract it: by an ulp it may not be `qty` less `filled`
    outcome: str = "working"
    price: float = np.nan  # of a stop or a target, as the entry left it
    is_told: bool = False  # of a stop or a target: it is among the orders
    is_over: bool = False  # of a stop or a target: it rests no longer

    def __post_init__(self) -> None:
        if math.isnan(self.left):
            self.left = self.qty

    @property
    def is_entry(self) -> bool:
        """Whether it opens or enlarges a position."""
        return self.leg == "enter" or (self.leg == "weight" and not self.is_reduction)


class BookFill(msgspec.Struct, frozen=True):
    """An execution."""

    ts_ns: int  # close of the bar in which it happened
    client_order_id: str
    side: int
    qty: float
    price: float
    commission: float
    slippage: float
    kind: str
    reason: str

    @property
    def cost(self) -> float:
        """Commission and slippage."""
        return self.commission + self.slippage


class BookTrade(msgspec.Struct):
    """A round trip, finished or not."""

    side: int
    mode: float
    entries: list[BookFill] = []
    exits: list[BookFill] = []
    qty: float = 0.0  # units entered

    @property
    def paid(self) -> float:
        """Cash paid for the entries, costs included; of a short below zero."""
        total = 0.0
        for fill in self.entries:
            total += self.side * fill.qty * fill.price + fill.commission
        return total

    @property
    def got(self) -> float:
        """Cash that the exits brought."""
        total = 0.0
        for fill in self.exits:
            total += self.side * fill.qty * fill.price - fill.commission
        return total

    @property
    def costs(self) -> float:
        """Of all fills."""
        return _costs(self.entries) + _costs(self.exits)


class Listener(Protocol):
    """Who is told what happens in a book."""

    def sent(self, order: BookOrder) -> None:
        """An order was made."""

    def filled(self, order: BookOrder, fill: BookFill) -> None:
        """An order was executed, wholly or in part."""

    def ended(self, order: BookOrder, *, by_venue: bool) -> None:
        """An order works no longer: the venue said so, or we did."""

    def resized(self, order: BookOrder) -> None:
        """A stop or a target protects another quantity."""

    def traded(self, trade: BookTrade) -> None:
        """A round trip is over."""


class OrderBook(msgspec.Struct):
    """One symbol's orders, fills and trades, read off the tape row by row: in a backtest, and live."""

    symbol: str
    ticks: float = 0.0  # per unit of price, that stops and targets are rounded to; 0: they are not
    lots: float = 1.0  # per unit
    order: BookOrder | None = None  # waits or rests
    brackets: dict[str, BookOrder] = {}  # stop and target of what is held
    trade: BookTrade | None = None  # of what is held
    position: float = 0.0
    given_up: float = 0.0  # of the position, by reductions: no bracket covers it any more

    def read(
        self, ts_ns: int, tape: TapeRow, told: Listener, strategy: Strategy, *, is_missed: bool = False
    ) -> None:
        """Take the next row."""
        if tape.expired == 1.0:
            self._end("expired", told)
        if tape.order_done and not tape.order_at_close:
            self._settle(ts_ns, tape, told, is_missed=is_missed)
        if tape.exit_kind:
            self._exit(ts_ns, tape, told)
        if tape.order_done and tape.order_at_close:
            self._settle(ts_ns, tape, told, is_missed=is_missed)
        if tape.halted:
            self.halt(ts_ns, ENGINE_REASONS[int(tape.halted)], told)
        if tape.outcome == ACCEPTED:
            self._decide(ts_ns, tape, told, strategy)
        if tape.expired == 2.0:
            self._end("expired", told)
        if not tape.working:
            self._end("replaced", told)  # by an entry that got no size

    def halt(self, ts_ns: int, reason: str, told: Listener, *, closes: bool = True) -> None:
        """Trading was stopped: entries end, and what is held is closed."""
        if self.order is not None and (self.order.is_entry or self.order.is_reduction):
            self._end(f"cancelled: {reason}", told)
        if closes and self.position and self.order is None:
            self._send(self._closing(ts_ns, "halt", reason), told)

    def _end(self, outcome: str, told: Listener, *, by_venue: bool = False) -> None:
        if self.order is not None:
            order, self.order = self.order, None
            order.outcome = outcome
            told.ended(order, by_venue=by_venue)

    def _send(self, order: BookOrder, told: Listener) -> None:
        self.order = order
        told.sent(order)

    def _settle(self, ts_ns: int, tape: TapeRow, told: Listener, *, is_missed: bool) -> None:
        """The order came up for its fill."""
        order = self.order
        if order is None:
            return
        if tape.order_qty:
            fill = (tape.order_qty, tape.order_price, tape.order_commission, tape.order_reference)
            self._fill(ts_ns, fill, order, told)
        if tape.order_left:
            return
        why = "cash" if order.is_entry else "position closed"
        missed = order.is_entry and not tape.order_qty and is_missed
        if order.filled == order.qty:
            self._end("filled", told, by_venue=True)
        elif order.filled > 0.0:
            why = "missed" if missed else why
            self._end(f"filled {order.filled:g} of {order.qty:g}: {why}", told, by_venue=True)
        else:
            self._end("missed" if missed else "rejected: cash below one lot", told, by_venue=True)

    def _exit(self, ts_ns: int, tape: TapeRow, told: Listener) -> None:
        """The stop or the target was reached."""
        leg = "target" if tape.exit_kind == TARGET_EXIT else "stop"
        if tape.stop_qty:
            fill = (tape.stop_qty, tape.stop_price, tape.stop_commission, tape.stop_reference)
            self._fill(ts_ns, fill, self.brackets[leg], told)
        if leg == "stop" or self.position == 0.0 or (self.order is not None and self.order.is_entry):
            self._end(
                "cancelled: stopped out first" if leg == "stop" else "cancelled: target reached first", told
            )
        if leg == "stop" and self.position:  # what its bar had no volume for
            for other in self.brackets.values():
                other.outcome = "cancelled: stopped out first"
                if other.filled:
                    other.outcome = f"filled {other.filled:g} of {other.qty:g}: volume"
            self._put_away(told)
            self._send(self._closing(ts_ns, "rest", ENGINE_REASONS[int(REST_OF_STOP)]), told)

    def _closing(self, ts_ns: int, leg: str, reason: str) -> BookOrder:
        assert self.trade is not None
        side = -1 if self.position > 0.0 else 1
        name = client_order_id(self.symbol, ts_ns, leg)
        return BookOrder(leg, ts_ns, name, side, abs(self.position), "market", reason, self.trade.mode)

    def _decide(self, ts_ns: int, tape: TapeRow, told: Listener, strategy: Strategy) -> None:
        """A decision that made, replaced or took back an order."""
        if tape.action == CANCEL:
            self._end("cancelled", told)
        if tape.action == LEAVE:
            self._end("cancelled", told)
            if tape.decided_qty:
                self._send(self._closing(ts_ns, "leave", strategy.reason(tape.reason)), told)
        if tape.action == TARGET_WEIGHT:
            self._send(self._weight(ts_ns, tape, strategy), told)
        if tape.action in (ENTER, ENTER_SHORT):
            self._end("replaced", told)
            kind = tape.kind
            order = BookOrder(
                "enter",
                ts_ns,
                client_order_id(self.symbol, ts_ns, "enter"),
                1 if tape.action == ENTER else -1,
                tape.decided_qty,
                KINDS[int(kind)],
                strategy.reason(tape.reason),
                tape.order_mode_after,
                stop_distance=tape.stop_distance,
                target_distance=tape.target_distance,
                limit_price=tape.limit if kind in (LIMIT, STOP_LIMIT) else np.nan,
                trigger_price=tape.trigger if kind in (STOP, STOP_LIMIT) else np.nan,
                is_for_day=tape.for_day > 0.0,
            )
            self._send(order, told)

    def _weight(self, ts_ns: int, tape: TapeRow, strategy: Strategy) -> BookOrder:
        """The order for the difference to a target weight."""
        side = 1 if tape.working == BUY else -1
        takes_off = side * self.position < 0.0
        return BookOrder(
            "weight",
            ts_ns,
            client_order_id(self.symbol, ts_ns, "weight"),
            side,
            tape.decided_qty,
            "market",
            strategy.reason(tape.reason),
            tape.order_mode_after,
            stop_distance=np.nan if takes_off else tape.stop_distance,
            is_reduction=takes_off,
        )

    def in_lots(self, qty: float) -> float:
        """A sum of quantities without what rounding has added."""
        return math.floor(qty * self.lots + 0.5) / self.lots

    def _fill(
        self, ts_ns: int, given: tuple[float, float, float, float], order: BookOrder, told: Listener
    ) -> None:
        qty, price, commission, reference = given
        fill = BookFill(
            ts_ns,
            order.client_order_id,
            1 if qty > 0.0 else -1,
            abs(qty),
            price,
            commission,
            abs(qty) * abs(price - reference),
            order.kind,
            order.reason,
        )
        order.filled = self.in_lots(order.filled + fill.qty)
        order.left = self.in_lots(order.left - fill.qty)
        if order.leg == "target" and not order.is_told:
            self.tell_target(told)
        told.filled(order, fill)
        if self.trade is None:
            self.trade = BookTrade(fill.side, order.mode)
            self.given_up = 0.0
            self._protect(ts_ns, order, fill, told)
        trade = self.trade
        (trade.entries if fill.side == trade.side else trade.exits).append(fill)
        self.position = self.in_lots(self.position + qty)
        trade.qty = self.in_lots(_units(trade.entries))
        if order.is_reduction:
            self.given_up += fill.qty
        covered = self.in_lots(trade.qty - (self.given_up if self.position else 0.0))
        for bracket in self.brackets.values():
            is_other = bracket.qty != covered
            bracket.qty = covered
            if is_other and bracket.is_told:
                told.resized(bracket)
        if self.position == 0.0:
            self._release(told)
            self.trade = None
            told.traded(trade)

    def _protect(self, ts_ns: int, order: BookOrder, fill: BookFill, told: Listener) -> None:
        """The bracket that an entry leaves behind."""
        stop, target = order.stop_distance, order.target_distance
        legs = {"stop": (stop, -fill.side, STOPPED_OUT), "target": (target, fill.side, TARGET_REACHED)}
        self.brackets = {
            leg: BookOrder(
                leg,
                ts_ns,
                f"{order.client_order_id}-{leg}",
                -fill.side,
                fill.qty,
                leg,
                reason,
                order.mode,
                stop_distance=distance if leg == "stop" else np.nan,
                price=self._on_tick(fill.price + away * distance) if distance > 0.0 else np.nan,
                is_told=distance > 0.0,  # a target that the rule moves in later: when it is filled
            )
            for leg, (distance, away, reason) in legs.items()
        }
        for bracket in self.brackets.values():
            if bracket.is_told:
                told.sent(bracket)

    def resting(self) -> list[BookOrder]:
        """Stop and target that rest with the venue."""
        return [leg for leg in self.brackets.values() if leg.is_told and not leg.is_over]

    def _on_tick(self, price: float) -> float:
        return math.floor(price * self.ticks + 0.5) / self.ticks if self.ticks > 0.0 else price

    def tell_target(self, told: Listener) -> None:
        """Count the target, that the rule moved in only later, among the orders."""
        target = self.brackets["target"]
        if not target.is_told:
            target.is_told = True
            told.sent(target)

    def _put_away(self, told: Listener) -> None:
        """Stop and target rest no longer."""
        for bracket in self.brackets.values():
            if bracket.is_told and not bracket.is_over:
                told.ended(bracket, by_venue=True)
            bracket.is_over = True

    def _release(self, told: Listener) -> None:
        """With the last unit the bracket's other half is void."""
        for bracket in self.brackets.values():
            if bracket.filled == 0.0:
                bracket.outcome = "cancelled: position closed"
            elif bracket.filled == bracket.qty:
                bracket.outcome = "filled"
            else:
                bracket.outcome = f"filled {bracket.filled:g} of {bracket.qty:g}"
        self._put_away(told)
        self.brackets = {}


class _Kept:
    """Keeps everything that happens in a book."""

    def __init__(self) -> None:
        self.orders: list[BookOrder] = []
        self.fills: list[BookFill] = []
        self.trades: list[BookTrade] = []

    def sent(self, order: BookOrder) -> None:
        self.orders.append(order)

    def filled(self, order: BookOrder, fill: BookFill) -> None:
        self.fills.append(fill)

    def ended(self, order: BookOrder, *, by_venue: bool) -> None:
        """What became of an order is in the order."""

    def resized(self, order: BookOrder) -> None:
        """And so is its quantity."""

    def traded(self, trade: BookTrade) -> None:
        self.trades.append(trade)


def _walk(part: SymbolTape, strategy: Strategy) -> _Kept:
    """Read a whole tape; most rows say nothing."""
    tape = part.tape
    told = [TAPE[name] for name in ("expired", "order_done", "exit_kind", "halted")]
    happens: BoolArray = np.asarray(tape[:, told].any(axis=1))
    action = tape[:, TAPE["action"]]
    asks = (action == ENTER) | (action == ENTER_SHORT) | (action == LEAVE) | (action == CANCEL)
    asks |= (action == TARGET_WEIGHT) & (tape[:, TAPE["outcome"]] == ACCEPTED)
    works = tape[:, TAPE["working"]] != 0.0
    happens[1:] |= works[:-1] & ~works[1:]
    book, kept = OrderBook(part.symbol, lots=part.lots), _Kept()
    for row in np.flatnonzero(happens | asks).tolist():
        now = TapeRow._make(tape[row].tolist())
        book.read(int(part.close_ns[row]), now, kept, strategy, is_missed=bool(part.missed[row]))
    return kept


def _units(fills: Sequence[BookFill]) -> float:
    total = 0.0
    for fill in fills:
        total += fill.qty
    return total


def read_executions(part: SymbolTape, strategy: Strategy) -> Executed:
    """Orders, fills and trades of a symbol, oldest first."""
    kept = _walk(part, strategy)
    return Executed(_orders(part, kept), _fills(part, kept), _trades(part, kept, strategy))


def _times(times_ns: Sequence[int]) -> Any:
    return np.array(times_ns, dtype=np.int64).astype("datetime64[ns]")


def _text(words: Sequence[str]) -> pd.Series:
    return pd.Series(list(words), dtype=object)


def _orders(part: SymbolTape, kept: _Kept) -> pd.DataFrame:
    rows = sorted(kept.orders, key=lambda order: order.ts_ns)
    return pd.DataFrame(
        {
            "symbol": _text([part.symbol] * len(rows)),
            "time": _times([order.ts_ns for order in rows]),
            "side": np.array([order.side for order in rows], dtype=np.int64),
            "qty": np.array([order.qty for order in rows], dtype=np.float64),
            "kind": _text([order.kind for order in rows]),
            "reason": _text([order.reason for order in rows]),
            "stop_distance": np.array([order.stop_distance for order in rows], dtype=np.float64),
            "limit_price": np.array([order.limit_price for order in rows], dtype=np.float64),
            "trigger_price": np.array([order.trigger_price for order in rows], dtype=np.float64),
            "good_for_day": np.array([order.is_for_day for order in rows], dtype=np.bool_),
            "client_order_id": _text([order.client_order_id for order in rows]),
            "outcome": _text([order.outcome for order in rows]),
        }
    )


def _fills(part: SymbolTape, kept: _Kept) -> pd.DataFrame:
    fills = kept.fills
    return pd.DataFrame(
        {
            "symbol": _text([part.symbol] * len(fills)),
            "time": _times([fill.ts_ns for fill in fills]),
            "side": np.array([fill.side for fill in fills], dtype=np.int64),
            "qty": np.array([fill.qty for fill in fills], dtype=np.float64),
            "price": np.array([fill.price for fill in fills], dtype=np.float64),
            "commission": np.array([fill.commission for fill in fills], dtype=np.float64),
            "cost": np.array([fill.cost for fill in fills], dtype=np.float64),
            "kind": _text([fill.kind for fill in fills]),
            "reason": _text([fill.reason for fill in fills]),
            "client_order_id": _text([fill.client_order_id for fill in fills]),
        }
    )


def _trades(part: SymbolTape, kept: _Kept, strategy: Strategy) -> pd.DataFrame:
    """Round trips from the first fill to the last; what is still open is left out."""
    done = kept.trades
    paid = np.array([trade.paid for trade in done])
    got = np.array([trade.got for trade in done])
    first = [trade.entries[0].ts_ns for trade in done]
    last = [trade.exits[-1].ts_ns for trade in done]
    return pd.DataFrame(
        {
            "symbol": _text([part.symbol] * len(done)),
            "entry_time": _times(first),
            "exit_time": _times(last),
            "side": np.array([trade.side for trade in done], dtype=np.int64),
            "qty": np.array([trade.qty for trade in done], dtype=np.float64),
            "entry_price": np.array([mean_price(trade.entries) for trade in done], dtype=np.float64),
            "exit_price": np.array([mean_price(trade.exits) for trade in done], dtype=np.float64),
            "pnl": np.asarray(got - paid, dtype=np.float64),
            "pnl_fraction": np.asarray((got - paid) / np.abs(paid), dtype=np.float64),
            "costs": np.array([trade.costs for trade in done], dtype=np.float64),
            "mode": _text([strategy.mode(trade.mode) for trade in done]),
            "entry_reason": _text([trade.entries[0].reason for trade in done]),
            "exit_reason": _text([trade.exits[-1].reason for trade in done]),
            "bars_held": _rows(part, last) - _rows(part, first),
        }
    )


def _rows(part: SymbolTape, times_ns: Sequence[int]) -> IntArray:
    rows: IntArray = np.searchsorted(part.close_ns, np.array(times_ns, dtype=np.int64))
    return rows


def _costs(fills: Sequence[BookFill]) -> float:
    total = 0.0
    for fill in fills:
        total += fill.cost
    return total


def mean_price(fills: Sequence[BookFill]) -> float:
    """Mean price of several fills."""
    if len(fills) == 1:
        return fills[0].price
    total = 0.0
    for fill in fills:
        total += fill.qty * fill.price
    return total / _units(fills)
