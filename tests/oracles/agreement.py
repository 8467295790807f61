"""Whether the engine did what the oracle did: a case that both run, and the comparison of all they tell.

Times and quantities must be equal; prices and money to 1e-9, because the indicators' formulas round
differently.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fluxhero.engine.backtest import backtest
from fluxhero.engine.strategy import Strategy, load_strategy
from fluxhero.tests.oracles.coarse_bars import LENGTHS_NS, Row
from fluxhero.tests.oracles.event_loop import (
    Costs,
    Decision,
    Execution,
    Fill,
    Order,
    Result,
    Risk,
    run_event_loop,
)
from fluxhero.tests.oracles.markets import Weather, market_of, random_grid, random_rows
from fluxhero.tests.oracles.small_rules import RULES
from fluxhero.tests.oracles.trading_records import DAILY_LOSS, DRAWDOWN, REST_OF_STOP, Tables

FILES = Path(__file__).parents[1] / "data" / "strategies"
TOLERANCE = 1e-9

OUTCOMES = {
    "none": "none",
    "accepted": "accepted",
    "waiting": "waiting: an order is still working",
    "unknown feature": "waiting: a feature is not known yet",
    "holding": "denied: a position is open",
    "stopped out": "denied: stopped out since the last decision",
    "no stop": "denied: no valid stop",
    "no size": "denied: size below one lot",
    "flat": "denied: nothing to close",
    "halted": "denied: trading is halted",
    "contradictory": "denied: prices contradict each other",
    "stop too far": "denied: stop too far away",
    "too many trades": "denied: no more trades this session",
    "no volatility": "denied: no volatility known yet",
    "class limit": "denied: asset class limit",
    "sector limit": "denied: sector limit",
    "position limit": "denied: no more positions",
    "open risk limit": "denied: open risk limit",
    "deployed limit": "denied: deployed limit",
    "cash limit": "denied: cash",
    "nothing to cancel": "denied: nothing to cancel",
}
NOT_OF_RULES = {DAILY_LOSS: "daily loss limit", DRAWDOWN: "drawdown limit", REST_OF_STOP: "protective stop"}
LEGS = ("stop", "target")  # kinds of orders that no decision made: they come with an entry


@dataclass(frozen=True)
class Case:
    """A market and everything that is traded on it."""

    strategy: str = "dual_mode"
    params: Mapping[str, float] = field(default_factory=dict)
    weather: Weather = field(default_factory=Weather)
    seed: int = 0
    timeframe: str = "1m"
    decision_timeframe: str = "15m"
    calendar: str = "XNYS"
    n_sessions: int = 4
    costs: Costs = field(default_factory=Costs)
    risk: Risk = field(default_factory=Risk)
    execution: Execution = field(default_factory=Execution)
    initial_cash: float = 100_000.0
    delay_s: float = 60.0
    lot_size: float = 1.0

    @property
    def allowed_delay_s(self) -> float:
        """The delay, cut to what the engine takes: it must be over when the next decision is made."""
        bar, decision = LENGTHS_NS[self.timeframe], LENGTHS_NS[self.decision_timeframe]
        if self.timeframe == self.decision_timeframe or self.decision_timeframe == "1d":
            return self.delay_s
        return min(self.delay_s, (decision - bar) / 1e9)

    def loaded(self) -> Strategy:
        """The strategy: ours by name, the small ones by file."""
        path = FILES / f"{self.strategy}.py"
        return load_strategy(path if path.exists() else self.strategy)

    def rows(self, symbol: int = 0) -> list[Row]:
        grid = random_grid(
            self.seed,
            self.weather,
            timeframe=self.timeframe,
            calendar=self.calendar,
            n_sessions=self.n_sessions,
        )
        return random_rows(self.seed + 1000 * symbol, self.weather, grid)

    def settings(self) -> dict[str, Any]:
        return {
            "decision_timeframe": self.decision_timeframe,
            "costs": asdict(self.costs),
            "risk": asdict(self.risk),
            "execution": {k: v for k, v in asdict(self.execution).items() if k != "tick_size"},
            "initial_cash": self.initial_cash,
            "delay_s": self.allowed_delay_s,
        }

    def market(self, symbols: Sequence[Sequence[Row]]) -> Any:
        return market_of(
            symbols,
            timeframe=self.timeframe,
            calendar=self.calendar,
            lot_size=self.lot_size,
            tick_size=self.execution.tick_size,
        )

    def oracle(self, rows: Sequence[Row], symbol: str = "S0") -> Result:
        return run_event_loop(
            rows,
            RULES[self.strategy](self.loaded().check_params(self.params)),
            timeframe=self.timeframe,
            decision_timeframe=self.decision_timeframe,
            costs=self.costs,
            risk=self.risk,
            execution=self.execution,
            initial_cash=self.initial_cash,
            delay_s=self.allowed_delay_s,
            sessions_per_year=365 if self.calendar == "24/7" else 252,
            lots_per_unit=round(1.0 / self.lot_size),
            symbol=symbol,
            asset_class="crypto" if self.calendar == "24/7" else "equity",
        )


def assert_backtest_agrees(case: Case, rows: Sequence[Row] | None = None) -> Result:
    """Run both and compare everything; returns the oracle's result."""
    rows = case.rows() if rows is None else rows
    expected = case.oracle(rows)
    run = backtest(case.loaded(), case.market([rows]), params=dict(case.params), **case.settings())
    assert_tables_agree(run.decisions, run.orders, run.fills, run.trades, expected, case.loaded())
    assert_close("equity", run.equity.values[0], expected.equity, scale=case.initial_cash)
    assert_close("stop", run.stops.values[0], expected.stops)
    assert_metrics_agree({name: float(run.metrics[name].values[0]) for name in run.metrics}, expected.metrics)
    return expected


def assert_tables_agree(
    decisions: Any, orders: Any, fills: Any, trades: Any, expected: Tables, strategy: Strategy
) -> None:
    """Compare all that happened to one symbol."""
    _assert_decisions(decisions, expected, strategy)
    _assert_orders(orders, expected, strategy)
    _assert_fills(fills, expected, strategy)
    _assert_trades(trades, expected, strategy)


def _assert_decisions(found: Any, expected: Tables, strategy: Strategy) -> None:
    decisions = expected.decisions
    _assert_equal("decision time", _ns(found["time"]), [item.ts_ns for item in decisions])
    _assert_equal("outcome", found["outcome"], [OUTCOMES[item.outcome] for item in decisions])
    asked = [_answer(item, strategy) for item in decisions]
    _assert_equal("answer", zip(found["action"], found["reason"], strict=True), asked)
    _assert_equal("decided quantity", found["qty"], [item.qty for item in decisions])
    assert_close("stop after decision", found["stop_price"], [item.stop for item in decisions])
    for name in decisions[0].features if decisions else ():
        assert_close(f"feature {name}", found[name], [item.features[name] for item in decisions], scale=1e-9)


def _answer(decision: Decision, strategy: Strategy) -> tuple[str, str]:
    intent = decision.intent
    return ("hold", "") if intent is None else (intent.action, strategy.reason(intent.reason))


def _assert_orders(found: Any, expected: Tables, strategy: Strategy) -> None:
    is_rest = found["client_order_id"].str.endswith("-rest").astype(bool)
    found, orders = found[~found["kind"].isin(LEGS) & ~is_rest], expected.orders
    _assert_equal("order time", _ns(found["time"]), [order.ts_ns for order in orders])
    _assert_equal("order side", found["side"], [order.side for order in orders])
    _assert_equal("order quantity", found["qty"], [order.qty for order in orders])
    _assert_equal("order kind", found["kind"], [order.kind for order in orders])
    _assert_equal("order reason", found["reason"], [_reason(order.reason, strategy) for order in orders])
    words = [outcome.partition(":")[0] for outcome in found["outcome"]]
    _assert_equal("order outcome", words, [_order_outcome(order) for order in orders])


def _order_outcome(order: Order) -> str:
    """The outcome in the engine's words, without what follows a colon."""
    if order.outcome == "cut" or (order.outcome == "missed" and order.filled_qty > 0.0):
        return f"filled {order.filled_qty:g} of {order.qty:g}"
    return "rejected" if order.outcome == "dropped" else order.outcome


def _assert_fills(found: Any, expected: Tables, strategy: Strategy) -> None:
    fills = expected.fills
    _assert_equal("fill time", _ns(found["time"]), [fill.ts_ns for fill in fills])
    _assert_equal("fill kind", found["kind"], [fill.kind for fill in fills])
    _assert_equal("side", found["side"], [fill.side for fill in fills])
    _assert_equal("fill quantity", found["qty"], [fill.qty for fill in fills])
    _assert_equal("fill reason", found["reason"], [_fill_reason(fill, strategy) for fill in fills])
    assert_close("fill price", found["price"], [fill.price for fill in fills])
    notional = [fill.qty * fill.price for fill in fills]
    assert_close("fill cost", found["cost"], [f.commission + f.slippage for f in fills], scale=notional)


def _fill_reason(fill: Fill, strategy: Strategy) -> str:
    legs = {"stop": "protective stop", "target": "target"}
    return legs.get(fill.kind) or _reason(fill.reason, strategy)


def _reason(reason: int, strategy: Strategy) -> str:
    return NOT_OF_RULES[reason] if reason < 0 else strategy.reason(reason)


def _assert_trades(found: Any, expected: Tables, strategy: Strategy) -> None:
    trades = expected.trades
    _assert_equal("entry time", _ns(found["entry_time"]), [trade.entry.ts_ns for trade in trades])
    _assert_equal("exit time", _ns(found["exit_time"]), [trade.exit.ts_ns for trade in trades])
    _assert_equal("trade side", found["side"], [trade.entry.side for trade in trades])
    assert_close("trade quantity", found["qty"], [trade.qty for trade in trades])
    _assert_equal("mode", found["mode"], [strategy.mode(trade.mode) for trade in trades])
    assert_close("entry price", found["entry_price"], [trade.entry_price for trade in trades])
    assert_close("exit price", found["exit_price"], [trade.exit_price for trade in trades])
    paid = [trade.qty * trade.entry_price for trade in trades]
    assert_close("trade costs", found["costs"], [trade.costs for trade in trades], scale=paid)
    reasons = [(_fill_reason(trade.entry, strategy), _fill_reason(trade.exit, strategy)) for trade in trades]
    _assert_equal("reasons", zip(found["entry_reason"], found["exit_reason"], strict=True), reasons)
    assert_close("trade result", found["pnl"], [trade.pnl for trade in trades], scale=paid)


def assert_metrics_agree(found: Mapping[str, float], expected: Mapping[str, float]) -> None:
    assert set(found) == set(expected)
    assert found["n_trades"] == expected["n_trades"]
    for name, value in expected.items():
        assert_close(name, [found[name]], [value], scale=1.0)


def _assert_equal(what: str, found: Iterable[Any], expected: Sequence[Any]) -> None:
    found = list(found)
    for i, (one, other) in enumerate(zip(found, expected, strict=False)):
        assert one == other, f"{what} {i} of {len(expected)}: engine {one!r}, oracle {other!r}"
    assert len(found) == len(expected), f"{what}: engine has {len(found)}, oracle {len(expected)}"


def assert_close(what: str, found: Any, expected: Sequence[float], scale: Any = 0.0) -> None:
    """Equal to 1e-9 of the value, or of `scale` where that is larger; NaN equals NaN only."""
    one, other = np.asarray(found, dtype=np.float64), np.array(expected, dtype=np.float64)
    assert one.shape == other.shape, f"{what}: engine has {one.size} values, oracle {other.size}"
    limit = TOLERANCE * np.maximum(np.abs(other), scale)
    is_off = ~((np.abs(one - other) <= limit) | (one == other) | (np.isnan(one) & np.isnan(other)))
    i = int(np.argmax(is_off)) if is_off.size else 0
    assert not is_off.any(), f"{what} {i} of {one.size}: engine {one[i]!r}, oracle {other[i]!r}"


def _ns(times: Any) -> list[int]:
    return [int(value) for value in times.astype("datetime64[ns]").astype("int64")]
