"""What guards, rules and limits make of an account: its orders."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fluxhero.tests.oracles.account import Account
from fluxhero.tests.oracles.book import Book
from fluxhero.tests.oracles.coarse_bars import Bar
from fluxhero.tests.oracles.fills_by_table import to_tick
from fluxhero.tests.oracles.sizes import Funds, Holding, Wish, annual_volatility, size_entry, sizing_of
from fluxhero.tests.oracles.trading_records import DAILY_LOSS, DRAWDOWN, Decision, Intent, Order


@dataclass(frozen=True)
class Request:
    """An entry that nothing stands against but its size."""

    book: Book
    ts_ns: int
    bar: Bar
    intent: Intent
    order: Order
    decision: Decision


class DecidingAccount(Account):
    """An account whose rules are asked."""

    # -- 5. guard ---------------------------------------------------------------------------------

    def guard(self, ts_ns: int) -> None:
        before = self.halt
        if before == DRAWDOWN:
            return
        if self._has_fallen(self.risk.drawdown_halt, self.guarded_peak):
            self.halt, self.halt_sessions_left = DRAWDOWN, self.risk.halt_sessions
        elif not before and self._has_fallen(self.risk.daily_loss, self.session_start_equity):
            self.halt, self.halt_sessions_left = DAILY_LOSS, 1
        if self.halt != before:
            for book in self.books:
                self._wind_up(book, ts_ns)

    def _has_fallen(self, share: float | None, start: float) -> bool:
        return share is not None and self.equity <= (1.0 - share) * start

    def _wind_up(self, book: Book, ts_ns: int) -> None:
        if book.order is not None and book.order.opens:
            book.drop_order("cancelled")
        if book.position.qty != 0.0 and book.order is None:
            self._send_exit(book, ts_ns, self.halt).has_begun = True

    # -- 6. decide --------------------------------------------------------------------------------

    def decide(self, book: Book, ts_ns: int, bar: Bar) -> Request | None:
        """Ask the rule and do what it says, but for an entry's size."""
        was_stopped_out, book.was_stopped_out = book.was_stopped_out, False
        features = book.rule.features()
        decision = Decision(ts_ns, None, features)
        book.tables.decisions.append(decision)
        request = None
        if not any(math.isnan(value) for value in features.values()):
            book.position.resting = book.order.side if book.order and book.order.rests else 0
            intent = decision.intent = book.rule.decide(bar, features, book.position)
            if book.order is not None and not book.order.rests:
                decision.outcome = "waiting"
            elif intent.action in ("enter", "enter_short"):
                order = self._entry_order(book, ts_ns, bar, intent)
                decision.outcome = self._refusal(book, bar, intent, order, was_stopped_out)
                request = Request(book, ts_ns, bar, intent, order, decision)
                if decision.outcome not in ("halted", "holding", "stopped out") and book.order is not None:
                    book.drop_order("replaced")  # whether or not the new one gets a size
            else:
                decision.qty, decision.outcome = self._answer(book, ts_ns, intent)
        decision.stop = book.stop_price
        return request if decision.outcome == "sizing" else None

    def _answer(self, book: Book, ts_ns: int, intent: Intent) -> tuple[float, str]:
        """Everything but entries."""
        match intent.action:
            case "leave":
                return self._leave(book, ts_ns, intent)
            case "trail":
                return 0.0, self._trail(book, intent.stop)
            case "aim":
                return 0.0, self._aim(book, intent.target)
            case "cancel" if book.order is None:
                return 0.0, "nothing to cancel"
            case "cancel":
                book.drop_order("cancelled")
                return 0.0, "accepted"
            case _:
                return 0.0, "none"

    def _leave(self, book: Book, ts_ns: int, intent: Intent) -> tuple[float, str]:
        had_order = book.order is not None
        if had_order:
            book.drop_order("cancelled")
        if book.position.qty == 0.0:
            return 0.0, "accepted" if had_order else "flat"
        return self._send_exit(book, ts_ns, intent.reason).qty, "accepted"

    def _send_exit(self, book: Book, ts_ns: int, reason: int) -> Order:
        qty, side = abs(book.position.qty), -book.position.side
        order = Order(side, qty, ts_ns, reason, bars_to_pass=self.execution.delay_bars)
        book.order = order
        book.tables.orders.append(order)
        return order

    def _trail(self, book: Book, stop: float) -> str:
        if book.position.qty == 0.0:
            return "flat"
        if not math.isnan(stop):
            self.tighten(book.position, stop)
        return "accepted"

    def _aim(self, book: Book, target: float) -> str:
        if book.position.qty == 0.0:
            return "flat"
        target = to_tick(target, self.execution)
        if not _is_price(target):
            return "contradictory"
        book.position.target = target
        return "accepted"

    def _entry_order(self, book: Book, ts_ns: int, bar: Bar, intent: Intent) -> Order:
        """The order that an entry would make, without its size."""
        distance = intent.stop_distance
        if intent.is_unprotected:
            distance = math.nan
        elif math.isnan(distance) and self.risk.stop_atr is not None:
            distance = self.risk.stop_atr * book.atr_known
        if self._is_in_drawdown:
            distance *= self.risk.drawdown_stop
        return Order(
            intent.side,
            0.0,
            ts_ns,
            intent.reason,
            distance,
            intent.mode,
            opens=True,
            limit=None if intent.limit is None else to_tick(intent.limit, self.execution),
            trigger=None if intent.trigger is None else to_tick(intent.trigger, self.execution),
            target_distance=intent.target_distance,
            trailing_distance=intent.trailing_distance,
            is_day=intent.is_day,
            bars_to_pass=self.execution.delay_bars,
        )

    @property
    def _is_in_drawdown(self) -> bool:
        return self._has_fallen(self.risk.drawdown_reduce, self.guarded_peak)

    def _refusal(self, book: Book, bar: Bar, intent: Intent, order: Order, was_stopped_out: bool) -> str:
        """The first thing that stands against an entry before its size; "sizing" if nothing does."""
        risk, distance = self.risk, order.stop_distance
        by_stop = sizing_of(risk, self.pnls) == "stop"
        has_stop = (intent.is_unprotected and not by_stop) or 0.0 < distance < math.inf
        checks = (
            ("halted", self.halt != 0),
            ("holding", book.position.qty != 0.0),
            ("stopped out", was_stopped_out),
            ("no stop", not has_stop or (by_stop and not intent.risk > 0.0)),
            ("contradictory", _is_contradictory(order)),
            ("stop too far", risk.max_stop is not None and distance > risk.max_stop * bar.close),
            ("too many trades", risk.max_trades is not None and book.n_entries >= risk.max_trades),
        )
        return next((outcome for outcome, is_true in checks if is_true), "sizing")

    # -- 7. size ----------------------------------------------------------------------------------

    def size(self, requests: Sequence[Request]) -> None:
        """Give every entry its size, the highest score first."""
        for request in sorted(requests, key=lambda request: -_rank(request.intent.score)):
            book, order = request.book, request.order
            wish = Wish(
                price=request.bar.close,
                distance=order.stop_distance,
                risk=request.intent.risk,
                volatility=annual_volatility(book.session_closes, self.sessions_per_year),
                asset_class=book.asset_class,
                sector=book.sector,
                symbol=book.symbol,
            )
            qty, request.decision.outcome = size_entry(wish, self._funds(), self.risk, book.lots_per_unit)
            if qty > 0.0:
                order.qty = request.decision.qty = qty
                book.order = order
                book.tables.orders.append(order)
                book.n_entries += 1

    def _funds(self) -> Funds:
        """The account as an entry finds it, everything at the last closes."""
        holdings = []
        for book in self.books:
            position, order = book.position, book.order
            if position.qty != 0.0:
                risk = position.qty * (book.last_close - position.stop)
                holdings.append(_holding(book, abs(position.qty) * book.last_close, risk, is_pending=False))
            if order is not None and order.opens:
                rest = book.rest_of(order)
                risk = rest * order.stop_distance
                holdings.append(_holding(book, rest * book.last_close, risk, is_pending=True))
        return Funds(self.equity, self.cash, self.pnls, holdings, self._is_in_drawdown)


def _is_price(price: float) -> bool:
    return 0.0 < price < math.inf


def _is_contradictory(order: Order) -> bool:
    said = (order.limit, order.trigger, order.target_distance, order.trailing_distance)
    if not all(value is None or _is_price(value) for value in said):
        return True
    if order.limit is None or order.trigger is None:
        return False
    return order.side * order.limit < order.side * order.trigger


def _rank(score: float) -> float:
    return -math.inf if math.isnan(score) else score


def _holding(book: Book, value: float, risk: float, *, is_pending: bool) -> Holding:
    """Room that is taken; without a stop all of it may be lost, on its winning side nothing."""
    risk = value if math.isnan(risk) else max(risk, 0.0)
    return Holding(book.symbol, value, risk, book.asset_class, book.sector, is_pending)
