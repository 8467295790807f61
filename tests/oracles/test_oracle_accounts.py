"""The oracle keeps its own books: what must hold of any account, whatever it trades and by whatever rules."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhero.tests.oracles.coarse_bars import Row
from fluxhero.tests.oracles.event_loop import (
    Costs,
    Execution,
    Intent,
    Position,
    Result,
    Risk,
    SharedResult,
    run_event_loop,
    run_shared_account,
)
from fluxhero.tests.oracles.fills_by_table import misses_fills, to_tick
from fluxhero.tests.oracles.markets import Weather, random_grid, random_rows, rows_of_prices
from fluxhero.tests.oracles.settings_of_trading import (
    bracket_params,
    costs_of_trading,
    executions,
    ranked_params,
    risks_of_trading,
)
from fluxhero.tests.oracles.sizes import Funds, Wish, size_entry
from fluxhero.tests.oracles.small_rules import RULES

CASH = 100_000.0
WEATHER = Weather(volatility=0.01, missing_chance=0.1, halt_chance=0.01, volume=500.0)
FREE = Risk(1.0, 1.0)


@dataclass(frozen=True)
class Told:
    """A rule that does what volume says: entries and answers by number."""

    answers: dict[float, Intent]
    timeframes: tuple[str, ...] = ()

    def observe(self, timeframe: str | None, bar: object) -> None:
        """It looks at nothing but the bar."""

    def features(self) -> dict[str, float]:
        return {}

    def decide(self, bar: object, x: dict[str, float], position: Position) -> Intent:
        return self.answers.get(bar.volume, Intent())


def told(
    quotes: Sequence[tuple[float, ...] | None], answers: dict[float, Intent], **settings: object
) -> Result:
    """The account of a rule that does what volume says; a quote is (price, answer) or five numbers."""
    whole = [quote if quote is None or len(quote) == 5 else (*[quote[0]] * 4, quote[1]) for quote in quotes]
    costs = settings.pop("costs", Costs())
    risk = settings.pop("risk", FREE)
    return run_event_loop(
        rows_of_prices(whole),
        Told(answers),
        timeframe="1h",
        decision_timeframe="1h",
        costs=costs,
        risk=risk,
        initial_cash=CASH,
        **settings,
    )


def markets(seed: int, n_symbols: int, n_sessions: int = 3) -> dict[str, list[Row]]:
    grid = random_grid(seed, WEATHER, timeframe="5m", n_sessions=n_sessions)
    return {f"S{i}": random_rows(seed + 1000 * i, WEATHER, grid) for i in range(n_symbols)}


@st.composite
def shared_accounts(draw: st.DrawFn) -> tuple[dict[str, list[Row]], Costs, Execution, SharedResult]:
    """An account of up to four symbols, with any settings."""
    rows = markets(draw(st.integers(0, 10**6)), draw(st.integers(1, 4)))
    rule = draw(st.sampled_from(("bracket", "ranked")))
    params = draw(st.fixed_dictionaries({"bracket": bracket_params, "ranked": ranked_params}[rule]))
    costs, execution = draw(costs_of_trading), draw(executions)
    result = run_shared_account(
        rows,
        [RULES[rule](params) for _ in rows],
        timeframe="5m",
        decision_timeframe=draw(st.sampled_from(("5m", "15m"))),
        costs=costs,
        risk=draw(risks_of_trading),
        initial_cash=draw(st.sampled_from((1_000.0, CASH))),
        execution=execution,
        asset_classes=["crypto" if i % 2 else "equity" for i in range(len(rows))],
        sectors=["", "ore", "ore", "oil"][: len(rows)],
    )
    return rows, costs, execution, result


@given(account=shared_accounts())
def test_cash_and_positions_add_up_to_the_equity_on_every_row(account):
    _, _, _, result = account
    for t, (equity, cash) in enumerate(zip(result.equity, result.cash, strict=True)):
        held = math.fsum(table.qty[t] * table.closes[t] for table in result.symbols.values())
        assert equity == pytest.approx(cash + held, rel=1e-9, abs=1e-9)


@given(account=shared_accounts())
def test_quantities_and_money_follow_from_the_fills(account):
    """Without interest and borrowing; quantities at the end are what the fills left."""
    rows, _, _, result = account
    for name, table in result.symbols.items():
        qty, fills = 0.0, iter([*table.fills, None])
        fill = next(fills)
        for t, row in enumerate(rows[name]):
            while fill is not None and fill.ts_ns == row.ts_ns:
                qty, fill = qty + fill.side * fill.qty, next(fills)
            assert table.qty[t] == pytest.approx(qty, abs=1e-9)
        done = math.fsum(fill.qty for trade in table.trades for fill in (*trade.entries, *trade.exits))
        left = [fill for fill in table.fills if all(fill not in (*t.entries, *t.exits) for t in table.trades)]
        assert math.fsum(f.qty for f in table.fills) == pytest.approx(done + math.fsum(f.qty for f in left))
        assert all(math.fsum(f.side * f.qty for f in (*t.entries, *t.exits)) == 0.0 for t in table.trades)


@given(seed=st.integers(0, 10**6), execution=executions, costs=costs_of_trading)
def test_what_the_trades_earned_is_what_the_account_earned(seed, execution, costs):
    """Closed trades and the mark of what is open: without interest nothing else moves the equity."""
    (rows,) = markets(seed, 1).values()
    params = dict.fromkeys(bracket_params, 0.0) | {"lookback": 3, "stop": 0.01, "target": 0.01}
    result = run_event_loop(
        rows,
        RULES["bracket"](params | {"risk": 0.05, "offset": 0.001}),
        timeframe="5m",
        decision_timeframe="5m",
        costs=replace(costs, borrow_rate=0.0),
        risk=Risk(0.5, 1.0),
        initial_cash=CASH,
        execution=execution,
    )
    n_closed = sum(len(trade.entries) + len(trade.exits) for trade in result.trades)
    paid = math.fsum(f.side * f.qty * f.price + f.commission for f in result.fills[n_closed:])
    open_pnl = result.qty[-1] * result.closes[-1] - paid
    earned = math.fsum(trade.pnl for trade in result.trades) + open_pnl
    assert result.equity[-1] - CASH == pytest.approx(earned, abs=1e-6)


@given(
    seed=st.integers(0, 10**6),
    n_symbols=st.integers(1, 4),
    execution=executions,
    costs=costs_of_trading,
    max_positions=st.sampled_from((None, 2)),
)
def test_cash_of_a_long_only_account_is_never_below_zero(seed, n_symbols, execution, costs, max_positions):
    rows = markets(seed, n_symbols)
    params = {"stop": 0.002, "target": 0.01, "risk": 1.0, "shorts": 0.0, "ties": 0.0}
    result = run_shared_account(
        rows,
        [RULES["ranked"](params) for _ in rows],
        timeframe="5m",
        decision_timeframe="5m",
        costs=costs,
        risk=Risk(1.0, 1.0, max_positions=max_positions),
        initial_cash=CASH,
        execution=execution,
    )
    # A fee for an exit may be more than what the exit brings in and all that was left.
    fees = costs.commission_per_order * execution.cost_multiple * n_symbols
    assert min(result.cash) >= -1e-9 * CASH - fees


@given(account=shared_accounts())
def test_fills_lie_within_their_bar_but_for_slippage(account):
    rows, _, execution, result = account
    for name, table in result.symbols.items():
        bars = {row.ts_ns: row.bar for row in rows[name]}
        for fill in table.fills:
            bar = bars[fill.ts_ns]
            assert bar is not None
            reference = fill.price - fill.side * fill.slippage / fill.qty
            slack = 1e-9 * reference
            is_assumed_worse = execution.limit_gap == "limit" and fill.kind in (
                "limit",
                "target",
                "stop limit",
            )
            if not is_assumed_worse or fill.side < 0:  # a gap through a limit gives the limit, beyond the bar
                assert reference <= bar.high + slack
            if not is_assumed_worse or fill.side > 0:
                assert reference >= bar.low - slack


@given(account=shared_accounts())
def test_no_fill_takes_more_than_its_share_of_a_bar(account):
    rows, _, execution, result = account
    if execution.participation is None:
        return
    for name, table in result.symbols.items():
        volumes = [row.bar.volume for row in rows[name] if row.bar is not None]
        known = [
            fill
            for fill in table.fills
            if fill.bar_idx >= 20 and any(volumes[fill.bar_idx - 20 : fill.bar_idx])
        ]
        assert all(fill.qty <= execution.participation * volumes[fill.bar_idx] for fill in known)


@given(account=shared_accounts())
def test_only_market_exits_and_stops_are_filled_on_bars_that_miss_fills(account):
    _, _, execution, result = account
    for name, table in result.symbols.items():
        for trade in table.trades:
            assert not any(misses_fills(name, fill.ts_ns, execution) for fill in trade.entries)
            missed = [fill for fill in trade.exits if misses_fills(name, fill.ts_ns, execution)]
            assert {fill.kind for fill in missed} <= {"market", "stop"}


@given(seed=st.integers(0, 10**6), execution=executions)
def test_a_short_account_is_the_mirror_of_a_long_one(seed, execution):
    """Fills on a market turned upside down: same bars, same sides reversed, mirrored prices."""
    quotes = _whole_prices(seed)
    turned = [None if q is None else (200 - q[0], 200 - q[2], 200 - q[1], 200 - q[3], q[4]) for q in quotes]
    execution = replace(execution, tick_rounding=False)
    one = told(quotes, _answers(1), execution=execution)
    other = told(turned, _answers(-1), execution=execution)
    assert [(f.ts_ns, f.side, f.qty, f.price, f.kind) for f in one.fills] == [
        (f.ts_ns, -f.side, f.qty, 200 - f.price, f.kind) for f in other.fills
    ]


def _answers(side: int) -> dict[float, Intent]:
    """Entries at whole prices, the same distances on both sides."""
    action = "enter" if side > 0 else "enter_short"

    def price(value: float) -> float:
        return value if side > 0 else 200.0 - value

    return {
        1.0: Intent(action, 1, stop_distance=2.0, target_distance=3.0, risk=0.0003),
        2.0: Intent(action, 1, stop_distance=3.0, limit=price(98.0), target_distance=2.0, risk=0.0003),
        3.0: Intent(action, 1, stop_distance=2.0, trigger=price(103.0), trailing_distance=3.0, risk=0.0003),
        4.0: Intent(action, 1, stop_distance=2.0, trigger=price(102.0), limit=price(104.0), risk=0.0003),
        5.0: Intent("leave", 2),
        6.0: Intent("trail", stop=price(97.0)),
        7.0: Intent("aim", target=price(104.0)),
        8.0: Intent("cancel"),
    }


def _whole_prices(seed: int) -> list[tuple[float, ...] | None]:
    """Bars of whole prices whose volume says what to do."""
    numbers = iter(hashlib.shake_256(str(seed).encode()).digest(6 * 120))
    quotes: list[tuple[float, ...] | None] = []
    for _ in range(120):
        a, b, c, d, volume, missing = (next(numbers) for _ in range(6))
        o, x, y, c = (float(95 + value % 11) for value in (a, b, c, d))
        quotes.append(None if missing < 20 else (o, max(o, x, y, c), min(o, x, y, c), c, float(volume % 12)))
    return quotes


# -- Single rules ---------------------------------------------------------------------------------

BUY = Intent("enter", 1, stop_distance=5.0, risk=0.001)
LEAVE = Intent("leave", 2)


def only_fills(result: Result) -> list[tuple[str, float, float]]:
    return [(fill.kind, fill.side * fill.qty, fill.price) for fill in result.fills]


def outcomes(result: Result) -> list[str]:
    return [decision.outcome for decision in result.decisions]


def test_a_resting_entry_is_replaced_cancelled_or_left():
    limit = replace(BUY, limit=90.0)
    answers = {1.0: limit, 2.0: Intent("cancel"), 3.0: LEAVE, 4.0: replace(BUY, limit=91.0)}
    result = told([(100.0, 1.0), (100.0, 4.0), (100.0, 9.0), (100.0, 3.0), (100.0, 2.0)], answers)
    assert outcomes(result) == ["accepted", "accepted", "none", "accepted", "nothing to cancel"]
    assert [order.outcome for order in result.orders] == ["replaced", "cancelled"]
    assert [decision.qty for decision in result.decisions] == [20.0, 20.0, 0.0, 0.0, 0.0]


def test_a_market_order_that_waits_blocks_the_rule():
    execution = Execution(delay_bars=2)
    result = told(
        [(100.0, 1.0), (100.0, 2.0), (100.0, 2.0), (100.0, 2.0)], {1.0: BUY, 2.0: LEAVE}, execution=execution
    )
    assert outcomes(result) == ["accepted", "waiting", "waiting", "accepted"]
    assert result.fills[0].bar_idx == 3


def test_a_day_order_expires_with_its_session():
    day = replace(BUY, limit=90.0, is_day=True)
    result = told([(100.0, 1.0), *[(100.0, 9.0)] * 23, (80.0, 9.0)], {1.0: day})
    assert [order.outcome for order in result.orders] == ["expired"]
    assert not result.fills


def test_what_a_stop_leaves_over_is_sold_at_market():
    quiet = [(100.0, 9.0)] * 20
    crash = (90.0, 90.0, 90.0, 90.0, 40.0)
    intent = replace(BUY, target_distance=50.0)
    rows = [*quiet, (100.0, 100.0, 100.0, 100.0, 100.0), (100.0, 100.0, 100.0, 100.0, 100.0), *[crash] * 4]
    answers = {100.0: intent}
    result = told(rows, answers, execution=Execution(participation=0.2))
    assert only_fills(result) == [
        ("market", 20.0, 100.0),
        ("stop", -8.0, 90.0),
        ("market", -8.0, 90.0),
        ("market", -4.0, 90.0),
    ]
    assert len(result.trades) == 1
    assert result.trades[0].pnl == pytest.approx(-200.0)


def test_an_entry_in_parts_is_one_trade_with_the_first_fill_s_stop():
    rows = [(100.0, 9.0)] * 20 + [(100.0, 77.0), (100.0, 40.0), (102.0, 40.0), (104.0, 40.0), (94.0, 400.0)]
    result = told(rows, {77.0: BUY}, execution=Execution(participation=0.2))
    assert only_fills(result)[:3] == [("market", 8.0, 100.0), ("market", 8.0, 102.0), ("market", 4.0, 104.0)]
    assert result.stops[-2] == 95.0
    assert result.trades[0].entry_price == pytest.approx((8 * 100 + 8 * 102 + 4 * 104) / 20)
    assert result.trades[0].qty == 20.0


def test_daily_loss_closes_everything_until_the_next_session():
    big = Intent("enter", 1, risk=0.0, is_unprotected=True)
    risk = Risk(1.0, 1.0, sizing="fraction", fraction=1.0, daily_loss=0.05)
    rows = [
        (100.0, 1.0),
        (100.0, 9.0),
        (94.0, 9.0),
        (94.0, 1.0),
        (94.0, 1.0),
        *[(94.0, 9.0)] * 19,
        (94.0, 1.0),
    ]
    result = told(rows, {1.0: big}, risk=risk)
    assert [(fill.kind, fill.reason) for fill in result.fills] == [("market", 1), ("market", -1)]
    assert [o for o in outcomes(result) if o != "none"] == [
        *("accepted", "waiting", "halted", "halted", "accepted")
    ]


def test_drawdown_halt_lasts_the_sessions_it_is_given():
    big = Intent("enter", 1, risk=0.0, is_unprotected=True)
    risk = Risk(1.0, 1.0, sizing="fraction", fraction=1.0, drawdown_halt=0.05, halt_sessions=2)
    rows = [(100.0, 1.0), (100.0, 9.0), *[(90.0, 1.0)] * 60]
    result = told(rows, {1.0: big}, risk=risk)
    assert [fill.reason for fill in result.fills[:3]] == [1, -2, 1]
    assert result.fills[2].bar_idx == 49  # decided on the first close of the third session
    forever = told(rows, {1.0: big}, risk=replace(risk, halt_sessions=None))
    assert len(forever.fills) == 2


def test_the_highest_score_is_served_first_and_equal_ones_in_order():
    def run(scores: Sequence[float]) -> list[str]:
        rules = [Told({1.0: replace(BUY, risk=1.0, score=score)}) for score in scores]
        rows = rows_of_prices([(100.0, 100.0, 100.0, 100.0, 1.0)])
        result = run_shared_account(
            {f"S{i}": rows for i in range(len(scores))},
            rules,
            timeframe="1h",
            decision_timeframe="1h",
            costs=Costs(),
            risk=Risk(1.0, 1.0, max_positions=1),
            initial_cash=CASH,
        )
        return [table.decisions[0].outcome for table in result.symbols.values()]

    assert run([1.0, 3.0, 2.0]) == ["position limit", "accepted", "position limit"]
    assert run([1.0, 1.0]) == ["accepted", "position limit"]


@pytest.mark.parametrize(
    ("limit", "outcome", "qty"),
    [
        ({}, "accepted", 1_000.0),
        ({"max_position": 0.0001}, "no size", 0.0),
        ({"max_crypto": 0.2}, "accepted", 200.0),
        ({"max_crypto": 0.0005}, "class limit", 0.0),
        ({"max_sector": 0.3}, "accepted", 300.0),
        ({"max_sector": 0.0005}, "sector limit", 0.0),
        ({"max_open_risk": 0.01}, "accepted", 200.0),
        ({"max_open_risk": 0.00001}, "open risk limit", 0.0),
        ({"max_deployed": 0.5}, "accepted", 500.0),
        ({"max_deployed": 0.0001}, "deployed limit", 0.0),
    ],
)
def test_each_limit_cuts_the_size_and_names_the_outcome(limit, outcome, qty):
    wish = Wish(100.0, 5.0, 1.0, math.nan, "crypto", "coins")
    funds = Funds(CASH, CASH, (), (), is_in_drawdown=False)
    assert size_entry(wish, funds, replace(FREE, **limit), 1.0) == (qty, outcome)


@pytest.mark.parametrize(
    ("sizing", "qty"),
    [("stop", 200.0), ("fraction", 100.0), ("equal", 250.0), ("volatility", 500.0), ("kelly", 125.0)],
)
def test_each_sizing(sizing, qty):
    wish = Wish(100.0, 5.0, 0.01, 0.3, "equity", "")
    pnls = [1.0] * 10 + [-0.5] * 10  # W 0.5, R 2: f = 0.25
    funds = Funds(CASH, CASH, pnls, (), is_in_drawdown=False)
    risk = Risk(1.0, 1.0, sizing=sizing, max_positions=4)
    assert size_entry(wish, funds, risk, 1.0) == (qty, "accepted")


def test_share_of_bars_that_miss_fills_is_the_one_asked_for():
    execution = Execution(missed_fills=0.1, seed=3)
    times = range(60 * 10**9, 20_000 * 60 * 10**9, 60 * 10**9)
    share = sum(misses_fills("S0", ts_ns, execution) for ts_ns in times) / len(times)
    assert share == pytest.approx(0.1, abs=0.01)
    same = [misses_fills("S0", t, execution) == misses_fills("S1", t, execution) for t in times]
    assert 0.7 < sum(same) / len(same) < 0.9


def test_ticks_are_rounded_half_up():
    execution = Execution(tick_rounding=True, tick_size=0.25)
    assert [to_tick(price, execution) for price in (1.12, 1.125, 1.3, 1.374)] == [1.0, 1.25, 1.25, 1.25]
    assert to_tick(1.3, Execution()) == 1.3
