"""What an order gets: the rules of a backtest's fills, handed to whoever simulates a venue.

A simulated venue knows orders, books and rows of time, and asks here for everything that decides a bit:
prices, commissions, interest, the earliest bar that may fill an order, and the volume that impact is
measured against. It never sees the kernels.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..kernels.bar import Bar as KernelBar
from ..kernels.clock import VOLUME_BARS
from ..kernels.costs import Costs
from ..kernels.fill_calls import call_buy_fill, call_sell_fill, call_stop_fill
from ..kernels.fills import Fill
from ..kernels.mark import per_session
from .errors import ConfigError
from .records import Bar
from .setup import Setup, lots_per_unit


class ModelFill(NamedTuple):
    """One execution; a quantity of zero means that there was none."""

    qty: float
    price: float
    commission: float  # account currency
    reference: float  # price before slippage


class FillModel:
    """Fills of one run.

    Parameters
    ----------
    setup : Setup
        Costs, rates and bar length come from here.
    lot_sizes : mapping of symbol to float
        Smallest step of a quantity: 1 for whole shares, 1e-8 for coins.
    """

    volume_bars = VOLUME_BARS  # how many bars' volume an order's size is compared with

    def __init__(self, setup: Setup, lot_sizes: Mapping[str, float]) -> None:
        bad = {symbol: size for symbol, size in lot_sizes.items() if not size > 0.0}
        if bad:
            symbol, size = next(iter(bad.items()))
            raise ConfigError(f"lot size of {symbol!r} was {size!r}, must be positive")
        self._costs = Costs(*(float(getattr(setup.costs, name)) for name in Costs._fields))
        self._lots = {symbol: lots_per_unit(size) for symbol, size in lot_sizes.items()}
        self._cash_rate = float(per_session(setup.risk.cash_rate, setup.sessions_per_year))
        self._bar_ns = setup.bar_ns
        self._every_bar = setup.every_bar

    def may_fill(self, bar: Bar, not_before_ns: int) -> bool:
        """Whether an order may fill on a bar: whether the bar starts late enough.

        Where decisions are made on the bars that orders fill on, the next one is late enough, however short.
        """
        if self._every_bar:
            return bar.ts_ns > not_before_ns
        return bar.ts_ns - self._bar_ns >= not_before_ns

    def mean_volume(self, volumes: Sequence[float], n_volumes: int) -> float:
        """Mean volume of the last bars, NaN until there are ``volume_bars`` of them, or where all are zero.

        Parameters
        ----------
        volumes : sequence of float, length ``volume_bars``
            A ring: bar n at position n modulo its length. The order of the additions is part of the result.
        n_volumes : int
            Bars seen.
        """
        if n_volumes < VOLUME_BARS:
            return float("nan")
        total = 0.0
        for volume in volumes:  # not `sum`: it compensates from Python 3.12 on
            total += volume
        return total / VOLUME_BARS if total > 0.0 else float("nan")

    def buy(self, symbol: str, bar: Bar, qty: float, cash: float, mean_volume: float) -> ModelFill:
        """Buy at the open of a bar, cut to the whole lots that `cash` can pay."""
        fill = call_buy_fill(bar.open, qty, cash, mean_volume, self._costs, self._lots[symbol])
        return _plain(fill)

    def sell(self, bar: Bar, qty: float, mean_volume: float) -> ModelFill:
        """Sell at the open of a bar."""
        return _plain(call_sell_fill(bar.open, qty, mean_volume, self._costs))

    def stop(self, bar: Bar, stop_price: float, qty: float, mean_volume: float) -> ModelFill:
        """Sell by a protective stop if the bar touches it."""
        if not bar.low <= stop_price:  # most bars; the kernel says the same
            return ModelFill(0.0, 0.0, 0.0, 0.0)
        prices = KernelBar(bar.open, bar.high, bar.low, bar.close, bar.volume)
        return _plain(call_stop_fill(prices, stop_price, qty, mean_volume, self._costs))

    def interest(self, cash: float) -> float:
        """Interest of one session on idle cash (``close_session``)."""
        return max(cash, 0.0) * self._cash_rate


def _plain(fill: Fill) -> ModelFill:
    """Numbers of Python's own: where nothing is compiled, the kernels hand out NumPy's."""
    return ModelFill(float(fill.qty), float(fill.price), float(fill.commission), float(fill.reference))
