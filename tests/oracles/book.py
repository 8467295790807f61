"""What an account knows of one symbol, and quantities in whole lots."""

import math
from collections import deque

from fluxhero.tests.oracles.coarse_bars import Bar
from fluxhero.tests.oracles.fills_by_table import Touch
from fluxhero.tests.oracles.streaming_indicators import Atr
from fluxhero.tests.oracles.trading_records import Fill, Order, Position, Rule, Tables

VOLUME_BARS = 20  # existing bars before a fill, whose mean volume an order is compared with
STOP_ATR_BARS = 14


class Book:
    """What an account knows of one symbol."""

    def __init__(
        self,
        symbol: str,
        rule: Rule,
        *,
        lots_per_unit: float,
        asset_class: str,
        sector: str,
    ) -> None:
        self.symbol = symbol
        self.rule = rule
        self.lots_per_unit = lots_per_unit
        self.asset_class = asset_class
        self.sector = sector
        self.position = Position()
        self.trailing_distance: float | None = None
        self.order: Order | None = None
        self.fills_of_trade: list[Fill] = []
        self.entered: Touch | None = None  # on the bar in hand
        self.was_stopped_out = False  # since the last decision
        self.n_entries = 0  # accepted in this session
        self.last_close = 0.0  # nothing is held before the first bar
        self.volumes: deque[float] = deque(maxlen=VOLUME_BARS)
        self.n_bars = 0
        self.atr, self.atr_known = Atr(STOP_ATR_BARS), math.nan
        self.session_closes: list[float] = []
        self.traded_qty = 0.0  # on the bar in hand
        self.tables = Tables()

    @property
    def mean_volume(self) -> float:
        """Of the last bars; NaN where there are too few, or the source has no volumes."""
        if len(self.volumes) < VOLUME_BARS:
            return math.nan
        mean = math.fsum(self.volumes) / VOLUME_BARS
        return mean if mean > 0.0 else math.nan

    def whole_lots(self, qty: float) -> float:
        return max(math.floor(qty * self.lots_per_unit), 0) / self.lots_per_unit

    def sum_of(self, qty: float, change: float) -> float:
        """Sum of two quantities, to the lot."""
        return round((qty + change) * self.lots_per_unit) / self.lots_per_unit

    def rest_of(self, order: Order) -> float:
        return self.sum_of(order.qty, -order.filled_qty)

    def drop_order(self, outcome: str) -> None:
        assert self.order is not None
        self.order.outcome, self.order = outcome, None

    def observe(self, bar: Bar) -> None:
        """Take a finished bar of the decision timeframe."""
        self.rule.observe(None, bar)
        self.atr_known = self.atr.add(bar)

    @property
    def stop_price(self) -> float:
        return self.position.stop if self.position.qty != 0.0 else math.nan

    def record(self) -> None:
        self.tables.stops.append(self.stop_price)
        self.tables.targets.append(self.position.target)
        self.tables.qty.append(self.position.qty)
        self.tables.closes.append(self.last_close)
