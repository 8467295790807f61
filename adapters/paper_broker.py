"""The internal paper broker: a venue without a market, that fills our orders on the bars we see.

Each symbol has a book of its own: money, position, the order that waits and the stop that rests. An entry is
a bracket: its fill leaves a protective stop below it (above it, where it sold short), live in the same bar,
with the entry's id and ``-stop``; whatever closes the position ends the stop. An order with a stop distance
is an entry, one without closes the whole of what is held. Prices, commissions, interest and borrow fees come
from a fill model that is handed in, so that the venue of a backtest and this one are one.

Within a row the order of things is a backtest's: the end of a session whose last row never came, the waiting
order at the open, the stop, the mark to the close, the end of the session.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from ..engine.errors import BrokerError, DataError, StoreError
from ..engine.records import Answer, Bar, Execution, Order, Position, Rejection, RowClosed
from ..engine.sealed import seal, unseal

_FORMAT = "paper broker/2"


class QuotedFill(Protocol):
    """What a fill model answers; a quantity of zero is no fill."""

    @property
    def qty(self) -> float:
        """Units."""

    @property
    def price(self) -> float:
        """Of the fill."""

    @property
    def commission(self) -> float:
        """Account currency."""

    @property
    def reference(self) -> float:
        """Price before slippage."""


class FillModel(Protocol):
    """What decides prices and costs; ``engine.fill_model.FillModel`` is one."""

    volume_bars: int

    def may_fill(self, bar: Bar, not_before_ns: int) -> bool:
        """Whether the bar starts late enough."""

    def mean_volume(self, volumes: Sequence[float], n_volumes: int) -> float:
        """Mean volume of a ring of bars, NaN until it is full."""

    def enter(self, side: int, bar: Bar, qty: float, cash: float, mean_volume: float) -> QuotedFill:
        """Buy or sell short at the open, cut to what cash can pay."""

    def leave(self, bar: Bar, position: float, mean_volume: float) -> QuotedFill:
        """Close a position, below zero a short, at the open."""

    def stop(self, bar: Bar, stop_price: float, position: float, mean_volume: float) -> QuotedFill:
        """Close a position by its protective stop if the bar touches it."""

    def carry(self, cash: float, equity: float, position: float) -> float:
        """Interest of one session on idle cash, less the fee of what is sold short."""


class _Book(msgspec.Struct):
    """One symbol's account and orders."""

    cash: float
    equity: float  # at the last close
    volumes: list[float]  # ring of the last bars' volumes
    n_volumes: int = 0
    qty: float = 0.0  # below zero: sold short
    entry_price: float = math.nan
    order: Order | None = None  # waits for its bar
    not_before_ns: int = 0
    stop: Order | None = None  # rests; its `stop_price` is the present one
    last_id: str = ""  # of the last order sent
    last_ts_ns: int = 0


class _State(msgspec.Struct):
    format: str
    ts_ns: int
    session_close_ns: int
    is_session_open: bool
    books: dict[str, _Book]


class _Leg(NamedTuple):
    """Whose order is executed, and on which side."""

    client_order_id: str
    side: int


class PaperBroker:
    """A simulated venue.

    Parameters
    ----------
    symbols : sequence of str
    initial_cash : float, account currency
        Of each symbol's account.
    model : FillModel
        Prices, costs, interest.
    """

    def __init__(self, symbols: Sequence[str], *, initial_cash: float, model: FillModel) -> None:
        self._model = model
        ring = [0.0] * model.volume_bars
        self._books = {symbol: _Book(initial_cash, initial_cash, list(ring)) for symbol in symbols}
        self._ts_ns = 0
        self._session_close_ns = 0
        self._is_session_open = False

    # ---- the market

    def on_row(self, row: RowClosed) -> list[Answer]:
        """Take a row of time and tell what became of the orders.

        Raises
        ------
        DataError
            If time does not move forward, or a bar is of an unknown symbol. Nothing has changed then.
        """
        if row.ts_ns <= self._ts_ns:
            raise DataError(f"row at {row.ts_ns} does not come after the last one, at {self._ts_ns}")
        for bar in row.bars:
            if bar.symbol not in self._books:
                raise DataError(f"bar of {bar.symbol!r}: not a symbol here ({', '.join(self._books)})")
        self._ts_ns = row.ts_ns
        if self._is_session_open and row.session_close_ns != self._session_close_ns:
            self._end_session()
        self._session_close_ns, self._is_session_open = row.session_close_ns, True
        answers: list[Answer] = []
        for bar in row.bars:
            self._trade(self._books[bar.symbol], bar, answers)
        if row.ts_ns >= row.session_close_ns:
            self._end_session()
            self._is_session_open = False
        return answers

    def _trade(self, book: _Book, bar: Bar, answers: list[Answer]) -> None:
        """Settle, stop and mark one book on its bar."""
        order = book.order
        if order is not None and self._model.may_fill(bar, book.not_before_ns):
            book.order = None
            answers.append(self._fill_order(book, order, bar))
        if book.stop is not None:
            fill = self._model.stop(bar, book.stop.stop_price, book.qty, self._mean_volume(book))
            if fill.qty > 0.0:
                leg = _Leg(book.stop.client_order_id, book.stop.side)
                answers.append(self._close(book, fill, bar, leg))
        book.volumes[book.n_volumes % len(book.volumes)] = bar.volume
        book.n_volumes += 1
        book.equity = book.cash + book.qty * bar.close

    def _fill_order(self, book: _Book, order: Order, bar: Bar) -> Answer:
        """Execute or refuse an order at the open of its bar."""
        leg = _Leg(order.client_order_id, order.side)
        if _closes(order):
            if not order.side * book.qty < 0.0:
                return Rejection(*_head(leg, bar), reason="nothing to close")
            return self._close(book, self._model.leave(bar, book.qty, self._mean_volume(book)), bar, leg)
        if book.qty != 0.0:
            return Rejection(*_head(leg, bar), reason="a position is open")
        fill = self._model.enter(order.side, bar, order.qty, book.cash, self._mean_volume(book))
        if not fill.qty > 0.0:
            return Rejection(*_head(leg, bar), reason="cash below one lot")
        book.qty, book.entry_price = order.side * fill.qty, fill.price
        book.cash -= book.qty * fill.price + fill.commission
        book.stop = msgspec.structs.replace(
            order,
            client_order_id=f"{order.client_order_id}-stop",
            side=-order.side,
            qty=fill.qty,
            kind="stop",
            ts_ns=bar.ts_ns,
            stop_price=fill.price - order.side * order.stop_distance,
            status="accepted",
        )
        return _execution(leg, fill, bar)

    def _close(self, book: _Book, fill: QuotedFill, bar: Bar, leg: _Leg) -> Execution:
        """Book the end of a position; what waited or rested to close it ends with it."""
        book.cash += -leg.side * fill.qty * fill.price - fill.commission
        book.qty, book.entry_price = 0.0, math.nan
        book.order = book.stop = None
        return _execution(leg, fill, bar)

    def _mean_volume(self, book: _Book) -> float:
        """Of the bars before this one."""
        return self._model.mean_volume(book.volumes, book.n_volumes)

    def _end_session(self) -> None:
        for book in self._books.values():
            if book.n_volumes:  # an account begins with its symbol's first bar
                earned = self._model.carry(book.cash, book.equity, book.qty)
                book.cash += earned
                book.equity += earned

    # ---- orders

    def submit(self, order: Order, not_before_ns: int) -> None:
        """Take an order that waits for the first bar that starts at `not_before_ns` or later.

        An id that was sent before changes nothing, whatever has become of its order.

        Raises
        ------
        BrokerError
            If the order cannot be taken: its symbol is unknown, another order waits, it is older than the
            last one, or it is no market order of a positive quantity.
        """
        book = self._books.get(order.symbol)
        what = f"order {order.client_order_id!r}"
        if book is None:
            raise BrokerError(f"{what}: {order.symbol!r} is not traded here ({', '.join(self._books)})")
        if order.client_order_id == book.last_id:
            return
        if order.ts_ns <= book.last_ts_ns:
            raise BrokerError(f"{what} is not younger than {book.last_id!r}, which was sent before")
        if order.kind != "market" or order.side not in (1, -1) or not order.qty > 0.0:
            raise BrokerError(
                f"{what} is {order.kind!r}, side {order.side}, quantity {order.qty:g}; "
                "taken are 'market' orders, side 1 or -1, of a positive quantity"
            )
        if not order.stop_distance > 0.0 and not (_closes(order) and (order.side < 0 or book.qty < 0.0)):
            raise BrokerError(
                f"{what} has the stop distance {order.stop_distance:g}; an entry needs a positive one"
            )
        if book.order is not None:
            raise BrokerError(f"{what}: {book.order.client_order_id!r} still waits; cancel it first")
        book.order = msgspec.structs.replace(order, status="accepted")
        book.not_before_ns = not_before_ns
        book.last_id, book.last_ts_ns = order.client_order_id, order.ts_ns

    def move_stop(self, client_order_id: str, stop_price: float) -> None:
        """Move a resting protective stop.

        Raises
        ------
        BrokerError
            If no such stop rests here.
        """
        for book in self._books.values():
            if book.stop is not None and book.stop.client_order_id == client_order_id:
                book.stop = msgspec.structs.replace(book.stop, stop_price=stop_price)
                return
        raise BrokerError(f"no stop {client_order_id!r} rests here; it may have been executed")

    def postpone(self, client_order_id: str, not_before_ns: int) -> None:
        """Let a waiting order wait on; one that is gone stays gone."""
        book = self._waiting(client_order_id)
        if book is not None:
            book.not_before_ns = not_before_ns

    def cancel(self, client_order_id: str) -> None:
        """Take back a waiting order; one that is gone stays gone."""
        book = self._waiting(client_order_id)
        if book is not None:
            book.order = None

    def _waiting(self, client_order_id: str) -> _Book | None:
        for book in self._books.values():
            if book.order is not None and book.order.client_order_id == client_order_id:
                return book
        return None

    def open_orders(self) -> list[Order]:
        """Orders that wait or rest, with the present price of a stop."""
        return [
            order for book in self._books.values() for order in (book.order, book.stop) if order is not None
        ]

    def positions(self) -> list[Position]:
        """What is held of each symbol, flat ones included, and the money beside it."""
        return [
            Position(
                symbol=symbol,
                ts_ns=self._ts_ns,
                qty=book.qty,
                entry_price=book.entry_price,
                stop_price=math.nan if book.stop is None else book.stop.stop_price,
                cash=book.cash,
                equity=book.equity,
            )
            for symbol, book in self._books.items()
        ]

    # ---- state

    def save(self) -> bytes:
        """State of everything; `restore` continues to the bit."""
        state = _State(_FORMAT, self._ts_ns, self._session_close_ns, self._is_session_open, self._books)
        return seal(msgspec.msgpack.encode(state))

    def restore(self, saved: bytes) -> None:
        """Take up the state of `save`.

        Raises
        ------
        StoreError
            If it is not a state of a paper broker with these symbols.
        """
        try:
            state = msgspec.msgpack.decode(unseal(saved, "the paper broker"), type=_State)
        except msgspec.DecodeError as error:
            raise StoreError(f"the saved state of the paper broker cannot be read: {error}") from None
        if state.format != _FORMAT:
            raise StoreError(f"the saved state of the paper broker is {state.format!r}, must be {_FORMAT!r}")
        _check_symbols(state.books, self._books)
        self._books = {symbol: state.books[symbol] for symbol in self._books}
        self._ts_ns = state.ts_ns
        self._session_close_ns = state.session_close_ns
        self._is_session_open = state.is_session_open


def _check_symbols(saved: Mapping[str, _Book], own: Mapping[str, _Book]) -> None:
    if set(saved) != set(own):
        raise StoreError(
            f"the saved state of the paper broker has the symbols {', '.join(saved)}; "
            f"this one trades {', '.join(own)}"
        )


def _closes(order: Order) -> bool:
    """Whether an order is to close a position: an entry says how far its stop is."""
    return math.isnan(order.stop_distance)


def _head(leg: _Leg, bar: Bar) -> tuple[str, str, int]:
    return leg.client_order_id, bar.symbol, bar.ts_ns


def _execution(leg: _Leg, fill: QuotedFill, bar: Bar) -> Execution:
    return Execution(*_head(leg, bar), leg.side, fill.qty, fill.price, fill.commission, fill.reference)
