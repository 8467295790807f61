"""The fill rules as calls for Python: a paper broker works out one fill at a time.

The very kernels of a backtest, compiled by themselves: nothing is reordered or contracted, so that the bits
are those of the loop they are inlined into elsewhere.
"""

from .bar import Bar
from .costs import Costs
from .decorator import entry
from .fills import Fill, entry_fill, exit_fill, stop_fill
from .mark import borrow_fee, idle_cash


@entry
def call_entry_fill(
    side: float, reference: float, qty: float, cash: float, mean_volume: float, costs: Costs, lots: float
) -> Fill:
    """Call ``entry_fill``."""
    return entry_fill(side, reference, qty, cash, mean_volume, costs, lots)


@entry
def call_exit_fill(side: float, reference: float, qty: float, mean_volume: float, costs: Costs) -> Fill:
    """Call ``exit_fill``."""
    return exit_fill(side, reference, qty, mean_volume, costs)


@entry
def call_stop_fill(bar: Bar, stop: float, qty: float, mean_volume: float, costs: Costs) -> Fill:
    """Call ``stop_fill``."""
    return stop_fill(bar, stop, qty, mean_volume, costs, True)


@entry
def call_carry(cash: float, equity: float, qty: float, cash_rate: float, borrow_rate: float) -> float:
    """Call ``idle_cash`` and ``borrow_fee``: what a session earns, the fee taken off."""
    return idle_cash(cash, equity, qty) * cash_rate - borrow_fee(cash, equity, qty, borrow_rate)
