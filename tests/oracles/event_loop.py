"""A backtest as an event loop in plain Python: the slow, obvious twin of the engine.

Written from the rules of trading (SPEC 4, DESIGN 4 and 12, kernels/README.md) and not from the kernels:
floats, lists and dataclasses, one bar after the other. It knows no arrays, no lanes, no tiles. What a bar
gives an order stands in `fills_by_table.py`, how large an order is in `sizes.py`, what becomes of the money
in `account.py`, what guards and rules make of it in `deciding.py`.

One row of the time grid after the other, each step for all symbols in their order:

1. orders: a working order whose time has come;
2. exits: protective stop and target;
3. orders at the close;
4. mark to the close: highest high, lowest low, trailing stops, equity, drawdown;
5. guard: drawdown halt and daily loss;
6. decide, if a bar of the decision timeframe became complete on this row;
7. size the entries, the highest score first;
8. at the end of a session: interest, borrow fee, day orders, and the session's return.
"""

from collections.abc import Mapping, Sequence

from fluxhero.tests.oracles.book import Book
from fluxhero.tests.oracles.coarse_bars import Bar, CoarseBars, Row
from fluxhero.tests.oracles.deciding import DecidingAccount, Request
from fluxhero.tests.oracles.trading_records import Decision as Decision
from fluxhero.tests.oracles.trading_records import Fill as Fill
from fluxhero.tests.oracles.trading_records import Intent as Intent
from fluxhero.tests.oracles.trading_records import Order as Order
from fluxhero.tests.oracles.trading_records import Position as Position
from fluxhero.tests.oracles.trading_records import Result as Result
from fluxhero.tests.oracles.trading_records import Rule as Rule
from fluxhero.tests.oracles.trading_records import SharedResult as SharedResult
from fluxhero.tests.oracles.trading_records import Trade as Trade
from fluxhero.tests.oracles.trading_settings import Costs as Costs
from fluxhero.tests.oracles.trading_settings import Execution as Execution
from fluxhero.tests.oracles.trading_settings import Risk as Risk

AS_BARS_TELL = Execution()


def run_event_loop(
    rows: Sequence[Row],
    rule: Rule,
    *,
    timeframe: str,
    decision_timeframe: str,
    costs: Costs,
    risk: Risk,
    initial_cash: float,
    delay_s: float = 60.0,
    sessions_per_year: int = 252,
    lots_per_unit: float = 1.0,
    execution: Execution = AS_BARS_TELL,
    symbol: str = "S0",
    asset_class: str = "equity",
    sector: str = "",
) -> Result:
    """Trade one symbol from the first row to the last, in an account of its own."""
    shared = run_shared_account(
        {symbol: rows},
        [rule],
        timeframe=timeframe,
        decision_timeframe=decision_timeframe,
        costs=costs,
        risk=risk,
        initial_cash=initial_cash,
        delay_s=delay_s,
        sessions_per_year=sessions_per_year,
        lots_per_unit=lots_per_unit,
        execution=execution,
        asset_classes=[asset_class],
        sectors=[sector],
    )
    tables = shared.symbols[symbol]
    return Result(**vars(tables), equity=shared.equity, cash=shared.cash, metrics=shared.metrics)


def run_shared_account(
    rows_by_symbol: Mapping[str, Sequence[Row]],
    rules: Sequence[Rule],
    *,
    timeframe: str,
    decision_timeframe: str,
    costs: Costs,
    risk: Risk,
    initial_cash: float,
    delay_s: float = 60.0,
    sessions_per_year: int = 252,
    lots_per_unit: float = 1.0,
    execution: Execution = AS_BARS_TELL,
    asset_classes: Sequence[str] | None = None,
    sectors: Sequence[str] | None = None,
) -> SharedResult:
    """Trade symbols of one time grid, in their order, in one account; each has a rule of its own."""
    books = [
        Book(
            symbol,
            rule,
            lots_per_unit=lots_per_unit,
            asset_class=asset_classes[i] if asset_classes else "equity",
            sector=sectors[i] if sectors else "",
        )
        for i, (symbol, rule) in enumerate(zip(rows_by_symbol, rules, strict=True))
    ]
    account = DecidingAccount(
        books,
        costs=costs,
        risk=risk,
        execution=execution,
        cash=initial_cash,
        sessions_per_year=sessions_per_year,
    )
    desks = [_Desk(book, timeframe, decision_timeframe, delay_s) for book in books]
    session_close_ns = None
    is_session_open = False
    begun = False
    for rows in zip(*rows_by_symbol.values(), strict=True):
        row = rows[0]
        begun = begun or any(item.bar is not None for item in rows)
        if not begun:  # an account begins with its first bar
            account.record()
            continue
        if is_session_open and row.session_close_ns != session_close_ns:
            account.end_session()  # the row of its close never came
        session_close_ns, is_session_open = row.session_close_ns, True
        trade_row(account, desks, rows)
        if row.ts_ns == row.session_close_ns:
            account.end_session()
            is_session_open = False
        account.record()
    return SharedResult(
        {book.symbol: book.tables for book in books},
        account.equity_curve,
        account.cash_curve,
        account.metrics(is_session_open=is_session_open),
    )


def trade_row(account: DecidingAccount, desks: Sequence["_Desk"], rows: Sequence[Row]) -> None:
    """Steps 1 to 7 of one row."""
    ts_ns = rows[0].ts_ns
    bars = [(desk, row.bar) for desk, row in zip(desks, rows, strict=True) if row.bar is not None]
    for desk, bar in bars:
        account.begin_bar(desk.book, is_late_enough=desk.may_fill(ts_ns))
        account.act_in_bar(desk.book, ts_ns, bar)
    for desk, bar in bars:
        account.act_on_exits(desk.book, ts_ns, bar)
    for desk, bar in bars:
        account.act_at_close(desk.book, ts_ns, bar)
    for desk, bar in bars:
        account.mark(desk.book, bar)
    if bars:
        account.mark_account()
        account.guard(ts_ns)
    requests: list[Request] = []
    for desk, row in zip(desks, rows, strict=True):
        decision_bar = desk.observe(row)
        if decision_bar is not None:
            request = account.decide(desk.book, ts_ns, decision_bar)
            requests += [] if request is None else [request]
            desk.latest_decision_ns = ts_ns
    account.size(requests)


class _Desk:
    """A book with its clocks: which bars its rule sees, and from which bar on an order acts."""

    def __init__(self, book: Book, timeframe: str, decision_timeframe: str, delay_s: float) -> None:
        self.book = book
        self.decision_timeframe = decision_timeframe
        names = {decision_timeframe, "1d", *book.rule.timeframes}
        self.coarse = {name: CoarseBars(name, timeframe) for name in names}
        self.has_delay = decision_timeframe != timeframe
        self.delay_ns = round(delay_s * 1e9)
        self.bar_ns = CoarseBars(timeframe, timeframe).length_ns
        self.latest_decision_ns = 0

    def may_fill(self, ts_ns: int) -> bool:
        """Whether the bar that closes at `ts_ns` starts late enough after the latest decision."""
        return not self.has_delay or ts_ns - self.bar_ns >= self.latest_decision_ns + self.delay_ns

    def observe(self, row: Row) -> Bar | None:
        """Show the rule what became complete on a row; returns the bar to decide on, if there is one."""
        finished = {name: bars.add(row) for name, bars in self.coarse.items()}
        for name in self.book.rule.timeframes:
            for bar in finished[name]:
                self.book.rule.observe(name, bar)
        self.book.session_closes += [bar.close for bar in finished["1d"]]
        for bar in finished[self.decision_timeframe]:
            self.book.observe(bar)
        decided = finished[self.decision_timeframe]
        return decided[-1] if decided else None
