"""The engine trades as a plain event loop does: every decision, order, fill, trade, equity and metric.

The oracle in ``tests/oracles/event_loop.py`` shares no code with the engine. Times and quantities must be
equal; prices and money to 1e-9, because the indicators' formulas round differently. For the same reason
thresholds on R squared are no round numbers: one step in a flat window explains exactly 0.6 of it.
FLUXHERO_FUZZ sets how many random markets each property tries.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxhero.engine.sweep import sweep
from fluxhero.tests.oracles.agreement import Case, assert_backtest_agrees, assert_metrics_agree
from fluxhero.tests.oracles.coarse_bars import LENGTHS_NS, Bar, Row
from fluxhero.tests.oracles.event_loop import Costs, Execution, Result, Risk
from fluxhero.tests.oracles.markets import Weather, rows_of_prices
from fluxhero.tests.oracles.settings_of_trading import (
    BORROWED,
    BROKER,
    BY_SIZE,
    EXCHANGE,
    PER_ORDER,
    bracket_params,
    executions,
    ranked_params,
    risks_of_trading,
)

pytestmark = pytest.mark.usefixtures("one_loop_for_all")

TIMEFRAMES = tuple(LENGTHS_NS)
HOUR_NS = LENGTHS_NS["1h"]

# -- Markets with a name --------------------------------------------------------------------------

RUINOUS = Costs(1.0, 300.0, 0.05, slippage=0.05, impact=0.05, impact_participation=0.001)
INTEREST = Risk(cash_rate=0.04, risk_free_rate=0.04)
ALL_IN = Risk(max_position=1.0, max_deployed=1.0, cash_rate=0.04, risk_free_rate=0.02)

# Short lookbacks and wide gates, so that a few sessions hold many trades of both modes.
EAGER = {
    "kama_lookback": 4,
    "atr_lookback": 3,
    "entry_atr": 0.2,
    "regression_lookback": 8,
    "adx_lookback": 3,
    "rsi_lookback": 4,
    "rsi_low": 45.0,
    "rsi_high": 60.0,
    "band_lookback": 6,
    "band_width": 1.0,
    "trend_adx": 20.0,
    "trend_r2": 0.31,
    "reversion_adx": 20.0,
    "reversion_r2": 0.31,
    "confirm": 2,
}
TIGHT = {"stop": 0.003, "target": 0.01}


def _stops(result: Result) -> int:
    return sum(fill.kind == "stop" for fill in result.fills)


def _outcomes(result: Result, outcome: str) -> int:
    return sum(decision.outcome == outcome for decision in result.decisions)


def _orders(result: Result, outcome: str) -> int:
    return sum(order.outcome == outcome for order in result.orders)


def _gapped(case: Case, result: Result) -> int:
    """Stops that were passed by an open: sold there, not at the stop."""
    opens = {row.ts_ns: row.bar.open for row in case.rows() if row.bar is not None}
    reference = [(fill, fill.price / (1.0 - case.costs.slippage)) for fill in result.fills]
    return sum(f.kind == "stop" and abs(price / opens[f.ts_ns] - 1) < 1e-12 for f, price in reference)


def _decided_in_a_halt(case: Case, result: Result) -> int:
    """Orders decided on a row without a bar."""
    missing = {row.ts_ns for row in case.rows() if row.bar is None}
    return sum(order.ts_ns in missing for order in result.orders)


def _longest_wait(result: Result) -> int:
    """Nanoseconds from an order to its fill."""
    filled = [order for order in result.orders if order.outcome == "filled"]
    at_open = [fill for fill in result.fills if fill.kind == "market"]
    return max(fill.ts_ns - order.ts_ns for fill, order in zip(at_open, filled, strict=True))


def _modes(result: Result) -> set[int]:
    return {trade.mode for trade in result.trades}


# Name -> a case, and how much of what it is about must happen in it at least.
Check = Callable[[Case, Result], Any]
SCENARIOS: dict[str, tuple[Case, Check]] = {
    "both modes, quarters of an hour": (
        Case(params=EAGER, weather=Weather(drift=0.002), costs=BROKER, risk=INTEREST, n_sessions=8),
        lambda case, result: _modes(result) == {1, 2},
    ),
    "gaps through stops": (
        Case("always_in", TIGHT, Weather(gap_chance=0.05), costs=BROKER, decision_timeframe="1m"),
        lambda case, result: _gapped(case, result) >= 5,
    ),
    "missing bars": (
        Case("sma_cross_trail", weather=Weather(missing_chance=0.4), costs=BROKER, n_sessions=6),
        lambda case, result: len(result.trades) >= 5,
    ),
    "halts over decisions": (
        Case("sma_cross_trail", weather=Weather(halt_chance=0.05, halt_bars=12), n_sessions=8),
        lambda case, result: _decided_in_a_halt(case, result) >= 2,
    ),
    "orders wait out a halt": (
        Case("sma_cross_trail", weather=Weather(halt_chance=0.02, halt_bars=120), n_sessions=12),
        lambda case, result: _longest_wait(result) >= HOUR_NS,
    ),
    "rows absent from the grid": (
        Case("daily_filter", weather=Weather(absent_chance=0.3), n_sessions=12, risk=INTEREST),
        lambda case, result: len(result.trades) >= 2,
    ),
    "half sessions": (
        Case(params=EAGER, weather=Weather(half_session_chance=0.5), n_sessions=10, risk=INTEREST),
        lambda case, result: len(result.trades) >= 5,
    ),
    "wild prices": (
        Case("always_in", {"stop": 0.1}, Weather(volatility=0.1), costs=BROKER, risk=INTEREST),
        lambda case, result: _stops(result) >= 10,
    ),
    "tiny prices": (
        Case(params=EAGER, weather=Weather(start_price=0.0003), costs=EXCHANGE, n_sessions=8),
        lambda case, result: len(result.trades) >= 5,
    ),
    "a share that the account cannot buy": (
        Case("always_in", weather=Weather(start_price=750_000.0), risk=INTEREST),
        lambda case, result: not result.fills and _outcomes(result, "no size") >= 50,
    ),
    "costs that eat the account": (
        Case("always_in", {"stop": 0.0005, "risk": 1.0}, costs=RUINOUS, risk=ALL_IN, initial_cash=1e4),
        lambda case, result: result.metrics["final_equity"] < 5_000.0,
    ),
    "orders cut by cash": (
        Case("always_in", {"stop": 0.003, "risk": 1.0}, costs=EXCHANGE, risk=ALL_IN, n_sessions=8),
        lambda case, result: _orders(result, "cut") >= 10,
    ),
    "orders dropped for want of cash": (
        Case(
            "always_in",
            {"stop": 0.01, "risk": 1.0},
            decision_timeframe="1m",
            costs=PER_ORDER,
            risk=ALL_IN,
            initial_cash=105.0,
        ),
        lambda case, result: _orders(result, "dropped") >= 10,
    ),
    "no costs": (
        Case("sma_cross_trail", n_sessions=6, risk=INTEREST),
        lambda case, result: len(result.trades) >= 5 and result.metrics["costs_paid"] == 0.0,
    ),
    "a fee per order": (
        Case("sma_cross_trail", n_sessions=6, costs=PER_ORDER),
        lambda case, result: result.metrics["costs_paid"] == len(result.fills) >= 10,
    ),
    "orders that move the market": (
        Case("sma_cross_trail", weather=Weather(volume=100.0), n_sessions=6, costs=BROKER),
        lambda case, result: any(f.slippage > 0.0005 * f.qty * f.price for f in result.fills),
    ),
    "fractions of a coin, basis points": (
        Case(
            "sma_cross_trail",
            weather=Weather(start_price=30_000.0, volatility=0.01),
            timeframe="5m",
            decision_timeframe="1h",
            calendar="24/7",
            costs=EXCHANGE,
            n_sessions=6,
            lot_size=1e-8,
        ),
        lambda case, result: len(result.trades) >= 5,
    ),
    "no delay": (
        Case("sma_cross_trail", delay_s=0.0, n_sessions=6),
        lambda case, result: result.fills[0].ts_ns - result.orders[0].ts_ns == LENGTHS_NS["1m"],
    ),
    "a minute of delay": (
        Case("sma_cross_trail", delay_s=60.0, n_sessions=6),
        lambda case, result: result.fills[0].ts_ns - result.orders[0].ts_ns == 2 * LENGTHS_NS["1m"],
    ),
    "exits cancelled by the stop": (
        Case("always_in", {"stop": 0.02, "target": 0.001}, Weather(volatility=0.02), delay_s=600.0),
        lambda case, result: _orders(result, "cancelled") >= 1,
    ),
    "hours": (
        Case(params=EAGER, timeframe="1h", decision_timeframe="1h", n_sessions=60, costs=BROKER),
        lambda case, result: len(result.trades) >= 10,
    ),
    "hours decided on minutes' bars": (
        Case(params=EAGER, decision_timeframe="1h", n_sessions=14, costs=BROKER, risk=INTEREST),
        lambda case, result: len(result.trades) >= 3,
    ),
    "days": (
        Case(params=EAGER, timeframe="1d", decision_timeframe="1d", n_sessions=300, risk=INTEREST),
        lambda case, result: len(result.trades) >= 10,
    ),
    "days decided on 5-minute bars": (
        Case("sma_cross_trail", timeframe="5m", decision_timeframe="1d", n_sessions=50, costs=BROKER),
        lambda case, result: len(result.trades) >= 2,
    ),
    "daily features for minutes": (
        Case("daily_filter", {"stop_days": 0.2}, decision_timeframe="1m", n_sessions=8, costs=BROKER),
        lambda case, result: len(result.trades) >= 5,
    ),
    "features of two clocks, hourly decisions": (
        Case("two_clocks", timeframe="5m", decision_timeframe="1h", n_sessions=20, costs=BROKER),
        lambda case, result: len(result.trades) >= 3,
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_agrees_with_the_event_loop(name):
    case, happens = SCENARIOS[name]
    result = assert_backtest_agrees(case)
    assert happens(case, result), f"{name}: the market does not show what it is named for"


# -- Rows made by hand ----------------------------------------------------------------------------


def _at(rows: Sequence[Row], row: int, bar: Bar | None) -> list[Row]:
    return [replace(item, bar=bar) if i == row else item for i, item in enumerate(rows)]


def test_daily_order_fills_on_the_half_day_that_follows():
    case = Case("always_in", TIGHT, timeframe="1d", decision_timeframe="1d")
    rows = [replace(row, bar=Bar(100.0, 101.0, 99.9, 100.5, 1e6)) for row in case.rows()]
    half = [
        replace(row, ts_ns=row.ts_ns - 3 * HOUR_NS, session_close_ns=row.ts_ns - 3 * HOUR_NS) for row in rows
    ]
    result = assert_backtest_agrees(case, [rows[0], half[1], *rows[2:]])
    assert result.fills[0].ts_ns == half[1].ts_ns


def test_order_fills_on_a_last_bar_cut_short_by_the_session():
    """In winter the 4-hour bars of a New York session end at 16:00, 20:00 and 21:00 UTC."""
    close_ns = 19_723 * LENGTHS_NS["1d"] + 21 * HOUR_NS
    bar = Bar(100.0, 101.0, 99.9, 100.5, 1e6)
    rows = [Row(close_ns - hours * HOUR_NS, close_ns, bar) for hours in (5, 1, 0)]
    case = Case("always_in", {"stop": 0.5}, timeframe="4h", decision_timeframe="4h")
    late = [replace(rows[0], bar=None), *rows[1:]]
    assert assert_backtest_agrees(case, late).fills[0].ts_ns == close_ns


def test_feature_of_the_market_s_own_timeframe_outlives_a_missing_bar():
    """The last finished quarter of an hour is known, whether or not anybody traded in this one."""
    case = Case("two_clocks", timeframe="15m", decision_timeframe="1h", calendar="24/7", n_sessions=2)
    rows = _at(case.rows(), 95, None)  # midnight: an hour, a day and a 4-hour bar end here
    result = assert_backtest_agrees(case, rows)
    assert {d.outcome for d in result.decisions if d.ts_ns == rows[95].ts_ns} != {"unknown feature"}


def test_exit_cancelled_by_the_stop_is_not_working():
    flat, fall = (100.0, 101.0, 99.9, 100.5, 1e6), (90.0, 90.0, 80.0, 85.0, 1e6)
    case = Case("always_in", {"stop": 0.05, "target": 0.0}, timeframe="1h", decision_timeframe="4h")
    case = replace(case, calendar="24/7", delay_s=3_600.0)
    rows = rows_of_prices([*[flat] * 8, fall])
    assert [o.outcome for o in assert_backtest_agrees(case, rows).orders] == ["filled", "cancelled"]


def test_drawdown_counts_interest_that_is_paid():
    risk = Risk(cash_rate=-0.1)
    result = assert_backtest_agrees(Case("always_in", {"stop": 0.0}, risk=risk, n_sessions=3))
    worst = min(result.equity) / 100_000.0 - 1.0
    assert worst < 0.0
    assert result.metrics["max_drawdown"] == pytest.approx(worst, rel=1e-12)


# -- Markets that nobody chose --------------------------------------------------------------------

ladder = st.sampled_from(TIMEFRAMES)
weathers = st.builds(
    Weather,
    start_price=st.sampled_from((0.0003, 25.0, 100.0, 3_000.0, 750_000.0)),
    volatility=st.sampled_from((0.0005, 0.004, 0.03, 0.1)),
    drift=st.sampled_from((0.0, 0.001, 0.01)),
    phase_bars=st.sampled_from((10, 60)),
    session_gap=st.sampled_from((0.0, 0.01, 0.1)),
    gap_chance=st.sampled_from((0.0, 0.02)),
    gap_size=st.just(0.1),
    missing_chance=st.sampled_from((0.0, 0.05, 0.4)),
    halt_chance=st.sampled_from((0.0, 0.01, 0.03)),
    halt_bars=st.sampled_from((5, 40, 200)),
    absent_chance=st.sampled_from((0.0, 0.02, 0.3)),
    half_session_chance=st.sampled_from((0.0, 0.3)),
    volume=st.sampled_from((0.4, 100.0, 10_000.0, 1e7)),
    has_flat_phases=st.booleans(),
)
costs = st.sampled_from(
    (Costs(), BROKER, EXCHANGE, PER_ORDER, RUINOUS, BORROWED, BY_SIZE, Costs(0.0, 1_000.0))
)
risks = st.builds(
    Risk,
    max_position=st.sampled_from((0.2, 0.5, 1.0)),
    max_deployed=st.sampled_from((0.3, 1.0)),
    cash_rate=st.sampled_from((-0.1, 0.0, 0.04, 1.0)),
    risk_free_rate=st.sampled_from((0.0, 0.04)),
)
some_executions = st.one_of(st.just(Execution()), executions)
PARAMS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "dual_mode": {
        "mode": st.sampled_from((0, 0, 0, 1, 2)),
        "kama_lookback": st.integers(2, 12),
        "atr_lookback": st.integers(1, 14),
        "entry_atr": st.sampled_from((0.0, 0.2, 0.5)),
        "exit_atr": st.sampled_from((0.0, 0.3)),
        "trail_atr": st.sampled_from((0.3, 1.0, 2.5)),
        "trend_risk": st.sampled_from((0.0005, 0.01, 0.05)),
        "rsi_lookback": st.integers(2, 14),
        "rsi_low": st.sampled_from((30.0, 45.0)),
        "rsi_high": st.sampled_from((55.0, 70.0)),
        "band_lookback": st.integers(2, 20),
        "band_width": st.sampled_from((0.51, 1.03, 2.0)),
        "reversion_stop": st.sampled_from((0.002, 0.01, 0.03, 0.2)),
        "adx_lookback": st.integers(2, 8),
        "regression_lookback": st.integers(3, 20),
        "trend_adx": st.sampled_from((21.7, 39.1)),
        "trend_r2": st.sampled_from((0.311, 0.617)),
        "reversion_adx": st.sampled_from((5.3, 20.9)),
        "reversion_r2": st.sampled_from((0.053, 0.297)),
        "confirm": st.integers(1, 3),
    },
    "sma_cross_trail": {
        "fast": st.integers(1, 4),
        "slow": st.integers(4, 12),
        "stop_atr": st.sampled_from((0.1, 0.5, 2.0, 8.0)),
        "risk": st.sampled_from((0.001, 0.05, 0.5)),
    },
    "always_in": {
        "stop": st.sampled_from((0.0, 0.0005, 0.003, 0.02, 0.3)),
        "risk": st.sampled_from((0.001, 0.05, 1.0)),
        "target": st.sampled_from((0.0, 0.01, 0.05, 1.0)),
    },
    "daily_filter": {
        "days": st.integers(1, 3),
        "lookback": st.integers(1, 6),
        "stop_days": st.sampled_from((0.05, 0.5, 2.0)),
        "risk": st.sampled_from((0.001, 0.05, 0.5)),
    },
    "swing": {
        "stop": st.sampled_from((0.0, 0.0005, 0.003, 0.02, 0.3)),
        "risk": st.sampled_from((0.001, 0.05, 1.0)),
        "target": st.sampled_from((0.0, 0.01, 0.05, 1.0)),
        "trail": st.sampled_from((0.0, 0.001, 0.02, 0.3)),
    },
    "bracket": bracket_params,
    "ranked": ranked_params,
    "two_clocks": {
        "short": st.integers(1, 5),
        "long": st.integers(1, 3),
        "stop": st.sampled_from((0.1, 0.5, 2.0, 8.0)),
        "risk": st.sampled_from((0.001, 0.05, 0.5)),
    },
}
SESSION_BARS = {"1m": 390, "5m": 78, "15m": 26, "30m": 13, "1h": 7, "4h": 3, "1d": 1}


@st.composite
def cases(draw: st.DrawFn, max_rows: int = 2_500) -> Case:
    """Any strategy on any market on any pair of clocks."""
    strategy = draw(st.sampled_from(sorted(PARAMS)))
    shortest = TIMEFRAMES[:3] if strategy == "two_clocks" else TIMEFRAMES
    timeframe = draw(st.sampled_from(shortest))
    calendar = draw(st.sampled_from(("XNYS", "24/7")))
    session_bars = SESSION_BARS[timeframe] * (4 if calendar == "24/7" else 1)
    weather, drawn_costs = draw(weathers), draw(costs)
    if drawn_costs.impact_model == "square_root":  # of a market so thin it would cost more than the price
        weather = replace(weather, start_price=max(weather.start_price, 25.0), volume=1e4)
    return Case(
        strategy=strategy,
        params=draw(st.fixed_dictionaries(PARAMS[strategy])),
        weather=weather,
        seed=draw(st.integers(0, 10**6)),
        timeframe=timeframe,
        decision_timeframe=draw(st.sampled_from(TIMEFRAMES[TIMEFRAMES.index(timeframe) :])),
        calendar=calendar,
        n_sessions=max(2, min(300, draw(st.integers(max_rows // 4, max_rows)) // session_bars)),
        costs=drawn_costs,
        risk=draw(st.one_of(risks, risks_of_trading)),
        execution=draw(some_executions),
        initial_cash=draw(st.sampled_from((500.0, 1e4, 1e5, 1e6))),
        delay_s=draw(st.sampled_from((0.0, 60.0, 120.0, 900.0, 7_200.0, 86_400.0))),
        # Smaller lots count beyond what two different roundings can agree on.
        lot_size=draw(st.sampled_from((1.0, 1e-3))),
    )


@settings(max_examples=3 * settings.default.max_examples)
@given(case=cases())
def test_random_market_agrees_with_the_event_loop(case):
    assert_backtest_agrees(case)


ticks = st.integers(90, 110)
volumes = st.sampled_from((0.0, 50.0, 1_000.0, 1e6))


@st.composite
def quotes(draw: st.DrawFn) -> tuple[float, float, float, float, float] | None:
    """A bar of few whole prices, where stops, opens and lows often coincide; or none."""
    if draw(st.integers(0, 9)) == 0:
        return None
    prices = draw(st.tuples(ticks, ticks, ticks, ticks))
    return (float(prices[0]), float(max(prices)), float(min(prices)), float(prices[3]), draw(volumes))


@settings(max_examples=3 * settings.default.max_examples)
@given(
    bars=st.lists(quotes(), min_size=2, max_size=60).filter(any),
    decision_timeframe=st.sampled_from(("1h", "4h", "1d")),
    strategy=st.sampled_from(("always_in", "swing")),
    stop=st.sampled_from((0.0, 0.01, 0.02, 0.05)),
    target=st.sampled_from((0.0, 0.05)),
    costs=costs,
    delay_s=st.sampled_from((0.0, 60.0, 7_200.0)),
)
def test_bars_of_whole_prices_agree_with_the_event_loop(
    bars, decision_timeframe, strategy, stop, target, costs, delay_s
):
    case = Case(
        strategy,
        {"stop": stop, "target": target},
        timeframe="1h",
        decision_timeframe=decision_timeframe,
        calendar="24/7",
        costs=costs,
        risk=ALL_IN,
        initial_cash=10_000.0,
        delay_s=delay_s,
    )
    assert_backtest_agrees(case, rows_of_prices(bars))


@settings(max_examples=3 * settings.default.max_examples)
@given(
    quotes=st.lists(quotes(), min_size=2, max_size=80).filter(any),
    answers=st.lists(st.integers(0, 95), min_size=80, max_size=80),
    decision_timeframe=st.sampled_from(("1h", "1h", "4h")),
    params=st.fixed_dictionaries(bracket_params | {"offset": st.sampled_from((-0.01, 0.0, 0.01, 0.02))}),
    stop=st.sampled_from((0.01, 0.02, 0.05)),
    execution=executions,
    risk=risks_of_trading,
)
def test_orders_on_bars_of_whole_prices_agree_with_the_event_loop(
    quotes, answers, decision_timeframe, params, stop, execution, risk
):
    case = Case(
        "bracket",
        params | {"stop": stop},
        timeframe="1h",
        decision_timeframe=decision_timeframe,
        calendar="24/7",
        execution=execution,
        risk=risk,
        delay_s=0.0,
    )
    drawn = zip(quotes, answers, strict=False)
    bars = [None if quote is None else (*quote[:4], float(answer)) for quote, answer in drawn]
    assert_backtest_agrees(case, rows_of_prices(bars))


# -- Sweeps ---------------------------------------------------------------------------------------


@st.composite
def trials_of(draw: st.DrawFn, case: Case) -> list[Case]:
    """Variants of a case that one sweep can hold: other parameters, costs and limits of the same kinds."""
    trials = []
    same_model = costs.filter(lambda drawn: drawn.impact_model == case.costs.impact_model)
    for _ in range(draw(st.integers(2, 6))):
        limits = draw(risks)
        moved = {name: getattr(limits, name) for name in ("max_position", "max_deployed", "cash_rate")}
        trial = replace(
            case,
            params=draw(st.fixed_dictionaries(PARAMS[case.strategy])),
            costs=draw(same_model),
            risk=replace(case.risk, **moved),
        )
        trials.append(trial)
    return trials


def _as_table(trials: Sequence[Case]) -> dict[str, list[float]]:
    """Every number of the trials; what is switched off, or a word, is the same in all of them."""
    flat = [
        {**trial.params}
        | {f"costs.{name}": value for name, value in asdict(trial.costs).items()}
        | {f"risk.{name}": value for name, value in asdict(trial.risk).items()}
        for trial in trials
    ]
    names = [name for name, value in flat[0].items() if isinstance(value, int | float)]
    return {name: [row[name] for row in flat] for name in names}


def _metrics(cell: Any) -> dict[str, float]:
    return {str(name): float(cell[name]) for name in cell.data_vars}


@settings(max_examples=max(1, settings.default.max_examples // 2))
@given(data=st.data())
def test_cells_of_a_sweep_agree_with_the_event_loop(data):
    case = data.draw(cases(max_rows=1_500))
    trials = data.draw(trials_of(case))
    symbols = [case.rows(symbol) for symbol in range(2)]
    cube = sweep(case.loaded(), case.market(symbols), trials=_as_table(trials), **case.settings())
    for s, rows in enumerate(symbols):
        for t, trial in enumerate(trials):
            cell = cube.isel(symbol=s, trial=t)
            assert_metrics_agree(
                {str(name): float(cell[name]) for name in cell.data_vars}, trial.oracle(rows, f"S{s}").metrics
            )


def test_every_cell_of_a_grid_agrees_with_the_event_loop():
    case = Case(params=EAGER, weather=Weather(drift=0.002), costs=BROKER, risk=INTEREST, n_sessions=5)
    rows = case.rows()
    axes = {"trail_atr": [0.5, 1.0, 2.5], "costs.slippage": [0.0, 0.0005], "kama_lookback": [4, 9]}
    cube = sweep(
        "dual_mode",
        case.market([rows]),
        grid=axes,
        params={name: value for name, value in EAGER.items() if name not in axes},
        **case.settings(),
    )
    for trail in axes["trail_atr"]:
        for slippage in axes["costs.slippage"]:
            for lookback in axes["kama_lookback"]:
                params = EAGER | {"trail_atr": trail, "kama_lookback": lookback}
                trial = replace(case, params=params, costs=replace(BROKER, slippage=slippage))
                at = {"trail_atr": trail, "costs.slippage": slippage, "kama_lookback": lookback}
                cell = cube.isel(symbol=0).sel(at)
                assert_metrics_agree(
                    {str(n): float(cell[n]) for n in cell.data_vars}, trial.oracle(rows).metrics
                )
