"""One account for many symbols: the engine does what the plain event loop does.

Tables are compared symbol by symbol, equity and metrics of the account as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxhero.engine.backtest import backtest
from fluxhero.tests.oracles.agreement import (
    Case,
    assert_close,
    assert_metrics_agree,
    assert_tables_agree,
)
from fluxhero.tests.oracles.coarse_bars import Row
from fluxhero.tests.oracles.event_loop import (
    Costs,
    Execution,
    Risk,
    SharedResult,
    run_shared_account,
)
from fluxhero.tests.oracles.markets import Weather, market_of, rows_of_prices
from fluxhero.tests.oracles.settings_of_trading import (
    BROKER,
    bracket_params,
    costs_of_trading,
    executions,
    ranked_params,
    risks_of_trading,
)
from fluxhero.tests.oracles.small_rules import RULES

pytestmark = pytest.mark.usefixtures("one_loop_for_all")

SECTORS = ("", "ore", "ore", "oil", "oil")


@dataclass(frozen=True)
class Group:
    """A case of several symbols in one account."""

    case: Case
    n_symbols: int = 3
    asset_classes: Sequence[str] = field(default=("equity", "crypto", "equity", "crypto", "equity"))
    sectors: Sequence[str] = field(default=SECTORS)

    def rows(self) -> list[list[Row]]:
        return [self.case.rows(symbol) for symbol in range(self.n_symbols)]

    def oracle(self, rows: Sequence[Sequence[Row]]) -> SharedResult:
        case = self.case
        params = case.loaded().check_params(case.params)
        return run_shared_account(
            {f"S{i}": symbol for i, symbol in enumerate(rows)},
            [RULES[case.strategy](params) for _ in rows],
            timeframe=case.timeframe,
            decision_timeframe=case.decision_timeframe,
            costs=case.costs,
            risk=case.risk,
            execution=case.execution,
            initial_cash=case.initial_cash,
            delay_s=case.allowed_delay_s,
            sessions_per_year=365 if case.calendar == "24/7" else 252,
            lots_per_unit=round(1.0 / case.lot_size),
            asset_classes=self.asset_classes[: len(rows)],
            sectors=self.sectors[: len(rows)],
        )

    def market(self, rows: Sequence[Sequence[Row]]) -> Any:
        case = self.case
        return market_of(
            rows,
            timeframe=case.timeframe,
            calendar=case.calendar,
            lot_size=case.lot_size,
            tick_size=case.execution.tick_size,
            asset_classes=self.asset_classes[: len(rows)],
            sectors=self.sectors[: len(rows)],
        )


def assert_shared_account_agrees(group: Group, rows: Sequence[Sequence[Row]] | None = None) -> SharedResult:
    """Run both and compare everything; returns the oracle's result."""
    case = group.case
    rows = group.rows() if rows is None else rows
    expected = group.oracle(rows)
    run = backtest(
        case.loaded(), group.market(rows), params=dict(case.params), account="shared", **case.settings()
    )
    for symbol, table in expected.symbols.items():
        found = {
            name: getattr(run, name)[getattr(run, name)["symbol"] == symbol]
            for name in ("decisions", "orders", "fills", "trades")
        }
        assert_tables_agree(**found, expected=table, strategy=case.loaded())
        assert_close(f"stop of {symbol}", run.stops.sel(symbol=symbol).values, table.stops)
    assert run.equity.dims == ("time",)
    assert_close("equity", run.equity.values, expected.equity, scale=case.initial_cash)
    assert_metrics_agree({str(name): float(run.metrics[name]) for name in run.metrics}, expected.metrics)
    return expected


HOLES = Weather(missing_chance=0.3, halt_chance=0.01)
RANKED = {"stop": 0.01, "target": 0.01, "risk": 0.05}
QUARTERS = {"timeframe": "5m", "decision_timeframe": "15m", "n_sessions": 5}
FIVES = {"timeframe": "5m", "decision_timeframe": "5m", "n_sessions": 5}


def _outcomes(result: SharedResult) -> set[str]:
    return {item.outcome for table in result.symbols.values() for item in table.decisions}


SCENARIOS: dict[str, tuple[Group, set[str]]] = {
    "cash for two": (
        Group(Case("ranked", RANKED | {"risk": 0.3}, risk=Risk(0.5, 1.0), **QUARTERS)),
        {"accepted", "deployed limit"},
    ),
    "two positions at most": (
        Group(Case("ranked", RANKED, risk=Risk(0.2, 1.0, max_positions=2), costs=BROKER, **QUARTERS), 5),
        {"accepted", "position limit"},
    ),
    "classes and sectors": (
        Group(Case("ranked", RANKED, risk=Risk(0.5, 1.0, max_crypto=0.3, max_sector=0.5), **QUARTERS), 5),
        {"accepted", "class limit", "sector limit"},
    ),
    "open risk": (
        Group(Case("ranked", RANKED, risk=Risk(0.5, 1.0, max_open_risk=0.006), **QUARTERS), 5),
        {"accepted", "open risk limit"},
    ),
    "equal scores": (
        Group(Case("ranked", RANKED | {"ties": 1}, risk=Risk(0.5, 1.0, max_positions=1), **FIVES)),
        {"accepted", "position limit"},
    ),
    "shorts beside longs": (
        Group(Case("ranked", RANKED | {"shorts": 1}, risk=Risk(0.4, 1.0), costs=BROKER, **FIVES), 4),
        {"accepted", "deployed limit"},
    ),
    "one loss closes all": (
        Group(Case("ranked", RANKED, risk=Risk(0.5, 1.0, daily_loss=0.002), costs=BROKER, **FIVES), 4),
        {"accepted", "halted"},
    ),
    "a drawdown closes all for two sessions": (
        Group(
            Case(
                "ranked",
                RANKED,
                risk=Risk(0.5, 1.0, drawdown_reduce=0.002, drawdown_halt=0.006, halt_sessions=2),
                costs=BROKER,
                **FIVES,
            ),
            4,
        ),
        {"accepted", "halted"},
    ),
    "symbols with holes": (
        Group(
            Case(
                "bracket", risk=Risk(0.3, 1.0), weather=Weather(missing_chance=0.3, halt_chance=0.01), **FIVES
            )
        ),
        {"accepted", "holding"},
    ),
    "decision bars that end before a row": (
        Group(
            Case(
                "ranked",
                RANKED,
                risk=Risk(0.3, 1.0, max_stop=0.01),
                weather=Weather(absent_chance=0.3),
                **QUARTERS,
            )
        ),
        {"accepted", "waiting"},
    ),
    "all kinds of orders": (
        Group(Case("bracket", {"stop": 0.01}, risk=Risk(0.5, 0.8), costs=BROKER, **FIVES), 4),
        {"accepted", "deployed limit", "contradictory"},
    ),
    "one record for Kelly": (
        Group(Case("ranked", RANKED, risk=Risk(0.5, 1.0, sizing="kelly"), **QUARTERS), 4),
        {"accepted"},
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_shared_account_of_a_scenario_agrees_with_the_event_loop(name: str) -> None:
    group, outcomes = SCENARIOS[name]
    result = assert_shared_account_agrees(group)
    assert outcomes <= _outcomes(result), f"{name}: the market does not show what it is named for"


def test_one_symbol_in_a_shared_account_trades_as_in_one_of_its_own():
    case = Case("bracket", costs=BROKER, risk=Risk(0.5, 1.0), **FIVES)
    group = Group(case, 1)
    alone, shared = case.oracle(case.rows()), assert_shared_account_agrees(group)
    assert shared.equity == alone.equity
    assert shared.symbols["S0"].fills == alone.fills


@st.composite
def groups(draw: st.DrawFn) -> Group:
    """Any rule on a few symbols with any settings."""
    strategy = draw(st.sampled_from(("ranked", "ranked", "bracket")))
    timeframe = draw(st.sampled_from(("5m", "15m", "1h")))
    calendar = draw(st.sampled_from(("XNYS", "24/7")))
    case = Case(
        strategy=strategy,
        params=draw(st.fixed_dictionaries(bracket_params if strategy == "bracket" else ranked_params)),
        weather=Weather(
            volatility=draw(st.sampled_from((0.001, 0.006, 0.02))),
            missing_chance=draw(st.sampled_from((0.0, 0.2))),
            halt_chance=draw(st.sampled_from((0.0, 0.02))),
            absent_chance=draw(st.sampled_from((0.0, 0.1))),
            half_session_chance=0.3,
            volume=draw(st.sampled_from((500.0, 1e5))),
        ),
        seed=draw(st.integers(0, 10**6)),
        timeframe=timeframe,
        decision_timeframe=draw(st.sampled_from((timeframe, "1h", "1d"))),
        calendar=calendar,
        n_sessions={"5m": 3, "15m": 6, "1h": 20}[timeframe] // (2 if calendar == "24/7" else 1),
        costs=draw(costs_of_trading),
        risk=draw(risks_of_trading),
        execution=draw(st.one_of(st.just(Execution()), executions)),
        initial_cash=draw(st.sampled_from((1e4, 1e5))),
        delay_s=draw(st.sampled_from((0.0, 60.0, 900.0))),
        lot_size=draw(st.sampled_from((1.0, 1e-3))),
    )
    return Group(case, draw(st.integers(1, 5)))


@settings(max_examples=2 * settings.default.max_examples)
@given(group=groups())
def test_random_shared_account_agrees_with_the_event_loop(group):
    assert_shared_account_agrees(group)


price = st.integers(96, 104)


@st.composite
def symbols_of_whole_prices(draw: st.DrawFn) -> list[list[Row]]:
    """Bars of few whole prices, whose volume says what to do."""
    n_bars, n_symbols = draw(st.integers(2, 40)), draw(st.integers(2, 4))
    symbols = []
    for _ in range(n_symbols):
        quotes: list[tuple[float, float, float, float, float] | None] = []
        for _ in range(n_bars):
            o, x, y, c, volume = (*(draw(price) for _ in range(4)), draw(st.integers(0, 95)))
            bar = (float(o), float(max(o, x, y, c)), float(min(o, x, y, c)), float(c), float(volume))
            quotes.append(None if volume == 13 else bar)
        symbols.append(rows_of_prices(quotes))
    return symbols


@given(
    rows=symbols_of_whole_prices(),
    params=st.fixed_dictionaries(bracket_params | {"offset": st.sampled_from((0.0, 0.01))}),
    execution=executions,
    risk=risks_of_trading,
)
def test_shared_account_on_whole_prices_agrees_with_the_event_loop(
    rows: list[list[Row]], params: Mapping[str, float], execution: Execution, risk: Risk
) -> None:
    if not any(row.bar for symbol in rows for row in symbol):
        return
    case = Case(
        "bracket",
        params | {"stop": 0.02},
        timeframe="1h",
        decision_timeframe="1h",
        calendar="24/7",
        execution=execution,
        risk=risk,
        costs=Costs(commission_rate=0.001),
    )
    assert_shared_account_agrees(Group(case, len(rows)), rows)


def test_orders_of_all_symbols_act_before_any_exit():
    """The money of an exit of this bar does not pay for an entry of this bar."""
    case = Case(
        "scripted", {"stop": 5.0, "target": 5.0, "risk": 1.0}, timeframe="1h", decision_timeframe="1h"
    )
    case = replace(case, calendar="24/7", risk=Risk(1.0, 1.0), initial_cash=10_000.0)
    flat, rise = (100.0, 100.0, 100.0, 100.0), (100.0, 110.0, 100.0, 110.0)
    first = rows_of_prices([(*flat, 777.0), (*flat, 1.0), (*rise, 1.0)])
    second = rows_of_prices([(*flat, 1.0), (*flat, 777.0), (*flat, 1.0)])
    result = assert_shared_account_agrees(Group(case, 2), [first, second])
    assert [fill.kind for fill in result.symbols["S0"].fills] == ["market", "target"]
    assert [item.outcome for item in result.symbols["S1"].decisions][1] == "deployed limit"
    assert not result.symbols["S1"].fills


def test_settings_of_a_case_reach_the_engine_whole():
    case = Case(execution=Execution(delay_bars=3))
    assert set(case.settings()["execution"]) == set(asdict(Execution())) - {"tick_size"}
