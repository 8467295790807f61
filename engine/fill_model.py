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
from ..kernels.fill_calls import call_carry, call_entry_fill, call_exit_fill, call_stop_fill
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
        annual = Costs(*(float(getattr(setup.costs, name)) for name in Costs._fields))
        self._costs = annual._replace(borrow_rate=per_session(annual.borrow_rate, setup.sessions_per_year))
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

    def enter(self, side: int, bar: Bar, qty: float, cash: float, mean_volume: float) -> ModelFill:
        """Buy (side +1) or sell short (-1) at the open of a bar, cut to whole lots that `cash` can pay."""
        lots = self._lots[bar.symbol]
        return _plain(call_entry_fill(float(side), bar.open, qty, cash, mean_volume, self._costs, lots))

    def leave(self, bar: Bar, position: float, mean_volume: float) -> ModelFill:
        """Close a position, below zero a short, at the open of a bar."""
        side = -1.0 if position > 0.0 else 1.0
        return _plain(call_exit_fill(side, bar.open, abs(position), mean_volume, self._costs))

    def stop(self, bar: Bar, stop_price: float, position: float, mean_volume: float) -> ModelFill:
        """Close a position by its protective stop if the bar touches it."""
        is_touched = bar.low <= stop_price if position > 0.0 else bar.high >= stop_price
        if not is_touched:  # most bars; the kernel says the same
            return ModelFill(0.0, 0.0, 0.0, 0.0)
        prices = KernelBar(bar.open, bar.high, bar.low, bar.close, bar.volume)
        return _plain(call_stop_fill(prices, stop_price, position, mean_volume, self._costs))

    def carry(self, cash: float, equity: float, position: float) -> float:
        """Interest of one session on idle cash, less the fee of what is sold short (``close_session``)."""
        return float(call_carry(cash, equity, position, self._cash_rate, self._costs.borrow_rate))


def _plain(fill: Fill) -> ModelFill:
    """Numbers of Python's own: where nothing is compiled, the kernels hand out NumPy's."""
    return ModelFill(float(fill.qty), float(fill.price), float(fill.commission), float(fill.reference))
