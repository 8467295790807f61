"""Orders, fills, sizes and limits in the engine as in the event loop: markets that show each of them.

`test_oracle_parity.py` has the markets that nobody chose.
"""

from collections.abc import Callable
from typing import Any

import pytest

from fluxhero.tests.oracles.agreement import Case, assert_backtest_agrees
from fluxhero.tests.oracles.event_loop import Execution, Result, Risk
from fluxhero.tests.oracles.markets import Weather
from fluxhero.tests.oracles.settings_of_trading import BROKER, BY_SIZE

pytestmark = pytest.mark.usefixtures("one_loop_for_all")

ROOMY = Risk(0.5, 1.0)
BRACKET = {"stop": 0.01, "target": 0.008, "offset": 0.002}
TRAILING = {"stop": 0.01, "target": 0.0, "trailing": 0.006, "offset": 0.002}


def bracket(params: dict[str, float], **settings: Any) -> Case:
    """A fortnight of five-minute bars, every one decided on."""
    settings = {"timeframe": "5m", "decision_timeframe": "5m", "n_sessions": 10, "risk": ROOMY} | settings
    return Case("bracket", params, settings.pop("weather", Weather()), **settings)


def _outcomes(result: Result) -> set[str]:
    return {decision.outcome for decision in result.decisions}


def _orders(result: Result) -> set[str]:
    return {order.outcome for order in result.orders}


def _kinds(result: Result) -> set[str]:
    return {fill.kind for fill in result.fills}


def _in_parts(result: Result) -> int:
    return sum(len(trade.entries) > 1 or len(trade.exits) > 1 for trade in result.trades)


EVERY_KIND = {"market", "limit", "stop entry", "stop limit", "stop", "target"}
Check = Callable[[Result], Any]
SCENARIOS: dict[str, tuple[Case, Check]] = {
    "every kind of order": (
        bracket(BRACKET, costs=BROKER),
        lambda result: (
            _kinds(result) == EVERY_KIND
            and _orders(result) >= {"filled", "cancelled", "replaced"}
            and _outcomes(result) >= {"contradictory", "nothing to cancel", "flat", "holding", "no stop"}
        ),
    ),
    "target first": (
        bracket(BRACKET, execution=Execution(intrabar="target_first", limit_fill="touch")),
        lambda result: _kinds(result) == EVERY_KIND,
    ),
    "along the path": (
        bracket(BRACKET, execution=Execution(intrabar="path", limit_gap="limit")),
        lambda result: _kinds(result) == EVERY_KIND,
    ),
    "at the close": (
        bracket(BRACKET, execution=Execution(timing="close"), costs=BROKER),
        lambda result: _kinds(result) == EVERY_KIND,
    ),
    "trailing stops": (
        bracket(TRAILING, costs=BROKER),
        lambda result: sum(fill.kind == "stop" for fill in result.fills) >= 20,
    ),
    "orders that let bars pass": (
        bracket(BRACKET, execution=Execution(delay_bars=2)),
        lambda result: "waiting" in _outcomes(result) and len(result.trades) >= 10,
    ),
    "day orders": (
        bracket(
            BRACKET | {"offset": 0.01, "patience": 10.0},
            timeframe="1h",
            decision_timeframe="1h",
            n_sessions=60,
        ),
        lambda result: "expired" in _orders(result),
    ),
    "day orders that let bars pass, on rows that are absent at times": (
        bracket(
            BRACKET | {"offset": 0.01, "patience": 6.0},
            timeframe="1h",
            decision_timeframe="1h",
            n_sessions=60,
            execution=Execution(delay_bars=2),
            weather=Weather(absent_chance=0.2),
        ),
        lambda result: _orders(result) >= {"expired", "replaced", "filled"},
    ),
    "fractions in parts": (
        bracket(
            BRACKET,
            weather=Weather(volume=20.0),
            execution=Execution(participation=0.2, timing="close"),
            lot_size=0.001,
            risk=Risk(0.1, 1.0),
        ),
        lambda result: _in_parts(result) >= 10,
    ),
    "trailing stops on ticks": (
        bracket(TRAILING, execution=Execution(tick_rounding=True, tick_size=0.05)),
        lambda result: sum(fill.kind == "stop" for fill in result.fills) >= 20,
    ),
    "fills in parts": (
        bracket(BRACKET, weather=Weather(volume=200.0), execution=Execution(participation=0.2), costs=BROKER),
        lambda result: _in_parts(result) >= 10 and any(f.reason == -3 for f in result.fills),
    ),
    "missed fills": (
        bracket(BRACKET, execution=Execution(missed_fills=0.3, seed=5)),
        lambda result: "missed" in _orders(result),
    ),
    "impact by the root of the size": (
        bracket(BRACKET, costs=BY_SIZE, execution=Execution(cost_multiple=2.0)),
        lambda result: len({round(f.slippage / f.qty / f.price, 6) for f in result.fills}) >= 10,
    ),
    "prices on ticks": (
        bracket(BRACKET, execution=Execution(tick_rounding=True, tick_size=0.05)),
        lambda result: _kinds(result) == EVERY_KIND,
    ),
    "a stop of the platform's own": (
        bracket(BRACKET, risk=Risk(0.5, 1.0, stop_atr=2.0, max_stop=0.02), weather=Weather(volatility=0.008)),
        lambda result: "stop too far" in _outcomes(result),
    ),
    "sizes by volatility": (
        bracket(
            BRACKET,
            risk=Risk(0.5, 1.0, sizing="volatility"),
            timeframe="1h",
            decision_timeframe="1h",
            n_sessions=60,
        ),
        lambda result: "no volatility" in _outcomes(result) and len(result.trades) >= 10,
    ),
    "sizes by Kelly": (
        bracket(BRACKET, risk=Risk(1.0, 1.0, sizing="kelly"), n_sessions=20),
        lambda result: len(result.trades) >= 40,
    ),
    "no edge for Kelly": (
        bracket({"stop": 0.003, "target": 0.004}, risk=Risk(1.0, 1.0, sizing="kelly"), costs=BROKER),
        lambda result: len(result.trades) >= 20 and "no size" in _outcomes(result),
    ),
    "equal sizes": (
        bracket(BRACKET, risk=Risk(1.0, 1.0, sizing="equal", max_positions=3)),
        lambda result: len(result.trades) >= 10,
    ),
    "a few trades a session": (
        bracket(BRACKET, risk=Risk(0.5, 1.0, max_trades=2)),
        lambda result: "too many trades" in _outcomes(result),
    ),
    "a limit on what is open": (
        bracket(BRACKET, risk=Risk(0.5, 1.0, max_open_risk=0.0001)),
        lambda result: len(result.trades) >= 10 and max(order.qty for order in result.orders) < 20.0,
    ),
    "a loss that ends the day": (
        bracket(BRACKET, risk=Risk(0.5, 1.0, daily_loss=0.002), costs=BROKER),
        lambda result: "halted" in _outcomes(result) and any(f.reason == -1 for f in result.fills),
    ),
    "a drawdown that halts two sessions": (
        bracket(BRACKET, risk=Risk(0.5, 1.0, drawdown_halt=0.004, halt_sessions=2), costs=BROKER),
        lambda result: "halted" in _outcomes(result) and any(f.reason == -2 for f in result.fills),
    ),
    "smaller in a drawdown": (
        bracket(BRACKET, risk=Risk(0.5, 1.0, drawdown_reduce=0.001), costs=BROKER),
        lambda result: len(result.trades) >= 10,
    ),
    "coins": (
        bracket(BRACKET, calendar="24/7", risk=Risk(0.5, 1.0, max_crypto=0.1), lot_size=1e-3, n_sessions=4),
        lambda result: len(result.trades) >= 10,
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_orders_of_a_scenario_agree_with_the_event_loop(name: str) -> None:
    case, happens = SCENARIOS[name]
    result = assert_backtest_agrees(case)
    assert happens(result), f"{name}: the market does not show what it is named for"
