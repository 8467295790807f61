"""One account of one or more symbols in plain Python: what a bar and the end of a session do to it.

The steps stand in the order in which a bar takes them; `event_loop.py` calls them. Guards, decisions and
sizes are in `deciding.py`.
"""

import math
from collections.abc import Sequence

from fluxhero.tests.oracles.book import Book
from fluxhero.tests.oracles.coarse_bars import Bar
from fluxhero.tests.oracles.fills_by_table import (
    CLOSE,
    OPEN,
    Touch,
    exit_touch,
    facing,
    limit_touch,
    misses_fills,
    stop_limit_touch,
    stop_touch,
    to_tick,
)
from fluxhero.tests.oracles.performance import performance
from fluxhero.tests.oracles.trading_records import DRAWDOWN, REST_OF_STOP, Fill, Order, Position, Trade
from fluxhero.tests.oracles.trading_settings import Costs, Execution, Risk


class Account:
    """Money and books, and what happens to them."""

    def __init__(
        self,
        books: Sequence[Book],
        *,
        costs: Costs,
        risk: Risk,
        execution: Execution,
        cash: float,
        sessions_per_year: int,
    ) -> None:
        self.books = books
        self.costs = costs
        self.risk = risk
        self.execution = execution
        self.sessions_per_year = sessions_per_year
        self.initial_cash = cash
        self.cash = cash
        self.peak = cash  # of all time, for the metric
        self.guarded_peak = cash  # of the guards; begins anew after a halt
        self.max_drawdown = 0.0
        self.halt = 0  # the reason of the halt, 0: none
        self.halt_sessions_left: int | None = None
        self.session_start_equity = cash
        self.session_returns: list[float] = []
        self.n_bars = 0
        self.n_bars_held = 0
        self.pnls: list[float] = []
        self.borrow_fees: list[float] = []
        self.equity_curve: list[float] = []
        self.cash_curve: list[float] = []
        self.cash_per_session = per_session(risk.cash_rate, sessions_per_year)
        self.borrow_per_session = per_session(costs.borrow_rate, sessions_per_year)

    @property
    def equity(self) -> float:
        equity = self.cash
        for book in self.books:
            equity += book.position.qty * book.last_close
        return equity

    # -- 1. and 3. orders -------------------------------------------------------------------------

    def begin_bar(self, book: Book, *, is_late_enough: bool) -> None:
        """See which order acts on this bar; `is_late_enough`: the delay in seconds is over."""
        book.entered, book.traded_qty = None, 0.0
        order = book.order
        if order is None:
            return
        order.has_begun = order.has_begun or is_late_enough
        order.acts = order.has_begun and order.bars_to_pass == 0
        if order.has_begun and order.bars_to_pass > 0:
            order.bars_to_pass -= 1

    def act_in_bar(self, book: Book, ts_ns: int, bar: Bar) -> None:
        """The working order against the bar; market orders only if they are filled at the open."""
        order = book.order
        if order is None or not order.acts:
            return
        if order.is_at_market:
            if self.execution.timing == "open":
                self._act_at_market(book, order, ts_ns, bar, Touch(bar.open, OPEN))
            return
        was_triggered, seen = order.is_triggered, facing(bar, order.side)
        touch = self._touch(order, seen)
        if touch is not None:
            is_limit = order.trigger is None or was_triggered
            self._enter(book, order, ts_ns, bar, touch, order.side * touch.price, is_limit=is_limit)

    def act_at_close(self, book: Book, ts_ns: int, bar: Bar) -> None:
        order = book.order
        is_due = order is not None and order.acts and order.is_at_market
        if is_due and self.execution.timing == "close":
            assert order is not None
            self._act_at_market(book, order, ts_ns, bar, Touch(bar.close, CLOSE))

    def _act_at_market(self, book: Book, order: Order, ts_ns: int, bar: Bar, touch: Touch) -> None:
        if order.opens:
            seen = Touch(order.side * touch.price, touch.way)
            self._enter(book, order, ts_ns, bar, seen, touch.price)
            return
        qty = min(abs(book.position.qty), self._cap(book, bar))
        if qty > 0.0:
            order.filled_qty = book.sum_of(order.filled_qty, qty)
            self._exit(book, ts_ns, touch.price, qty, "market", order.reason, pays_slippage=True)
            book.was_stopped_out = book.was_stopped_out or order.is_rest_of_stop
        if book.position.qty == 0.0:  # a target may have sold a part of it before
            book.drop_order("filled" if book.rest_of(order) == 0.0 else "cut")

    def _touch(self, order: Order, seen: Bar) -> Touch | None:
        """Where a resting entry is filled, as its side sees the bar."""
        limit = None if order.limit is None else order.side * order.limit
        trigger = None if order.trigger is None else order.side * order.trigger
        if trigger is None:
            assert limit is not None
            return limit_touch(seen, limit, self.execution)
        was_triggered, order.is_triggered = order.is_triggered, order.is_triggered or seen.high >= trigger
        if limit is None:
            return stop_touch(seen, trigger)
        if was_triggered:
            return limit_touch(seen, limit, self.execution)
        return stop_limit_touch(seen, trigger, limit, self.execution)

    def _enter(
        self,
        book: Book,
        order: Order,
        ts_ns: int,
        bar: Bar,
        seen: Touch,
        reference: float,
        *,
        is_limit: bool = False,
    ) -> None:
        """Buy or sell short, as much as the bar allows and the account can pay."""
        qty = min(book.rest_of(order), self._cap(book, bar))
        if qty <= 0.0:
            return
        if misses_fills(book.symbol, ts_ns, self.execution):
            book.drop_order("missed")
            return
        price = reference if is_limit else self._entry_price(book, order, reference, qty)
        wanted, qty = qty, min(qty, self._affordable(book, price))
        if qty > 0.0:
            self._book_entry(book, order, ts_ns, qty, price, reference)
            if book.entered is None and len(book.fills_of_trade) == 1:
                book.entered = seen
        if qty < wanted:  # what the money does not pay for is dropped
            book.drop_order("cut" if order.filled_qty > 0.0 else "dropped")
        elif book.rest_of(order) == 0.0:
            book.drop_order("filled")

    def _entry_price(self, book: Book, order: Order, reference: float, qty: float) -> float:
        price = reference * (1.0 + order.side * self._slippage(book, qty))
        if order.limit is None:
            return price
        return min(price, order.limit) if order.side > 0 else max(price, order.limit)

    def _book_entry(
        self, book: Book, order: Order, ts_ns: int, qty: float, price: float, reference: float
    ) -> None:
        commission = self._commission(qty, price)
        self.cash -= commission
        self.cash -= order.side * qty * price
        order.filled_qty = book.sum_of(order.filled_qty, qty)
        held, position = abs(book.position.qty), book.position
        if held == 0.0:
            stop = to_tick(price - order.side * order.stop_distance, self.execution)
            target = math.nan
            if order.target_distance is not None:
                target = to_tick(price + order.side * order.target_distance, self.execution)
            book.position = Position(order.side * qty, price, stop, price, price, order.mode, target)
            book.trailing_distance = order.trailing_distance
        else:  # stop and target stay where the first fill put them
            position.entry_price = (held * position.entry_price + qty * price) / (held + qty)
            position.qty = order.side * book.sum_of(held, qty)
        self._write(book, ts_ns, order.side, qty, price, reference, commission, order.kind, order.reason)

    # -- 2. exits ---------------------------------------------------------------------------------

    def act_on_exits(self, book: Book, ts_ns: int, bar: Bar) -> None:
        """Protective stop and target against the bar; at most one of them acts."""
        position, side = book.position, book.position.side
        if position.qty == 0.0:
            return
        misses = misses_fills(book.symbol, ts_ns, self.execution)
        target = math.nan if misses else side * position.target
        found = exit_touch(facing(bar, side), book.entered, side * position.stop, target, self.execution)
        if found is None:
            return
        kind, reference = found[0], side * found[1]
        qty = min(abs(position.qty), self._cap(book, bar))
        if book.order is not None and book.order.opens:
            book.drop_order("cancelled")  # the rest of the entry, whether or not the bar had volume left
        if qty > 0.0:
            self._exit(book, ts_ns, reference, qty, kind, 0, pays_slippage=kind == "stop")
        if kind == "stop":
            book.was_stopped_out = True
        if book.order is not None and (kind == "stop" or book.position.qty == 0.0):
            book.drop_order("cancelled")  # a working exit has nothing left to close
        if kind == "stop" and book.position.qty != 0.0:  # the stop has become a market order
            position.stop = position.target = math.nan
            book.trailing_distance = None
            rest = Order(-side, abs(position.qty), ts_ns, REST_OF_STOP, has_begun=True)
            rest.is_rest_of_stop = True
            book.order = rest

    def _exit(
        self,
        book: Book,
        ts_ns: int,
        reference: float,
        qty: float,
        kind: str,
        reason: int,
        *,
        pays_slippage: bool,
    ) -> None:
        """Sell what was bought, or buy back what was sold short."""
        side = -book.position.side
        slippage = self._slippage(book, qty) if pays_slippage else 0.0
        price = reference * (1.0 + side * slippage)
        commission = self._commission(qty, price)
        self.cash -= side * qty * price
        self.cash -= commission
        self._write(book, ts_ns, side, qty, price, reference, commission, kind, reason)
        book.position.qty = book.sum_of(book.position.qty, side * qty)
        if book.position.qty == 0.0:
            self._close_trade(book)

    def _close_trade(self, book: Book) -> None:
        fills, book.fills_of_trade = book.fills_of_trade, []
        side = fills[0].side
        trade = Trade(
            tuple(fill for fill in fills if fill.side == side),
            tuple(fill for fill in fills if fill.side != side),
            book.position.mode,
        )
        book.tables.trades.append(trade)
        self.pnls.append(trade.pnl)
        book.position = Position()
        book.trailing_distance = None

    # -- prices and costs of fills ----------------------------------------------------------------

    def _write(
        self,
        book: Book,
        ts_ns: int,
        side: int,
        qty: float,
        price: float,
        reference: float,
        commission: float,
        kind: str,
        reason: int,
    ) -> None:
        slippage = qty * abs(price - reference)
        fill = Fill(ts_ns, side, qty, price, commission, slippage, kind, reason, book.n_bars)
        book.tables.fills.append(fill)
        book.fills_of_trade.append(fill)
        book.traded_qty = book.sum_of(book.traded_qty, qty)

    def _cap(self, book: Book, bar: Bar) -> float:
        """The most that a further fill may take of a bar."""
        if self.execution.participation is None or math.isnan(book.mean_volume):
            return math.inf
        allowed = book.whole_lots(self.execution.participation * bar.volume)
        return max(book.sum_of(allowed, -book.traded_qty), 0.0)

    def _slippage(self, book: Book, qty: float) -> float:
        """Fraction of the price; a large order moves the market, if we know what is large."""
        costs, slippage = self.costs, self.costs.slippage
        if not math.isnan(book.mean_volume):
            usual = costs.impact_participation * book.mean_volume
            if costs.impact_model == "square_root":
                slippage += costs.impact * math.sqrt(qty / usual)
            elif qty > usual:
                slippage += costs.impact
        return min(slippage * self.execution.cost_multiple, 1.0)

    def _commission(self, qty: float, price: float) -> float:
        costs = self.costs
        own = qty * (costs.commission_per_share + costs.commission_rate * price) + costs.commission_per_order
        return own * self.execution.cost_multiple

    def _affordable(self, book: Book, price: float) -> float:
        """Either way an entry must have the money for all of it."""
        costs, multiple = self.costs, self.execution.cost_multiple
        per_unit = price + (costs.commission_per_share + costs.commission_rate * price) * multiple
        return book.whole_lots((self.cash - costs.commission_per_order * multiple) / per_unit)

    # -- 4. mark ----------------------------------------------------------------------------------

    def mark(self, book: Book, bar: Bar) -> None:
        book.last_close = bar.close
        book.volumes.append(bar.volume)
        book.n_bars += 1
        position = book.position
        if position.qty == 0.0:
            return
        # Of the bar of an entry within it, or at its close, nothing is known to come after it but the close.
        is_whole = book.entered is None or book.entered.way == OPEN
        position.highest_high = max(position.highest_high, bar.high if is_whole else bar.close)
        position.lowest_low = min(position.lowest_low, bar.low if is_whole else bar.close)
        if book.trailing_distance is not None:
            side = position.side
            best = position.highest_high if side > 0 else position.lowest_low
            self.tighten(position, best - side * book.trailing_distance)

    def tighten(self, position: Position, stop: float) -> None:
        """Move a stop in the position's favour, never back."""
        stop = to_tick(stop, self.execution)
        nearer = max if position.side > 0 else min
        position.stop = stop if math.isnan(position.stop) else nearer(position.stop, stop)

    def mark_account(self) -> None:
        """After the marks of all symbols that have a bar."""
        self.n_bars += 1
        self.n_bars_held += any(book.position.qty != 0.0 for book in self.books)
        self._measure_drawdown()

    def _measure_drawdown(self) -> None:
        self.peak = max(self.peak, self.equity)
        self.guarded_peak = max(self.guarded_peak, self.equity)
        self.max_drawdown = min(self.max_drawdown, self.equity / self.peak - 1.0)

    # -- 8. end of a session ----------------------------------------------------------------------

    def end_session(self) -> None:
        interest, fee = self._session_interest, self._session_fee
        self.cash += interest - fee
        self.borrow_fees.append(fee)
        for book in self.books:
            order = book.order
            if order is not None and order.is_day and order.acts:
                book.drop_order("expired")
            book.n_entries = 0
        self.session_returns.append(self._return_at(self.equity))
        self.session_start_equity = self.equity
        self._measure_drawdown()  # interest can make a new peak
        self._count_down_halt()

    def _count_down_halt(self) -> None:
        if not self.halt or self.halt_sessions_left is None:
            return
        self.halt_sessions_left -= 1
        if self.halt_sessions_left == 0:
            if self.halt == DRAWDOWN:
                self.guarded_peak = self.equity
            self.halt = 0

    @property
    def _session_interest(self) -> float:
        """On idle cash: what a short sale brought in is not ours to lend, nor is what is lost already."""
        return max(self.cash - self._borrowed, 0.0) * self.cash_per_session

    @property
    def _session_fee(self) -> float:
        """For what was borrowed to be sold."""
        return self._borrowed * self.borrow_per_session * self.execution.cost_multiple

    @property
    def _borrowed(self) -> float:
        """What is sold short, at the last closes."""
        return math.fsum(max(-book.position.qty, 0.0) * book.last_close for book in self.books)

    def _return_at(self, equity: float) -> float:
        """Of the session; none where it began with nothing left."""
        start = self.session_start_equity
        return equity / start - 1.0 if start > 0.0 else 0.0

    # -- what is told of it -----------------------------------------------------------------------

    def record(self) -> None:
        self.equity_curve.append(self.equity)
        self.cash_curve.append(self.cash)
        for book in self.books:
            book.record()

    def metrics(self, *, is_session_open: bool) -> dict[str, float]:
        returns = list(self.session_returns)
        if is_session_open:  # counts in what is read out, as if it ended now: with its interest
            returns.append(self._return_at(self.equity + self._session_interest - self._session_fee))
        fills = [fill for book in self.books for fill in book.tables.fills]
        return {
            "final_equity": self.equity,
            "total_return": self.equity / self.initial_cash - 1.0,
            "max_drawdown": self.max_drawdown,
            "exposure": self.n_bars_held / self.n_bars if self.n_bars else math.nan,
            "costs_paid": math.fsum(fill.commission + fill.slippage for fill in fills)
            + math.fsum(self.borrow_fees),
            **performance(
                returns,
                self.pnls,
                sessions_per_year=self.sessions_per_year,
                risk_free_rate=per_session(self.risk.risk_free_rate, self.sessions_per_year),
            ),
        }


def per_session(annual_rate: float, sessions_per_year: int) -> float:
    """Rate r with ``(1 + r) ** sessions_per_year == 1 + annual_rate``."""
    return math.expm1(math.log1p(annual_rate) / sessions_per_year)
