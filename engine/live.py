"""The live core: a trader as a state machine, without clock, network or disk.

``handle(event) -> list[Instruction]``. Rows of time and the venue's answers go in; what to write down and
what to tell the venue comes out, and nothing else happens. The rule, its sizes and its limits are a `Stream`,
the same ``advance`` as a backtest's with the venue's word in place of simulated fills, so that the same bars
and the same fills give the same trades to the bit. A log of events replays any incident.

A row is handled once the venue's answers to it are in: an execution belongs to the row in whose interval it
happened. Every order is recorded before the instruction that sends it, in the same list; whoever carries the
list out writes first. The core tells a venue four things: an order (an entry brings its protective stop), a
stop's new price, that a waiting order waits on because the rule was asked again meanwhile (the engine times
orders from the last decision), and that an order is void because its position was stopped out.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from ..kernels.lane import BUY
from ..kernels.risk import ACCEPTED, OUTCOMES
from ..kernels.tape import TAPE, VENUE_FIELDS
from ..kernels.types import FloatArray
from .errors import BrokerError, ConfigError, DataError, StoreError
from .records import (
    Action,
    Answer,
    Cancel,
    Decision,
    EquityPoint,
    Event,
    Execution,
    Fill,
    Instruction,
    MoveStop,
    Order,
    OrderStatus,
    Position,
    Postpone,
    Rejection,
    RowClosed,
    Submit,
    Trade,
    Write,
)
from .run import STOPPED_OUT, client_order_id
from .sealed import seal, unseal
from .stream import Stream

_FORMAT = "live core/2"
_N_REMEMBERED = 8  # ids of finished orders per symbol, so that an answer told twice is known for one
_VENUE = {name: column for column, name in enumerate(VENUE_FIELDS)}
_ACCEPTED = OUTCOMES[int(ACCEPTED)]
_NO_STOP = Order("", "", -1, 0.0, "stop", 0, "", math.nan, math.nan)


class _Entry(msgspec.Struct, frozen=True):
    """What opened the position."""

    fill: Fill
    commission: float
    mode: int


class _Book(msgspec.Struct):
    """One symbol's orders, as the venue has been told of them."""

    order: Order | None = None  # sent, without an answer yet
    entry: _Entry | None = None  # of the position held
    stop: Order | None = None  # rests; its `stop_price` is the present one
    finished: list[str] = []  # ids of the last orders that are done with


class _State(msgspec.Struct):
    format: str
    stream: bytes
    books: dict[str, _Book]
    positions: dict[str, Position]
    answers: list[Answer]
    late_stops: dict[str, Execution]


class _Told(NamedTuple):
    """What the venue said of one symbol since the last row."""

    order: Answer | None
    stop: Execution | None


class _Outcome:
    """Instructions of one row: records first, then what the venue is told."""

    def __init__(self) -> None:
        self.writes: list[Instruction] = []
        self.actions: list[Action] = []

    def write(self, record: Order | OrderStatus | Fill | Trade | Decision | EquityPoint) -> None:
        self.writes.append(Write(record))

    def instructions(self) -> list[Instruction]:
        return [*self.writes, *self.actions]


class LiveCore:
    """A trader: a stream of decisions beside the orders that they made.

    Parameters
    ----------
    stream : Stream
        Made with ``venue=True``; the core drives it from here on.
    """

    def __init__(self, stream: Stream) -> None:
        if not stream.compiled.variant.venue:
            raise ConfigError("`stream` simulates its own fills; make it with venue=True")
        self._stream = stream
        self._books = {symbol: _Book() for symbol in stream.symbols}
        self._answers: list[Answer] = []
        self._late_stops: dict[str, Execution] = {}  # came in a row in which their symbol had no bar
        self._index = {symbol: i for i, symbol in enumerate(stream.symbols)}
        cash = stream.setup.initial_cash
        self._positions = {
            symbol: Position(symbol, 0, 0.0, math.nan, math.nan, cash, cash) for symbol in stream.symbols
        }

    @property
    def ts_ns(self) -> int:
        """Close of the last row."""
        return self._stream.ts_ns

    def handle(self, event: Event) -> list[Instruction]:
        """Take an event and return what is to be done, in this order.

        Parameters
        ----------
        event : RowClosed, Execution or Rejection
            Answers are kept until the row that they belong to closes.

        Returns
        -------
        list of Instruction
            ``Write`` first: records that must be durable before the rest is carried out.

        Raises
        ------
        DataError
            If a row is impossible or out of order. Nothing has changed then, and the row may come again.
        BrokerError
            If an answer is about an order that was never sent, or the venue refuses to close a position.
        """
        if isinstance(event, RowClosed):
            return self._close_row(event)
        self._take(event)
        return []

    def positions(self) -> list[Position]:
        """What is held of each symbol, flat ones included, and the money beside it."""
        return list(self._positions.values())

    def open_orders(self) -> list[Order]:
        """Orders that wait or rest, with the present price of a stop."""
        return [
            order for book in self._books.values() for order in (book.order, book.stop) if order is not None
        ]

    # ---- answers

    def _take(self, answer: Answer) -> None:
        """Keep an answer for the row that closes next; one that was told before changes nothing."""
        book = self._books.get(answer.symbol)
        name = answer.client_order_id
        if book is None:
            raise BrokerError(f"the venue answered for {answer.symbol!r}, which is not traded here")
        told = {other.client_order_id: other for other in self._answers}
        if name in book.finished or name in told:
            return
        if book.order is not None and name == book.order.client_order_id:
            if isinstance(answer, Execution):
                _check_execution(answer, book.order, is_entry=book.entry is None)
            elif book.entry is not None and not self._is_stopped_out(answer.symbol, told):
                raise BrokerError(
                    f"the venue refused order {name!r}, which closes the position in {answer.symbol!r}: "
                    f"{answer.reason}; its protective stop still rests, but nothing is traded until a person "
                    "has settled this"
                )
        elif isinstance(answer, Execution) and name == (stop := self._stop(book, told)).client_order_id:
            _check_execution(answer, stop, is_entry=False)
        else:
            raise BrokerError(
                f"the venue answered for order {name!r} of {answer.symbol!r}, which is none of ours at work; "
                "reconcile before trading on"
            )
        self._answers.append(answer)

    def _stop(self, book: _Book, told: Mapping[str, Answer]) -> Order:
        """The stop that rests, be it from an entry that was executed only since the last row."""
        if book.stop is not None:
            return book.stop
        entry = None if book.order is None else told.get(book.order.client_order_id)
        if book.order is not None and book.entry is None and isinstance(entry, Execution):
            return _stop_of(book.order, entry, entry.ts_ns)
        return _NO_STOP

    def _is_stopped_out(self, symbol: str, told: Mapping[str, Answer]) -> bool:
        """Whether the venue has closed the position by its stop, though no bar has told the lanes yet."""
        stop = self._books[symbol].stop
        return stop is None or symbol in self._late_stops or stop.client_order_id in told

    def _told(self, row: RowClosed) -> tuple[dict[str, _Told], dict[str, Execution]]:
        """Answers by symbol for this row, and those that must wait: a stop is settled on a bar."""
        if not self._answers and not self._late_stops:
            return {}, {}
        with_bar = {bar.symbol for bar in row.bars}
        told = {symbol: _Told(None, stop) for symbol, stop in self._late_stops.items() if symbol in with_bar}
        late = {symbol: stop for symbol, stop in self._late_stops.items() if symbol not in with_bar}
        for answer in self._answers:
            symbol, order = answer.symbol, self._books[answer.symbol].order
            before = told.get(symbol, _Told(None, None))
            if order is not None and answer.client_order_id == order.client_order_id:
                told[symbol] = before._replace(order=answer)
            elif isinstance(answer, Execution):
                if symbol in with_bar:
                    told[symbol] = before._replace(stop=answer)
                else:
                    late[symbol] = answer
        return told, late

    # ---- rows

    def _close_row(self, row: RowClosed) -> list[Instruction]:
        told, late = self._told(row)
        result = self._stream.advance_row(
            row.ts_ns, row.session_close_ns, self._table(row), self._venue(told)
        )
        # The stream has moved: from here on nothing may fail.
        self._answers, self._late_stops = [], late
        outcome = _Outcome()
        for symbol, one in told.items():
            self._settle(symbol, one, row.ts_ns, outcome)
        for decision in result.decisions:
            self._decide(decision, outcome)
        for symbol, tape in zip(self._stream.symbols, result.tape.tolist(), strict=True):
            self._mark(symbol, row.ts_ns, tape, outcome)
        return outcome.instructions()

    def _table(self, row: RowClosed) -> FloatArray:
        """Bars as the stream takes them, NaN where there is none."""
        table = np.full((len(self._index), 5), np.nan)
        seen: set[str] = set()
        for bar in row.bars:
            i = self._index.get(bar.symbol, -1)
            if i < 0:
                raise DataError(f"bar of {bar.symbol!r}: not a symbol here ({', '.join(self._index)})")
            if bar.ts_ns != row.ts_ns:
                raise DataError(f"bar of {bar.symbol!r} closes at {bar.ts_ns}, the row at {row.ts_ns}")
            if bar.symbol in seen:
                raise DataError(f"two bars of {bar.symbol!r} in the row at {row.ts_ns}")
            seen.add(bar.symbol)
            table[i] = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        return table

    def _venue(self, told: Mapping[str, _Told]) -> FloatArray | None:
        """Answers as the lanes take them."""
        if not told:
            return None
        venue = np.zeros((len(self._index), len(VENUE_FIELDS)))
        for symbol, one in told.items():
            own = venue[self._index[symbol]]
            if one.order is not None:
                own[_VENUE["order_done"]] = 1.0
            for leg, answer in (("order", one.order), ("stop", one.stop)):
                if isinstance(answer, Execution):
                    own[_VENUE[f"{leg}_qty"]] = answer.side * answer.qty
                    own[_VENUE[f"{leg}_price"]] = answer.price
                    own[_VENUE[f"{leg}_commission"]] = answer.commission
                    own[_VENUE[f"{leg}_reference"]] = answer.reference
        return venue

    def _settle(self, symbol: str, told: _Told, ts_ns: int, outcome: _Outcome) -> None:
        """Write down what the venue did with a symbol's orders."""
        book = self._books[symbol]
        order = book.order
        if told.order is not None and order is not None:
            book.order = None
            _finish(book, order.client_order_id)
            if isinstance(told.order, Rejection):
                outcome.write(OrderStatus(order.client_order_id, "rejected"))
            elif book.entry is None:
                self._open(book, order, told.order, ts_ns, outcome)
            else:
                self._close(book, order, told.order, ts_ns, outcome)
        if told.stop is not None and book.stop is not None:
            self._close(book, book.stop, told.stop, ts_ns, outcome)

    def _open(self, book: _Book, order: Order, execution: Execution, ts_ns: int, outcome: _Outcome) -> None:
        fill = _fill(order, execution, ts_ns)
        book.entry = _Entry(fill, execution.commission, order.mode)
        book.stop = _stop_of(order, execution, ts_ns)
        outcome.write(fill)
        outcome.write(OrderStatus(order.client_order_id, "filled"))
        outcome.write(book.stop)

    def _close(self, book: _Book, order: Order, execution: Execution, ts_ns: int, outcome: _Outcome) -> None:
        """End the position: by our order, or by its stop. What else would close it is void."""
        entry, stop, waiting = book.entry, book.stop, book.order
        assert entry is not None, order.client_order_id
        fill = _fill(order, execution, ts_ns)
        outcome.write(fill)
        outcome.write(OrderStatus(order.client_order_id, "filled"))
        if stop is not None and stop is not order:  # it ended with its position, at the venue too
            outcome.write(OrderStatus(stop.client_order_id, "cancelled"))
        if waiting is not None:
            outcome.write(OrderStatus(waiting.client_order_id, "cancelled"))
            outcome.actions.append(Cancel(waiting.client_order_id))
            _finish(book, waiting.client_order_id)
        outcome.write(_trade(entry, fill, execution.commission))
        if stop is not None:
            _finish(book, stop.client_order_id)
        book.order = book.entry = book.stop = None

    def _decide(self, decision: Decision, outcome: _Outcome) -> None:
        """Write down a decision and turn it into an order, if it made one."""
        outcome.write(decision)
        book = self._books[decision.symbol]
        not_before_ns = decision.ts_ns + self._stream.setup.delay_ns
        if book.order is not None:
            outcome.actions.append(Postpone(book.order.client_order_id, not_before_ns))
        elif decision.outcome == _ACCEPTED and decision.qty > 0.0:
            book.order = self._order(decision)
            outcome.write(book.order)
            outcome.actions.append(Submit(book.order, not_before_ns))

    def _order(self, decision: Decision) -> Order:
        lane = self._stream.state(decision.symbol)
        is_entry = lane["position.qty"] == 0.0
        return Order(
            client_order_id=client_order_id(
                decision.symbol, decision.ts_ns, "enter" if is_entry else "leave"
            ),
            symbol=decision.symbol,
            side=1 if lane["order.action"] == BUY else -1,
            qty=decision.qty,
            kind="market",
            ts_ns=decision.ts_ns,
            reason=decision.reason,
            stop_price=math.nan,
            stop_distance=lane["order.stop_distance"] if is_entry else math.nan,
            mode=int(lane["order.mode"]),
        )

    def _mark(self, symbol: str, ts_ns: int, tape: Sequence[float], outcome: _Outcome) -> None:
        """Write down the account at the close, and move the stop if the rule has moved it."""
        book = self._books[symbol]
        equity, cash, qty, stop_price = (tape[TAPE[name]] for name in ("equity", "cash", "qty", "stop"))
        if book.stop is not None and book.stop.stop_price != stop_price:
            book.stop = msgspec.structs.replace(book.stop, stop_price=stop_price)
            outcome.actions.append(MoveStop(book.stop.client_order_id, stop_price))
        entry_price = math.nan if book.entry is None else book.entry.fill.price
        held_stop = stop_price if qty != 0.0 else math.nan
        self._positions[symbol] = Position(symbol, ts_ns, qty, entry_price, held_stop, cash, equity)
        outcome.write(EquityPoint(symbol, ts_ns, equity, cash, qty))

    # ---- state

    def save(self) -> bytes:
        """State of everything, to be kept with the ledger; `restore` continues to the bit."""
        state = _State(
            _FORMAT, self._stream.save(), self._books, self._positions, self._answers, self._late_stops
        )
        return seal(msgspec.msgpack.encode(state))

    def restore(self, saved: bytes) -> None:
        """Take up the state of `save`.

        Raises
        ------
        StoreError
            If it is not a state, or one of another rule, other parameters, symbols or settings.
        """
        try:
            state = msgspec.msgpack.decode(unseal(saved, "the live core"), type=_State)
        except msgspec.DecodeError as error:
            raise StoreError(f"the saved state of the live core cannot be read: {error}") from None
        if state.format != _FORMAT:
            raise StoreError(f"the saved state of the live core is {state.format!r}, must be {_FORMAT!r}")
        self._stream.restore(state.stream)
        self._books, self._positions = state.books, state.positions
        self._answers, self._late_stops = state.answers, state.late_stops


def _check_execution(execution: Execution, order: Order, *, is_entry: bool) -> None:
    """An entry may be cut to what cash pays; whatever closes closes the whole position."""
    least = 0.0 if is_entry else order.qty
    if execution.side != order.side or not (least <= execution.qty <= order.qty and execution.qty > 0.0):
        raise BrokerError(
            f"the venue executed side {execution.side}, quantity {execution.qty:g} of order "
            f"{order.client_order_id!r}, which is side {order.side}, quantity {order.qty:g}; "
            "reconcile before trading on"
        )


def _stop_of(entry: Order, execution: Execution, ts_ns: int) -> Order:
    """The protective stop that an entry leaves with the venue."""
    return Order(
        client_order_id=f"{entry.client_order_id}-stop",
        symbol=entry.symbol,
        side=-entry.side,
        qty=execution.qty,
        kind="stop",
        ts_ns=ts_ns,
        reason=STOPPED_OUT,
        stop_price=execution.price - entry.side * entry.stop_distance,
        stop_distance=entry.stop_distance,
        mode=entry.mode,
        status="accepted",  # the venue makes it from the entry, no instruction of ours does
    )


def _finish(book: _Book, name: str) -> None:
    book.finished = [*book.finished, name][-_N_REMEMBERED:]


def _fill(order: Order, execution: Execution, ts_ns: int) -> Fill:
    """The record of an execution, with its whole cost."""
    slippage = execution.qty * abs(execution.price - execution.reference)
    return Fill(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        ts_ns=ts_ns,
        side=order.side,
        qty=execution.qty,
        price=execution.price,
        cost=execution.commission + slippage,
        kind=order.kind,
        reason=order.reason,
    )


def _trade(entry: _Entry, exit_fill: Fill, exit_commission: float) -> Trade:
    """The round trip, added up as `engine.run` does."""
    opened = entry.fill
    paid = opened.side * opened.qty * opened.price + entry.commission
    got = opened.side * exit_fill.qty * exit_fill.price - exit_commission
    return Trade(
        symbol=opened.symbol,
        entry_ts_ns=opened.ts_ns,
        exit_ts_ns=exit_fill.ts_ns,
        qty=opened.qty,
        entry_price=opened.price,
        exit_price=exit_fill.price,
        pnl=got - paid,
        costs=opened.cost + exit_fill.cost,
        mode=entry.mode,
        entry_reason=opened.reason,
        exit_reason=exit_fill.reason,
        side=opened.side,
    )
