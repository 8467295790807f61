"""What rules say and what happens to it: intents, positions, orders, fills, trades, decisions."""

import math
from dataclasses import dataclass, field
from typing import Protocol

from fluxhero.tests.oracles.coarse_bars import Bar

DAILY_LOSS, DRAWDOWN, REST_OF_STOP = -1, -2, -3  # reasons of orders that no rule gave


@dataclass(frozen=True)
class Intent:
    """What a rule wants."""

    action: str = "hold"  # hold, enter, enter_short, leave, trail, aim, cancel
    reason: int = 0
    stop: float = math.nan  # trail: the price
    stop_distance: float = math.nan
    risk: float = math.nan
    mode: int = 0
    limit: float | None = None  # None: not said; NaN: said, and no price
    trigger: float | None = None
    target_distance: float | None = None
    trailing_distance: float | None = None
    is_day: bool = False
    is_unprotected: bool = False
    score: float = 0.0
    target: float = math.nan  # aim: the price

    @property
    def side(self) -> int:
        """Of an entry: +1 buys, -1 sells short."""
        return -1 if self.action == "enter_short" else 1


@dataclass
class Position:
    """What the account holds; the rule may look at it."""

    qty: float = 0.0  # below zero: sold short
    entry_price: float = math.nan  # mean of the entry's fills
    stop: float = math.nan
    highest_high: float = math.nan
    lowest_low: float = math.nan
    mode: int = 0
    target: float = math.nan
    resting: int = 0  # an entry that rests: +1 to go long, -1 to go short

    @property
    def side(self) -> int:
        return -1 if self.qty < 0.0 else 1


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
    # working, filled, cut (less than asked for), dropped; cancelled, replaced, expired, missed
    outcome: str = "working"
    opens: bool = False
    limit: float | None = None
    trigger: float | None = None
    target_distance: float | None = None
    trailing_distance: float | None = None
    is_day: bool = False
    is_triggered: bool = False
    has_begun: bool = False  # the delay in seconds is over
    bars_to_pass: int = 0
    acts: bool = False  # on the bar in hand
    is_rest_of_stop: bool = False

    @property
    def kind(self) -> str:
        if self.trigger is not None:
            return "stop entry" if self.limit is None else "stop limit"
        return "market" if self.limit is None else "limit"

    @property
    def is_at_market(self) -> bool:
        """Whether it takes any price: a stop entry from its trigger on."""
        return self.limit is None and (self.trigger is None or self.is_triggered)

    @property
    def rests(self) -> bool:
        """Whether a rule may still take it back: all but market orders of which nothing is filled."""
        return self.opens and (not self.is_at_market or self.filled_qty > 0.0)


@dataclass(frozen=True)
class Fill:
    ts_ns: int
    side: int
    qty: float
    price: float
    commission: float
    slippage: float  # account currency
    kind: str  # market, limit, stop entry, stop limit; stop (protective), target
    reason: int
    bar_idx: int  # among the bars that exist


@dataclass(frozen=True)
class Trade:
    """From the first fill of an entry to the fill that closed the last unit."""

    entries: tuple[Fill, ...]
    exits: tuple[Fill, ...]
    mode: int

    @property
    def entry(self) -> Fill:
        return self.entries[0]

    @property
    def exit(self) -> Fill:
        return self.exits[-1]

    @property
    def qty(self) -> float:
        return math.fsum(fill.qty for fill in self.entries)

    @property
    def entry_price(self) -> float:
        return mean_price(self.entries)

    @property
    def exit_price(self) -> float:
        return mean_price(self.exits)

    @property
    def costs(self) -> float:
        return math.fsum(fill.commission + fill.slippage for fill in (*self.entries, *self.exits))

    @property
    def pnl(self) -> float:
        """All that came in less all that was paid."""
        flows = [-fill.side * fill.qty * fill.price for fill in (*self.entries, *self.exits)]
        return math.fsum([*flows, *(-fill.commission for fill in (*self.entries, *self.exits))])


def mean_price(fills: tuple[Fill, ...]) -> float:
    """Mean price of fills, each as often as it has units."""
    if len(fills) == 1:
        return fills[0].price
    return math.fsum(f.qty * f.price for f in fills) / math.fsum(f.qty for f in fills)


@dataclass
class Decision:
    ts_ns: int
    intent: Intent | None  # None: a feature was unknown, the rule was not asked
    features: dict[str, float]
    qty: float = 0.0  # of the order that it made
    stop: float = math.nan  # after the decision; NaN when flat
    outcome: str = "unknown feature"


@dataclass
class Tables:
    """Everything that happened to one symbol."""

    fills: list[Fill] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)  # that decisions and guards made
    stops: list[float] = field(default_factory=list)  # one per row
    targets: list[float] = field(default_factory=list)
    qty: list[float] = field(default_factory=list)
    closes: list[float] = field(default_factory=list)  # the last one known


@dataclass
class Result(Tables):
    """Everything that happened to an account of one symbol."""

    equity: list[float] = field(default_factory=list)  # one per row
    cash: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class SharedResult:
    """Everything that happened to one account of many symbols."""

    symbols: dict[str, Tables]
    equity: list[float] = field(default_factory=list)  # one per row
    cash: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
