"""A backtest as an event loop in plain Python: the slow, obvious twin of the engine.

Written from the rules of trading (SPEC 4, DESIGN 4 and 12) and not from the kernels: floats, lists and
dataclasses, one symbol, one account, one bar after the other. It knows no arrays, no lanes, no tiles.

One row of the time grid after the other:

1. settle: a working order at the open, then the protective stop against the low (of a short: the high);
2. mark to the close: highest high, lowest low, equity, drawdown;
3. decide, if a bar of the decision timeframe became complete on this row;
4. at the end of a session: interest on idle cash, the fee of what is sold short, and the session's return.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fluxhero.tests.oracles.coarse_bars import Bar, CoarseBars, Row
from fluxhero.tests.oracles.performance import performance

VOLUME_BARS = 20  # existing bars before a fill, whose mean volume an order is compared with


@dataclass(frozen=True)
class Costs:
    """What trading costs; the fields of the engine's settings."""

    commission_per_share: float = 0.0
    commission_per_order: float = 0.0
    commission_rate: float = 0.0
    slippage: float = 0.0
    impact: float = 0.0
    impact_participation: float = 0.1
    borrow_rate: float = 0.0


@dataclass(frozen=True)
class Risk:
    """What may be risked, and what idle money earns; the fields of the engine's settings."""

    max_position: float = 0.2
    max_deployed: float = 0.5
    cash_rate: float = 0.0
    risk_free_rate: float = 0.0


@dataclass(frozen=True)
class Intent:
    """What a rule wants."""

    action: str = "hold"  # hold, enter, enter_short, leave, trail
    reason: int = 0
    stop: float = math.nan
    stop_distance: float = math.nan
    risk: float = math.nan
    mode: int = 0


@dataclass
class Position:
    """What the account holds; the rule may look at it."""

    qty: float = 0.0  # below zero: sold short
    entry_price: float = math.nan
    stop: float = math.nan
    highest_high: float = math.nan
    lowest_low: float = math.nan
    mode: int = 0


class Rule(Protocol):
    """A trading rule with its features, fed bar by bar."""

    timeframes: tuple[str, ...]  # of features that do not live on the bars of decisions

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        """Take a finished bar; timeframe None is the decision's."""

    def features(self) -> dict[str, float]:
        """Everything that `decide` reads; NaN is unknown."""

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        """Answer for one finished bar."""


@dataclass
class Order:
    side: int
    qty: float
    ts_ns: int  # row of the decision
    reason: int
    stop_distance: float = math.nan
    mode: int = 0
    filled_qty: float = 0.0
    outcome: str = "working"  # working, filled, cut (less than asked for), dropped, cancelled


@dataclass(frozen=True)
class Fill:
    ts_ns: int
    side: int
    qty: float
    price: float
    commission: float
    slippage: float  # account currency
    kind: str  # market, stop
    reason: int
    bar_idx: int  # among the bars that exist


@dataclass(frozen=True)
class Trade:
    entry: Fill
    exit: Fill
    mode: int

    @property
    def pnl(self) -> float:
        paid = self.entry.qty * self.entry.price
        got = self.exit.qty * self.exit.price
        before_costs = got - paid if self.entry.side > 0 else paid - got
        return before_costs - self.entry.commission - self.exit.commission


@dataclass(frozen=True)
class Decision:
    ts_ns: int
    intent: Intent | None  # None: a feature was unknown, the rule was not asked
    features: dict[str, float]
    qty: float  # of the order that it made
    stop: float  # after the decision; NaN when flat
    outcome: str  # none, accepted, waiting, unknown feature; holding, stopped out, no stop, no size, flat


@dataclass
class Result:
    """Everything that happened."""

    fills: list[Fill] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)  # that decisions made
    equity: list[float] = field(default_factory=list)  # one per row
    cash: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)


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
) -> Result:
    """Trade one symbol from the first row to the last."""
    account = _Account(costs, risk, initial_cash, lots_per_unit, sessions_per_year)
    clock = _Clock(timeframe, decision_timeframe, delay_s)
    coarse = {name: CoarseBars(name, timeframe) for name in {decision_timeframe, *rule.timeframes}}
    session_close_ns = None
    is_session_open = False
    begun = False
    for row in rows:
        begun = begun or row.bar is not None
        if not begun:  # an account begins with its symbol's first bar
            account.record()
            continue
        if is_session_open and row.session_close_ns != session_close_ns:
            account.end_session()  # the row of its close never came
        session_close_ns, is_session_open = row.session_close_ns, True
        if row.bar is not None:
            account.settle(row.ts_ns, row.bar, may_fill=clock.may_fill(row.ts_ns))
            account.mark(row.bar)
        finished = {name: bars.add(row) for name, bars in coarse.items()}
        for name in rule.timeframes:
            for bar in finished[name]:
                rule.observe(name, bar)
        for bar in finished[decision_timeframe]:
            rule.observe(None, bar)
        if finished[decision_timeframe]:
            account.decide(row.ts_ns, finished[decision_timeframe][-1], rule)
            clock.latest_decision_ns = row.ts_ns
        if row.ts_ns == row.session_close_ns:
            account.end_session()
            is_session_open = False
        account.record()
    return account.finish(is_session_open=is_session_open)


class _Clock:
    """From which bar on an order may fill."""

    def __init__(self, timeframe: str, decision_timeframe: str, delay_s: float) -> None:
        self.has_delay = decision_timeframe != timeframe
        self.delay_ns = round(delay_s * 1e9)
        self.bar_ns = CoarseBars(timeframe, timeframe).length_ns
        self.latest_decision_ns = 0

    def may_fill(self, ts_ns: int) -> bool:
        """Whether the bar that closes at `ts_ns` starts late enough after the latest decision."""
        return not self.has_delay or ts_ns - self.bar_ns >= self.latest_decision_ns + self.delay_ns


class _Account:
    def __init__(
        self, costs: Costs, risk: Risk, cash: float, lots_per_unit: float, sessions_per_year: int
    ) -> None:
        self.costs = costs
        self.risk = risk
        self.lots_per_unit = lots_per_unit
        self.sessions_per_year = sessions_per_year
        self.initial_cash = cash
        self.cash = cash
        self.position = Position()
        self.order: Order | None = None
        self.was_stopped_out = False  # since the last decision
        self.entry: Fill | None = None
        self.last_close = 0.0  # nothing is held before the first bar
        self.volumes: deque[float] = deque(maxlen=VOLUME_BARS)
        self.peak = cash
        self.max_drawdown = 0.0
        self.session_start_equity = cash
        self.session_returns: list[float] = []
        self.n_bars = 0
        self.n_bars_held = 0
        self.borrow_fees: list[float] = []
        self.cash_per_session = per_session(risk.cash_rate, sessions_per_year)
        self.borrow_per_session = per_session(costs.borrow_rate, sessions_per_year)
        self.result = Result()

    @property
    def equity(self) -> float:
        return self.cash + self.position.qty * self.last_close

    # -- 1. settle --------------------------------------------------------------------------------

    def settle(self, ts_ns: int, bar: Bar, *, may_fill: bool) -> None:
        if self.order is not None and may_fill:
            order, self.order = self.order, None
            if self.position.qty == 0.0:
                self.open(order, ts_ns, bar)
            else:
                self.close(ts_ns, bar.open, "market", order.reason)
                order.filled_qty, order.outcome = order.qty, "filled"
        stop = self.position.stop
        if self.position.qty > 0.0 and bar.low <= stop:
            self.stop_out(ts_ns, min(bar.open, stop))
        elif self.position.qty < 0.0 and bar.high >= stop:
            self.stop_out(ts_ns, max(bar.open, stop))

    def stop_out(self, ts_ns: int, reference: float) -> None:
        self.close(ts_ns, reference, "stop", 0)
        if self.order is not None:  # a working exit has nothing left to close
            self.order.outcome, self.order = "cancelled", None
        self.was_stopped_out = True

    def open(self, order: Order, ts_ns: int, bar: Bar) -> None:
        """Buy, or sell short; either way the account must have the money for all of it."""
        slippage = self.slippage(order.qty)
        price = bar.open * (1.0 + slippage) if order.side > 0 else bar.open * (1.0 - slippage)
        per_unit = price + self.costs.commission_per_share + self.costs.commission_rate * price
        affordable = self.whole_lots((self.cash - self.costs.commission_per_order) / per_unit)
        qty = min(order.qty, affordable)
        order.filled_qty, order.outcome = qty, "filled" if qty == order.qty else "cut"
        if qty <= 0.0:
            order.outcome = "dropped"
            return
        commission = self.commission(qty, price)
        self.cash -= commission
        if order.side > 0:
            self.cash -= qty * price
            self.position = Position(qty, price, price - order.stop_distance, price, price, order.mode)
        else:
            self.cash += qty * price
            self.position = Position(-qty, price, price + order.stop_distance, price, price, order.mode)
        self.entry = self.book(ts_ns, order.side, qty, price, bar.open, commission, "market", order.reason)

    def close(self, ts_ns: int, reference: float, kind: str, reason: int) -> None:
        """Sell what was bought, or buy back what was sold short."""
        qty = abs(self.position.qty)
        slippage = self.slippage(qty)
        if self.position.qty > 0.0:
            side, price = -1, reference * (1.0 - slippage)
            self.cash += qty * price
        else:
            side, price = 1, reference * (1.0 + slippage)
            self.cash -= qty * price
        commission = self.commission(qty, price)
        self.cash -= commission
        leaving = self.book(ts_ns, side, qty, price, reference, commission, kind, reason)
        assert self.entry is not None
        self.result.trades.append(Trade(self.entry, leaving, self.position.mode))
        self.position = Position()
        self.entry = None

    def book(
        self,
        ts_ns: int,
        side: int,
        qty: float,
        price: float,
        reference: float,
        commission: float,
        kind: str,
        reason: int,
    ) -> Fill:
        slippage = qty * abs(price - reference)
        fill = Fill(ts_ns, side, qty, price, commission, slippage, kind, reason, self.n_bars)
        self.result.fills.append(fill)
        return fill

    def slippage(self, qty: float) -> float:
        """Fraction of the price; a large order moves the market, if we know what is large."""
        if len(self.volumes) < VOLUME_BARS:
            return self.costs.slippage
        mean_volume = math.fsum(self.volumes) / VOLUME_BARS
        if mean_volume == 0.0:  # a source without volumes: unknown
            return self.costs.slippage
        is_large = qty > self.costs.impact_participation * mean_volume
        return self.costs.slippage + (self.costs.impact if is_large else 0.0)

    def commission(self, qty: float, price: float) -> float:
        costs = self.costs
        return qty * (costs.commission_per_share + costs.commission_rate * price) + costs.commission_per_order

    def whole_lots(self, qty: float) -> float:
        return max(math.floor(qty * self.lots_per_unit), 0) / self.lots_per_unit

    # -- 2. mark ----------------------------------------------------------------------------------

    def mark(self, bar: Bar) -> None:
        self.last_close = bar.close
        self.volumes.append(bar.volume)
        self.n_bars += 1
        if self.position.qty != 0.0:
            self.n_bars_held += 1
            self.position.highest_high = max(self.position.highest_high, bar.high)
            self.position.lowest_low = min(self.position.lowest_low, bar.low)
        self.measure_drawdown()

    def measure_drawdown(self) -> None:
        self.peak = max(self.peak, self.equity)
        self.max_drawdown = min(self.max_drawdown, self.equity / self.peak - 1.0)

    # -- 3. decide --------------------------------------------------------------------------------

    def decide(self, ts_ns: int, bar: Bar, rule: Rule) -> None:
        was_stopped_out, self.was_stopped_out = self.was_stopped_out, False
        features = rule.features()
        intent = None
        qty, outcome = 0.0, "unknown feature"
        if not any(math.isnan(value) for value in features.values()):
            intent, outcome = rule.decide(bar, features, self.position), "none"
            if self.order is not None:
                outcome = "waiting"
            elif intent.action in ("enter", "enter_short"):
                qty, outcome = self.enter(ts_ns, bar, intent, was_stopped_out)
            elif intent.action == "leave":
                qty, outcome = self.leave(ts_ns, intent)
            elif intent.action == "trail":
                outcome = self.trail(intent.stop)
        self.result.decisions.append(Decision(ts_ns, intent, features, qty, self.stop_price, outcome))

    def enter(self, ts_ns: int, bar: Bar, intent: Intent, was_stopped_out: bool) -> tuple[float, str]:
        distance = intent.stop_distance
        if self.position.qty != 0.0:
            return 0.0, "holding"
        if was_stopped_out:
            return 0.0, "stopped out"
        if not 0.0 < distance < math.inf:
            return 0.0, "no stop"
        share = min(self.risk.max_position, self.risk.max_deployed)
        by_risk = self.equity * intent.risk / distance
        by_money = min(self.equity * share, self.cash) / bar.close
        qty = self.whole_lots(min(by_risk, by_money))
        if qty <= 0.0:
            return 0.0, "no size"
        side = 1 if intent.action == "enter" else -1
        self.send(Order(side, qty, ts_ns, intent.reason, distance, intent.mode))
        return qty, "accepted"

    def leave(self, ts_ns: int, intent: Intent) -> tuple[float, str]:
        if self.position.qty == 0.0:
            return 0.0, "flat"
        qty = abs(self.position.qty)
        self.send(Order(-1 if self.position.qty > 0.0 else 1, qty, ts_ns, intent.reason))
        return qty, "accepted"

    def send(self, order: Order) -> None:
        self.order = order
        self.result.orders.append(order)

    def trail(self, stop: float) -> str:
        if self.position.qty == 0.0:
            return "flat"
        nearer = max if self.position.qty > 0.0 else min
        self.position.stop = nearer(self.position.stop, stop)
        return "accepted"

    @property
    def stop_price(self) -> float:
        return self.position.stop if self.position.qty != 0.0 else math.nan

    # -- 4. end of a session ----------------------------------------------------------------------

    def end_session(self) -> None:
        interest, fee = self.session_interest, self.session_fee
        self.cash += interest - fee
        self.borrow_fees.append(fee)
        self.session_returns.append(self.return_at(self.equity))
        self.session_start_equity = self.equity
        self.measure_drawdown()  # interest can make a new peak

    @property
    def session_interest(self) -> float:
        """On idle cash: what a short sale brought in is not ours to lend, nor is what is lost already."""
        return max(min(self.cash, self.equity), 0.0) * self.cash_per_session

    @property
    def session_fee(self) -> float:
        """For what was borrowed to be sold."""
        return max(-self.position.qty, 0.0) * self.last_close * self.borrow_per_session

    def return_at(self, equity: float) -> float:
        """Of the session; none where it began with nothing left."""
        start = self.session_start_equity
        return equity / start - 1.0 if start > 0.0 else 0.0

    def record(self) -> None:
        self.result.equity.append(self.equity)
        self.result.cash.append(self.cash)
        self.result.stops.append(self.stop_price)

    def finish(self, *, is_session_open: bool) -> Result:
        returns = list(self.session_returns)
        if is_session_open:  # counts in what is read out, as if it ended now: with its interest
            returns.append(self.return_at(self.equity + self.session_interest - self.session_fee))
        result = self.result
        result.metrics = {
            "final_equity": self.equity,
            "total_return": self.equity / self.initial_cash - 1.0,
            "max_drawdown": self.max_drawdown,
            "exposure": self.n_bars_held / self.n_bars if self.n_bars else math.nan,
            "costs_paid": math.fsum(fill.commission + fill.slippage for fill in result.fills)
            + math.fsum(self.borrow_fees),
            **performance(
                returns,
                [trade.pnl for trade in result.trades],
                sessions_per_year=self.sessions_per_year,
                risk_free_rate=per_session(self.risk.risk_free_rate, self.sessions_per_year),
            ),
        }
        return result


def per_session(annual_rate: float, sessions_per_year: int) -> float:
    """Rate r with ``(1 + r) ** sessions_per_year == 1 + annual_rate``."""
    return math.expm1(math.log1p(annual_rate) / sessions_per_year)
