"""The live core: a trader as a state machine, without clock, network or disk.

``handle(event) -> list[Instruction]``. Rows of time, the venue's answers and a person's interventions go in;
what to write down and what to tell the venue comes out, and nothing else happens. The rule, its sizes and its
limits are a `Stream`, the same ``advance`` as a backtest's with the venue's word in place of simulated fills;
orders, fills and trades are read off its tape by the same `OrderBook`. So the same bars and the same fills
give the same trades to the bit, and a log of events replays any incident.

A row is handled once the venue's answers to it are in: an execution belongs to the row in whose interval it
happened. Every order is recorded before the instruction that sends it, in the same list; whoever carries the
list out writes first. The core tells a venue: an order (an entry brings its protective stop and its target),
new prices of stop and target, that a waiting order waits on because the rule was asked again meanwhile (the
engine times orders from the last decision), and that an order is void.
"""

import math
from collections.abc import Mapping

import msgspec
import numpy as np

from ..kernels.lane import BUY, BY_HAND, ENGINE_REASONS, NO_ORDER, SELL
from ..kernels.lane import Order as LaneOrder
from ..kernels.levels import AT_CLOSE, BY_LIMIT, HELD, STOP_EXIT, TARGET_EXIT
from ..kernels.tape import TapeRow, VenueRow
from ..kernels.types import FloatArray
from .abilities import says
from .errors import BrokerError, ConfigError, DataError, StoreError
from .executions import BookFill, BookOrder, BookTrade, OrderBook, mean_price, status_of
from .records import (
    ACCOUNT,
    Action,
    Answer,
    Cancel,
    Decision,
    EquityPoint,
    Event,
    Execution,
    Fill,
    Instruction,
    Intervention,
    MoveStop,
    MoveTarget,
    Order,
    OrderSize,
    OrderStatus,
    Position,
    Postpone,
    Reached,
    Rejection,
    RowClosed,
    Submit,
    Trade,
    Write,
)
from .sealed import seal, unseal
from .stream import Stream

_FORMAT = "live core/3"
_N_REMEMBERED = 16  # answers and finished orders per symbol, so that an answer told twice is known for one
_MOMENTS = {"open": HELD, "within": BY_LIMIT, "close": AT_CLOSE}
_AT_ONCE_NS = 0  # from the next bar, whatever the delay of decisions
_HALT = ENGINE_REASONS[int(BY_HAND)]
_ORDER_FIELDS = LaneOrder._fields


def check_tradable(stream: Stream) -> None:
    """Refuse what is not traded live, in words that name it.

    Raises
    ------
    ConfigError
        If the rule or its settings ask for it.
    """
    setup = stream.setup
    if says(setup.strategy, "unprotected"):
        raise ConfigError(
            f"strategy {setup.strategy.name!r} may enter without a protective stop (`unprotected`, or an "
            "`Intent` made by hand); live, every position has one, so leave the word out"
        )
    if says(setup.strategy, "weights"):
        raise ConfigError(
            f"strategy {setup.strategy.name!r} holds target weights (`target_weight`), which are not yet "
            "traded live"
        )
    if setup.account == "shared" and ACCOUNT in stream.symbols:
        raise ConfigError(f"a symbol is named {ACCOUNT!r}, as the shared account is in the ledger")


class _Heard(msgspec.Struct):
    """What the venue has told of one symbol, so that nothing counts twice."""

    answers: list[tuple[str, int, str]] = []  # the last ones: id, time, kind
    finished: list[str] = []  # ids of the last orders that are done with


class _State(msgspec.Struct):
    format: str
    stream: bytes
    books: dict[str, OrderBook]
    heard: dict[str, _Heard]
    positions: dict[str, Position]
    answers: list[Answer]


Record = Order | OrderSize | OrderStatus | Fill | Trade | Decision | EquityPoint | Intervention


class _Outcome:
    """Instructions of one event, records first, then what the venue is told; order books speak to it."""

    def __init__(self, ts_ns: int, delay_ns: int, delay_bars: int, heard: Mapping[str, _Heard]) -> None:
        self.symbol = ""  # whose book speaks
        self.ts_ns = ts_ns
        self.not_before_ns = ts_ns + delay_ns  # of what is decided now
        self._delay_bars = delay_bars
        self._heard = heard
        self._writes: list[Instruction] = []
        self.actions: list[Action] = []

    def write(self, record: Record) -> None:
        self._writes.append(Write(record))

    def instructions(self) -> list[Instruction]:
        return [*self._writes, *self.actions]

    def sent(self, order: BookOrder) -> None:
        record = _record(order, self.symbol)
        self.write(record)
        if order.leg in ("enter", "leave"):
            self.actions.append(Submit(record, self.not_before_ns, self._delay_bars))
        elif order.leg == "halt":
            self.actions.append(Submit(record, _AT_ONCE_NS, self._delay_bars))
        elif order.leg == "rest":
            self.actions.append(Submit(record, _AT_ONCE_NS))

    def filled(self, order: BookOrder, fill: BookFill) -> None:
        self.write(
            Fill(
                client_order_id=fill.client_order_id,
                symbol=self.symbol,
                ts_ns=fill.ts_ns,
                side=fill.side,
                qty=fill.qty,
                price=fill.price,
                cost=fill.cost,
                kind=fill.kind,
                reason=fill.reason,
            )
        )

    def ended(self, order: BookOrder, *, by_venue: bool) -> None:
        name = order.client_order_id
        is_bracket = order.leg in ("stop", "target")
        status = ("filled" if order.filled else "cancelled") if is_bracket else status_of(order.outcome)
        self.write(OrderStatus(name, status))
        if not by_venue:
            self.actions.append(Cancel(name))
        heard = self._heard[self.symbol]
        heard.finished = [*heard.finished, name][-_N_REMEMBERED:]

    def resized(self, order: BookOrder) -> None:
        self.write(OrderSize(order.client_order_id, order.qty))

    def traded(self, trade: BookTrade) -> None:
        first, last = trade.entries[0], trade.exits[-1]
        self.write(
            Trade(
                symbol=self.symbol,
                entry_ts_ns=first.ts_ns,
                exit_ts_ns=last.ts_ns,
                qty=trade.qty,
                entry_price=mean_price(trade.entries),
                exit_price=mean_price(trade.exits),
                pnl=trade.got - trade.paid,
                costs=trade.costs,
                mode=int(trade.mode),
                entry_reason=first.reason,
                exit_reason=last.reason,
                side=trade.side,
            )
        )


class LiveCore:
    """A trader: a stream of decisions beside the orders that they made.

    Parameters
    ----------
    stream : Stream
        Made with ``venue=True``; the core drives it from here on.

    Raises
    ------
    ConfigError
        If the stream simulates its fills, or its rule asks for what is not traded live (`check_tradable`).
    """

    def __init__(self, stream: Stream) -> None:
        if not stream.compiled.variant.venue:
            raise ConfigError("`stream` simulates its own fills; make it with venue=True")
        check_tradable(stream)
        self._stream = stream
        self._uses = stream.compiled.variant.uses
        self._is_shared = stream.setup.account == "shared"
        self._books = {
            symbol: OrderBook(symbol, instrument.ticks if self._uses.ticks else 0.0, instrument.lots)
            for symbol, instrument in zip(stream.symbols, stream.instruments, strict=True)
        }
        self._heard = {symbol: _Heard() for symbol in stream.symbols}
        self._answers: list[Answer] = []  # that wait for their row
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
        event : RowClosed, Execution, Reached, Rejection or Intervention
            Answers are kept until the row that they belong to closes.

        Returns
        -------
        list of Instruction
            ``Write`` first: records that must be durable before the rest is carried out.

        Raises
        ------
        DataError
            If a row is impossible or out of order, or an intervention is not of the last row's time. Nothing
            has changed then, and the row may come again.
        BrokerError
            If an answer is about an order that was never sent, or the venue refuses to close a position.
        """
        if isinstance(event, RowClosed):
            return self._close_row(event)
        if isinstance(event, Intervention):
            return self._intervene(event)
        self._take(event)
        return []

    def positions(self) -> list[Position]:
        """What is held of each symbol, flat ones included, and the money of the account that pays for it."""
        return list(self._positions.values())

    def open_orders(self) -> list[Order]:
        """Orders that wait or rest, with the present prices of stops and targets."""
        return [
            _record(order, symbol)
            for symbol, book in self._books.items()
            for order in (book.order, *book.resting())
            if order is not None
        ]

    def halts(self) -> dict[str, str]:
        """Why trading is stopped, by symbol; those that trade are left out."""
        reasons = {symbol: int(self._stream.state(symbol)["halt.reason"]) for symbol in self._index}
        return {symbol: ENGINE_REASONS[code] for symbol, code in reasons.items() if code}

    def _outcome(self, ts_ns: int) -> _Outcome:
        setup = self._stream.setup
        return _Outcome(ts_ns, setup.delay_ns, setup.execution.delay_bars, self._heard)

    # ---- answers

    def _take(self, answer: Answer) -> None:
        """Keep an answer for the row that closes next; one that was told before changes nothing."""
        book = self._books.get(answer.symbol)
        if book is None:
            raise BrokerError(f"the venue answered for {answer.symbol!r}, which is not traded here")
        heard = self._heard[answer.symbol]
        key = (answer.client_order_id, answer.ts_ns, type(answer).__name__)
        if answer.client_order_id in heard.finished or key in heard.answers:
            return
        self._check(answer, book)
        heard.answers = [*heard.answers, key][-_N_REMEMBERED:]
        self._answers.append(answer)

    def _check(self, answer: Answer, book: OrderBook) -> None:
        """Refuse what is not about an order of ours at work, or cannot be."""
        order, name = book.order, answer.client_order_id
        done = [
            other for other in self._answers if other.symbol == book.symbol and isinstance(other, Execution)
        ]
        bought = sum(one.qty for one in done if _is_of(one, order)) if order and order.is_entry else 0.0
        closed = sum(one.qty for one in done) - bought
        held = book.in_lots(abs(book.position) + bought - closed)
        if order is not None and name == order.client_order_id:
            if isinstance(answer, Execution):
                most = book.in_lots(order.left - bought) if order.is_entry else held
                self._check_execution(answer, order.side, most, book, is_entry=order.is_entry)
                return
            if isinstance(answer, Rejection) and not order.is_entry and held > 0.0:
                raise BrokerError(
                    f"the venue refused order {name!r}, which closes the position in {answer.symbol!r}: "
                    f"{answer.reason}; its protective stop still rests, but nothing is traded until a person "
                    "has settled this"
                )
            if isinstance(answer, Rejection) or (order.is_entry and not math.isnan(order.trigger_price)):
                return
        side = self._side_of_exit(name, book, has_bought=bought > 0.0)
        if side and isinstance(answer, Execution):
            self._check_execution(answer, side, held, book, is_entry=False)
            return
        if not side or isinstance(answer, Rejection):
            raise BrokerError(
                f"the venue answered for order {name!r} of {answer.symbol!r}, which is none of ours at work; "
                "reconcile before trading on"
            )

    def _side_of_exit(self, name: str, book: OrderBook, *, has_bought: bool) -> int:
        """Side of the stop or target of that name, be it of an entry executed only since the last row."""
        for leg in book.resting():
            if leg.client_order_id == name:
                return leg.side
        order = book.order
        if order is not None and order.is_entry and has_bought and not book.brackets:
            legs = {"stop": order.stop_distance, "target": order.target_distance}
            for kind, distance in legs.items():
                if distance > 0.0 and name == f"{order.client_order_id}-{kind}":
                    return -order.side
        return 0

    def _check_execution(
        self, execution: Execution, side: int, most: float, book: OrderBook, *, is_entry: bool
    ) -> None:
        """An entry may be cut to what cash pays; a rest works on only where fills come in parts."""
        least = 0.0 if is_entry or self._uses.capped else most
        fits = least <= execution.qty <= most and execution.qty > 0.0
        leaves = execution.left == 0.0 or (
            self._uses.capped and execution.left <= book.in_lots(most - execution.qty)
        )
        if execution.side != side or not (fits and leaves):
            raise BrokerError(
                f"the venue executed side {execution.side}, quantity {execution.qty:g} of order "
                f"{execution.client_order_id!r}, which is side {side}, quantity {most:g}; "
                "reconcile before trading on"
            )

    def _told(self, row: RowClosed) -> tuple[dict[str, dict[str, float]], list[Answer]]:
        """Answers for the lanes by symbol, and those that must wait: stops and targets need a bar."""
        if not self._answers:
            return {}, []
        with_bar = {bar.symbol for bar in row.bars}
        told: dict[str, dict[str, float]] = {}
        later: list[Answer] = []
        for answer in self._answers:
            own = told.setdefault(answer.symbol, {})
            if _is_of(answer, self._books[answer.symbol].order):
                if own.get("order_done") == 1.0 or (isinstance(answer, Execution) and "order_qty" in own):
                    later.append(answer)
                else:
                    own |= _order_told(answer)
            elif answer.symbol not in with_bar or "exit_kind" in own:
                later.append(answer)
            else:
                own |= _exit_told(answer)
        return told, later

    # ---- rows

    def _close_row(self, row: RowClosed) -> list[Instruction]:
        told, later = self._told(row)
        result = self._stream.advance_row(
            row.ts_ns,
            row.session_close_ns,
            self._table(row),
            self._venue(told),
            self._stream.series_row(row.series) if row.series else None,
        )
        # The stream has moved: from here on nothing may fail.
        self._answers = later
        outcome = self._outcome(row.ts_ns)
        for decision in result.decisions:
            outcome.write(decision)
        tapes = [TapeRow._make(own) for own in result.tape.tolist()]
        for (symbol, book), tape in zip(self._books.items(), tapes, strict=True):
            outcome.symbol = symbol
            before = book.order
            book.read(row.ts_ns, tape, outcome, self._stream.setup.strategy)
            if tape.decided and before is not None and book.order is before and tape.order_wait < 0.0:
                outcome.actions.append(Postpone(before.client_order_id, outcome.not_before_ns))
            self._mark(book, tape, outcome)
        if self._is_shared:
            outcome.write(EquityPoint(ACCOUNT, row.ts_ns, tapes[0].equity, tapes[0].cash, math.nan))
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

    def _venue(self, told: Mapping[str, Mapping[str, float]]) -> FloatArray | None:
        """Answers as the stream takes them."""
        if not told:
            return None
        nothing = VenueRow()
        return np.array([nothing._replace(**told.get(symbol, {})) for symbol in self._index])

    def _mark(self, book: OrderBook, tape: TapeRow, outcome: _Outcome) -> None:
        """Move stop and target where the lane has moved them, and write down the account at the close."""
        symbol, ts_ns = book.symbol, outcome.ts_ns
        for leg in book.resting():
            wanted = tape.stop if leg.leg == "stop" else tape.target
            if leg.price != wanted:
                self._move(book, leg, wanted, outcome)
        target = book.brackets.get("target")
        is_new = target is not None and not target.is_told and not target.is_over
        if target is not None and is_new and self._uses.targets and not math.isnan(tape.target):
            self._move(book, target, tape.target, outcome)  # the rule wants one only now
        is_held = tape.qty != 0.0
        self._positions[symbol] = Position(
            symbol,
            ts_ns,
            tape.qty,
            tape.entry_price if is_held else math.nan,
            tape.stop if is_held else math.nan,
            tape.cash,
            tape.equity,
        )
        if not self._is_shared:
            outcome.write(EquityPoint(symbol, ts_ns, tape.equity, tape.cash, tape.qty))

    def _move(self, book: OrderBook, leg: BookOrder, price: float, outcome: _Outcome) -> None:
        leg.price = price
        if leg.leg == "stop":
            outcome.actions.append(MoveStop(leg.client_order_id, price))
        else:
            book.tell_target(outcome)
            outcome.actions.append(MoveTarget(leg.client_order_id, price))

    # ---- a person

    def _intervene(self, event: Intervention) -> list[Instruction]:
        """Stop trading, or let it go on, between two rows."""
        if event.ts_ns != self.ts_ns:
            raise DataError(f"the intervention is of {event.ts_ns}, the last row closed at {self.ts_ns}")
        if any(_is_of(answer, self._books[answer.symbol].order) for answer in self._answers):
            raise DataError("an answer of the venue waits for its row to close; intervene after it")
        outcome = self._outcome(self.ts_ns)
        outcome.write(event)
        for symbol, book in self._books.items():
            outcome.symbol = symbol
            if event.kind == "resume":
                equity = self._stream.state(symbol)["account.equity"]
                self._stream.amend(symbol, {"halt.reason": 0.0, "halt.sessions": 0.0, "halt.peak": equity})
            else:
                self._stop(book, outcome, closes=event.kind == "emergency_stop")
        return outcome.instructions()

    def _stop(self, book: OrderBook, outcome: _Outcome, *, closes: bool) -> None:
        """Enter nothing from here on; an entry at work would be one, so it is taken back."""
        changes = {"halt.reason": BY_HAND, "halt.sessions": 0.0}
        had = book.order
        book.halt(outcome.ts_ns, _HALT, outcome, closes=closes)
        if book.order is not had:
            nothing = dict.fromkeys((f"order.{name}" for name in _ORDER_FIELDS), 0.0)
            changes |= nothing | (
                self._closing(book) if book.order is not None else {"order.action": NO_ORDER}
            )
        self._stream.amend(book.symbol, changes)

    def _closing(self, book: OrderBook) -> dict[str, float]:
        """The order that closes a position, as the lane has it."""
        lane = self._stream.state(book.symbol)
        return {
            "order.action": SELL if book.position > 0.0 else BUY,
            "order.qty": abs(lane["position.qty"]),
            "order.mode": lane["position.mode"],
            "order.reason": BY_HAND,
            "order.wait": self._stream.setup.execution.delay_bars + 1.0,
        }

    # ---- state

    def save(self) -> bytes:
        """State of everything, to be kept with the ledger; `restore` continues to the bit."""
        state = _State(_FORMAT, self._stream.save(), self._books, self._heard, self._positions, self._answers)
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
        self._books, self._heard = state.books, state.heard
        self._positions, self._answers = state.positions, state.answers


def _is_of(answer: Answer, order: BookOrder | None) -> bool:
    return order is not None and answer.client_order_id == order.client_order_id


def _order_told(answer: Answer) -> dict[str, float]:
    """An answer about the working order, as the lanes take it."""
    if isinstance(answer, Rejection):
        return {"order_done": 1.0}
    if isinstance(answer, Reached):
        return {"order_done": 2.0, "order_reached": 1.0}
    return {
        "order_done": 2.0 if answer.left > 0.0 else 1.0,
        "order_at": _MOMENTS[answer.moment],
        "order_qty": answer.side * answer.qty,
        "order_price": answer.price,
        "order_commission": answer.commission,
        "order_reference": answer.reference,
    }


def _exit_told(answer: Answer) -> dict[str, float]:
    """An answer about a stop or a target, as the lanes take it."""
    kind = {"exit_kind": STOP_EXIT if answer.client_order_id.endswith("-stop") else TARGET_EXIT}
    if not isinstance(answer, Execution):
        return kind
    return kind | {
        "stop_qty": answer.side * answer.qty,
        "stop_price": answer.price,
        "stop_commission": answer.commission,
        "stop_reference": answer.reference,
    }


def _record(order: BookOrder, symbol: str) -> Order:
    """An order as others know it."""
    is_stop, is_target = order.leg == "stop", order.leg == "target"
    return Order(
        client_order_id=order.client_order_id,
        symbol=symbol,
        side=order.side,
        qty=order.qty,
        kind=order.kind,
        ts_ns=order.ts_ns,
        reason=order.reason,
        stop_price=order.price if is_stop else math.nan,
        stop_distance=order.stop_distance,
        mode=int(order.mode),
        # The venue makes stop and target from the entry, no instruction of ours does.
        status="accepted" if is_stop or is_target else "pending",
        limit_price=order.price if is_target else order.limit_price,
        trigger_price=order.trigger_price,
        target_distance=order.target_distance if order.target_distance > 0.0 else math.nan,
        good_for_day=order.is_for_day,
    )
