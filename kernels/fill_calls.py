"""The fill rules as calls for Python: a paper broker works out one fill at a time.

The very kernels of a backtest, compiled by themselves: nothing is reordered or contracted, so that the bits
are those of the loop they are inlined into elsewhere.
"""

from .bar import Bar
from .costs import Costs
from .decorator import entry
from .fills import Fill, buy_fill, sell_fill, stop_fill


@entry
def call_buy_fill(
    reference: float, qty: float, cash: float, mean_volume: float, costs: Costs, lots: float
) -> Fill:
    """Call ``buy_fill``."""
    return buy_fill(reference, qty, cash, mean_volume, costs, lots)


@entry
def call_sell_fill(reference: float, qty: float, mean_volume: float, costs: Costs) -> Fill:
    """Call ``sell_fill``."""
    return sell_fill(reference, qty, mean_volume, costs)


@entry
def call_stop_fill(bar: Bar, stop: float, qty: float, mean_volume: float, costs: Costs) -> Fill:
    """Call ``stop_fill``."""
    return stop_fill(bar, stop, qty, mean_volume, costs)
