"""The internal paper broker: a venue without a market, that fills our orders on the bars we see.

Each symbol has a book of its own: position, the order that waits or rests, the stop and the target of what is
held; money is in an account of its own, or in one that all symbols share. An entry is a bracket: its first
fill leaves a protective stop and, where it says so, a target, live in the same bar, with the entry's id and
``-stop``, ``-target``; one cancels the other, and whatever closes the position ends both. An order with a
stop distance is an entry, one without closes what is held. Prices, quantities, commissions, interest and
borrow fees come from a fill model that is handed in, so that the venue of a backtest and this one are one.

Within a row the order of things is a backtest's: the end of a session whose last row never came, the orders
of all symbols, all stops and targets, orders at the close, the mark to the close, the end of the session.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from ..engine.errors import BrokerError, DataError, StoreError
from ..engine.records import (
    ACCOUNT,
    Answer,
    Bar,
    Execution,
    Holding,
    Order,
    Position,
    Reached,
    Rejection,
    RowClosed,
    Working,
)
from ..engine.sealed import seal, unseal

_FORMAT = "paper broker/3"
_N_REMEMBERED = 16  # ids of the last orders, so that an order sent twice is known for one
_KINDS = ("market", "limit", "stop entry", "stop limit")


class QuotedFill(Protocol):
    """What a fill model answers; a quantity of zero means that nothing was executed."""

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

    @property
    def holding(self) -> Holding:
        """What is held after it."""

    @property
    def cash(self) -> float:
        """Cash after it."""

    @property
    def working(self) -> Working | None:
        """What is left of the order."""

    @property
    def moment(self) -> str:
        """Of the bar: open, within or close."""

    @property
    def leg(self) -> str:
        """Of an exit: stop, target, or none that was reached."""

    @property
    def is_missed(self) -> bool:
        """Whether the bar misses fills."""


class FillModel(Protocol):
    """What decides prices and costs; ``engine.fill_model.FillModel`` is one."""

    volume_bars: int
    at_close: bool

    def may_fill(self, bar: Bar, not_before_ns: int) -> bool:
        """Whether the bar starts late enough."""

    def mean_volume(self, volumes: Sequence[float], n_volumes: int) -> float:
        """Mean volume of a ring of bars, NaN until it is full."""

    def settle(
        self, working: Working, holding: Holding, bar: Bar, cash: float, mean_volume: float, *, at_close: bool
    ) -> QuotedFill:
        """Execute an order that acts in this bar."""

    def protect(
        self, working: Working | None, holding: Holding, bar: Bar, cash: float, mean_volume: float
    ) -> QuotedFill:
        """Execute the protective stop or the target, if the bar reaches one."""

    def carry(self, cash: float, equity: float, position: float) -> float:
        """Interest of one session on idle cash, less the fee of what is sold short."""

    def carry_shared(self, cash: float, short_value: float) -> float:
        """`carry` of an account that several symbols share."""


class _Account(msgspec.Struct):
    cash: float
    equity: float  # at the last close


class _Book(msgspec.Struct):
    """One symbol's position and orders."""

    volumes: list[float]  # ring of the last bars' volumes
    n_volumes: int = 0
    close: float = math.nan  # last one
    holding: Holding = Holding()
    working: Working | None = None  # waits or rests
    stop: Order | None = None  # rests; its `stop_price` is the present one
    target: Order | None = None  # rests; its `limit_price` is the present one
    entry: Order | None = None  # of what is held
    sent: list[str] = []  # ids of the last orders
    last_ts_ns: int = 0


class _State(msgspec.Struct):
    format: str
    ts_ns: int
    session_close_ns: int
    is_session_open: bool
    accounts: dict[str, _Account]
    books: dict[str, _Book]


class PaperBroker:
    """A simulated venue.

    Parameters
    ----------
    symbols : sequence of str
    initial_cash : float, account currency
        Of each account.
    model : FillModel
        Prices, costs, interest.
    account : "own" or "shared"
        Every symbol its own account, or one for all.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        initial_cash: float,
        model: FillModel,
        account: Literal["own", "shared"] | str = "own",
    ) -> None:
        self._model = model
        self._is_shared = account == "shared"
        ring = [0.0] * model.volume_bars
        self._books = {symbol: _Book(list(ring)) for symbol in symbols}
        names = [ACCOUNT] if self._is_shared else list(symbols)
        self._accounts = {name: _Account(initial_cash, initial_cash) for name in names}
        self._ts_ns = 0
        self._session_close_ns = 0
        self._is_session_open = False

    def _account(self, symbol: str) -> _Account:
        return self._accounts[ACCOUNT if self._is_shared else symbol]

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
        steps: tuple[Callable[[_Book, Bar, list[Answer]], None], ...]
        steps = (self._trade, self._protect, self._trade_at_close)
        for step in steps if self._model.at_close else steps[:2]:
            for bar in row.bars:
                step(self._books[bar.symbol], bar, answers)
        for bar in row.bars:
            self._mark(self._books[bar.symbol], bar)
        if self._is_shared and row.bars:
            self._value()
        if row.ts_ns >= row.session_close_ns:
            self._end_session()
            self._is_session_open = False
        return answers

    def _trade(self, book: _Book, bar: Bar, answers: list[Answer]) -> None:
        """Settle an order that acts in this bar; one at the close must wait for it."""
        working = book.working
        if working is None:
            return
        wait = max(working.wait - 1, 0)
        if working.wait < 0:
            wait = working.delay_bars if self._model.may_fill(bar, working.not_before_ns) else -1
        if wait != working.wait:
            working = book.working = msgspec.structs.replace(working, wait=wait)
        if wait == 0 and not (self._model.at_close and working.kind == "market"):
            self._settle(book, working, bar, answers, at_close=False)

    def _trade_at_close(self, book: _Book, bar: Bar, answers: list[Answer]) -> None:
        working = book.working
        if working is not None and working.wait == 0 and working.kind == "market":
            self._settle(book, working, bar, answers, at_close=True)

    def _settle(
        self, book: _Book, working: Working, bar: Bar, answers: list[Answer], *, at_close: bool
    ) -> None:
        """Execute or refuse an order."""
        order, held = working.order, book.holding.qty
        if reason := _refusal(working, held):
            book.working = None
            answers.append(Rejection(*_head(order, bar), reason=reason))
            return
        account = self._account(bar.symbol)
        fill = self._model.settle(
            working, book.holding, bar, account.cash, self._mean_volume(book), at_close=at_close
        )
        left = book.working = fill.working
        if left is not None and left.kind != working.kind:
            answers.append(Reached(*_head(order, bar)))
        if fill.qty > 0.0:
            account.cash, book.holding = fill.cash, fill.holding
            if _opens(order):
                self._rest(book, order, bar)
            elif fill.holding.qty == 0.0:
                book.stop = book.target = book.entry = None
            answers.append(_execution(order, fill, bar, left=0.0 if left is None else left.left))
        elif left is None:
            reason = "the bar misses fills" if fill.is_missed else "cash below one lot"
            answers.append(Rejection(*_head(order, bar), reason=reason))

    def _rest(self, book: _Book, entry: Order, bar: Bar) -> None:
        """The bracket that an entry leaves: made by its first fill, enlarged by the others."""
        book.entry = entry
        held = book.holding
        if book.stop is None:
            book.stop = _leg(entry, "stop", bar.ts_ns)
            if not math.isnan(held.target):
                book.target = _leg(entry, "target", bar.ts_ns)
        size = abs(held.qty)
        book.stop = msgspec.structs.replace(book.stop, qty=size, stop_price=held.stop)
        if book.target is not None:
            book.target = msgspec.structs.replace(book.target, qty=size, limit_price=held.target)

    def _protect(self, book: _Book, bar: Bar, answers: list[Answer]) -> None:
        """Execute the stop or the target, if the bar reaches one."""
        held = book.holding
        if not _touches(held, bar):  # most bars; the model says the same
            return
        account = self._account(bar.symbol)
        fill = self._model.protect(book.working, held, bar, account.cash, self._mean_volume(book))
        leg = {"stop": book.stop, "target": book.target}.get(fill.leg)
        if leg is None:
            return
        account.cash, book.holding = fill.cash, fill.holding
        left = abs(fill.holding.qty)
        if fill.qty > 0.0:
            answers.append(_execution(leg, fill, bar, left=left if fill.leg == "target" else 0.0))
        else:
            answers.append(Reached(*_head(leg, bar)))
        is_entry = book.working is not None and _opens(book.working.order)
        if fill.leg == "stop" or left == 0.0 or is_entry:
            book.working = None  # what is being sold is not bought on, nor twice
        if fill.leg == "stop" or left == 0.0:
            book.stop = book.target = book.entry = None

    def _mark(self, book: _Book, bar: Bar) -> None:
        book.volumes[book.n_volumes % len(book.volumes)] = bar.volume
        book.n_volumes += 1
        book.close = bar.close
        if book.holding.traded or book.holding.moment != "open":
            book.holding = msgspec.structs.replace(book.holding, moment="open", reference=0.0, traded=0.0)
        if not self._is_shared:
            account = self._accounts[bar.symbol]
            account.equity = account.cash + book.holding.qty * bar.close

    def _value(self) -> None:
        """Value the shared account, each symbol at its last close, in their order."""
        account = self._accounts[ACCOUNT]
        equity = account.cash
        for book in self._books.values():
            if book.n_volumes:
                equity += book.holding.qty * book.close
        account.equity = equity

    def _mean_volume(self, book: _Book) -> float:
        """Of the bars before this one."""
        return self._model.mean_volume(book.volumes, book.n_volumes)

    def _end_session(self) -> None:
        """Interest and fees, and the end of orders for the day that could have been filled in it."""
        if self._is_shared:
            self._carry_shared()
        for symbol, book in self._books.items():
            if book.n_volumes and not self._is_shared:  # an account begins with its symbol's first bar
                account = self._accounts[symbol]
                earned = self._model.carry(account.cash, account.equity, book.holding.qty)
                account.cash += earned
                account.equity += earned
            working = book.working
            if working is not None and working.order.good_for_day and working.wait == 0:
                book.working = None

    def _carry_shared(self) -> None:
        if not any(book.n_volumes for book in self._books.values()):
            return
        short_value = 0.0
        for book in self._books.values():
            if book.n_volumes:
                short_value += max(-book.holding.qty, 0.0) * book.close
        account = self._accounts[ACCOUNT]
        earned = self._model.carry_shared(account.cash, short_value)
        account.cash += earned
        account.equity += earned

    # ---- orders

    def submit(self, order: Order, not_before_ns: int, delay_bars: int = 0) -> None:
        """Take an order that waits for the first bar that starts at `not_before_ns` or later.

        From then on it lets `delay_bars` bars pass, and acts on every bar until it is filled or cancelled. An
        id that was sent before changes nothing, whatever has become of its order.

        Raises
        ------
        BrokerError
            If the order cannot be taken: its symbol is unknown, another order is at work, it is older than
            the last one, it is of an unknown kind, or an entry comes without a protective stop.
        """
        book = self._books.get(order.symbol)
        what = f"order {order.client_order_id!r}"
        if book is None:
            raise BrokerError(f"{what}: {order.symbol!r} is not traded here ({', '.join(self._books)})")
        if order.client_order_id in book.sent:
            return
        if order.ts_ns < book.last_ts_ns:
            raise BrokerError(f"{what} is older than {book.sent[-1]!r}, which was sent before")
        if order.kind not in _KINDS or order.side not in (1, -1) or not order.qty > 0.0:
            raise BrokerError(
                f"{what} is {order.kind!r}, side {order.side}, quantity {order.qty:g}; "
                f"taken are {', '.join(map(repr, _KINDS))}, side 1 or -1, of a positive quantity"
            )
        prices = {"limit": order.limit_price, "stop": order.trigger_price}
        if missing := [word for word, price in prices.items() if word in order.kind and not price > 0.0]:
            raise BrokerError(f"{what} is {order.kind!r}, but has no {missing[0]} price")
        closes = math.isnan(order.stop_distance) and order.kind == "market"
        if not order.stop_distance > 0.0 and not (closes and (order.side < 0 or book.holding.qty < 0.0)):
            raise BrokerError(
                f"{what} has the stop distance {order.stop_distance:g}; an entry needs a positive one"
            )
        if book.working is not None:
            name = book.working.order.client_order_id
            raise BrokerError(f"{what}: {name!r} still waits; cancel it first")
        taken = msgspec.structs.replace(order, status="accepted")
        book.working = Working(taken, order.qty, order.kind, not_before_ns, delay_bars)
        book.sent = [*book.sent, order.client_order_id][-_N_REMEMBERED:]
        book.last_ts_ns = order.ts_ns

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
                book.holding = msgspec.structs.replace(book.holding, stop=stop_price)
                return
        raise BrokerError(f"no stop {client_order_id!r} rests here; it may have been executed")

    def move_target(self, client_order_id: str, target_price: float) -> None:
        """Move the target of what is held, or make one.

        Raises
        ------
        BrokerError
            If nothing is held that it could be the target of.
        """
        for book in self._books.values():
            entry = book.entry
            if entry is not None and client_order_id == f"{entry.client_order_id}-target":
                target = _leg(entry, "target", self._ts_ns) if book.target is None else book.target
                size = abs(book.holding.qty)
                book.target = msgspec.structs.replace(target, qty=size, limit_price=target_price)
                book.holding = msgspec.structs.replace(book.holding, target=target_price)
                return
        raise BrokerError(f"nothing is held here that {client_order_id!r} is the target of")

    def postpone(self, client_order_id: str, not_before_ns: int) -> None:
        """Let a waiting order wait on; one that is gone stays gone."""
        book = self._book_of(client_order_id)
        if book is not None and book.working is not None:
            book.working = msgspec.structs.replace(book.working, not_before_ns=not_before_ns)

    def cancel(self, client_order_id: str) -> None:
        """Take back an order that waits or rests; one that is gone stays gone."""
        book = self._book_of(client_order_id)
        if book is not None:
            book.working = None

    def _book_of(self, client_order_id: str) -> _Book | None:
        for book in self._books.values():
            if book.working is not None and book.working.order.client_order_id == client_order_id:
                return book
        return None

    def open_orders(self) -> list[Order]:
        """Orders that wait or rest, with the present prices of stops and targets."""
        orders = (
            (None if book.working is None else book.working.order, book.stop, book.target)
            for book in self._books.values()
        )
        return [order for own in orders for order in own if order is not None]

    def positions(self) -> list[Position]:
        """What is held of each symbol, flat ones included, and the money of the account that pays for it."""
        return [
            Position(
                symbol=symbol,
                ts_ns=self._ts_ns,
                qty=book.holding.qty,
                entry_price=book.holding.entry_price,
                stop_price=book.holding.stop,
                cash=self._account(symbol).cash,
                equity=self._account(symbol).equity,
            )
            for symbol, book in self._books.items()
        ]

    # ---- state

    def save(self) -> bytes:
        """State of everything; `restore` continues to the bit."""
        state = _State(
            _FORMAT,
            self._ts_ns,
            self._session_close_ns,
            self._is_session_open,
            self._accounts,
            self._books,
        )
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
        if set(state.accounts) != set(self._accounts):
            raise StoreError("the saved state of the paper broker has other accounts than this one")
        self._books = {symbol: state.books[symbol] for symbol in self._books}
        self._accounts = {name: state.accounts[name] for name in self._accounts}
        self._ts_ns = state.ts_ns
        self._session_close_ns = state.session_close_ns
        self._is_session_open = state.is_session_open


def _check_symbols(saved: Mapping[str, _Book], own: Mapping[str, _Book]) -> None:
    if set(saved) != set(own):
        raise StoreError(
            f"the saved state of the paper broker has the symbols {', '.join(saved)}; "
            f"this one trades {', '.join(own)}"
        )


def _opens(order: Order) -> bool:
    """Whether an order is an entry: it says how far its stop is."""
    return not math.isnan(order.stop_distance)


def _refusal(working: Working, held: float) -> str:
    """Why an order cannot be executed at all; empty where it can."""
    order = working.order
    if not _opens(order):
        return "" if order.side * held < 0.0 else "nothing to close"
    is_begun = working.left < order.qty  # then what is held is its own
    return "a position is open" if held != 0.0 and not is_begun else ""


def _touches(held: Holding, bar: Bar) -> bool:
    if held.qty > 0.0:
        return bar.low <= held.stop or bar.high >= held.target
    return held.qty < 0.0 and (bar.high >= held.stop or bar.low <= held.target)


def _leg(entry: Order, kind: str, ts_ns: int) -> Order:
    """The stop or the target that an entry leaves behind."""
    return Order(
        client_order_id=f"{entry.client_order_id}-{kind}",
        symbol=entry.symbol,
        side=-entry.side,
        qty=0.0,
        kind=kind,
        ts_ns=ts_ns,
        reason="",
        stop_price=math.nan,
        stop_distance=entry.stop_distance if kind == "stop" else math.nan,
        mode=entry.mode,
        status="accepted",
    )


def _head(order: Order, bar: Bar) -> tuple[str, str, int]:
    return order.client_order_id, bar.symbol, bar.ts_ns


def _execution(order: Order, fill: QuotedFill, bar: Bar, *, left: float) -> Execution:
    return Execution(
        *_head(order, bar),
        order.side,
        fill.qty,
        fill.price,
        fill.commission,
        fill.reference,
        left=left,
        moment=fill.moment,  # type: ignore[arg-type]
    )
