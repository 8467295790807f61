"""What a trade costs: commission, slippage, impact; and what it costs to borrow what is sold short.

SPEC 4.3: every market order pays ``slippage`` against its side, and ``impact`` on top when it is larger than
``impact_participation`` times the mean volume of the last 20 bars. Protective stops become market orders, so
they pay the same. Or, as an option, every order pays ``impact`` times the square root of its size over that
share of the volume. Whoever is short pays ``borrow_rate`` at each session's end.
"""

from typing import NamedTuple

import numpy as np

from .decorator import kernel

STEP, SQUARE_ROOT = 0.0, 1.0
IMPACT_MODELS = {"step": STEP, "square_root": SQUARE_ROOT}


class Costs(NamedTuple):
    """Rates; fractions unless the name says otherwise."""

    commission_per_share: float  # account currency per unit
    commission_per_order: float  # account currency per execution
    commission_rate: float  # fraction of notional
    slippage: float  # fraction of price, against the order
    impact: float  # further fraction of price for large orders
    impact_participation: float  # fraction of mean volume from which an order is large
    impact_model: float  # STEP or SQUARE_ROOT
    borrow_rate: float  # fraction of a short position's value, per session
    multiple: float  # what all rates are multiplied by already


@kernel
def slippage_fraction(side: float, qty: float, price: float, mean_volume: float, costs: Costs) -> float:
    """Fraction of price that a market order of `qty` loses; an unknown (NaN) mean volume means no impact.

    A user's own model (``slippage`` in a strategy's file) has the same form: the side (+1 buys), units, price
    before slippage, mean volume of the 20 bars before (NaN: not known yet), costs. What it does not know
    (NaN) costs ``slippage``; to follow ``execution.cost_multiple`` it multiplies by ``costs.multiple``.
    """
    share = qty / (costs.impact_participation * mean_volume)
    impact = costs.impact if share > 1.0 else 0.0
    if costs.impact_model == SQUARE_ROOT:
        impact = costs.impact * np.sqrt(share) if share > 0.0 else 0.0
    return costs.slippage + impact


@kernel
def commission(costs: Costs, qty: float, price: float) -> float:
    """Commission of one execution, account currency."""
    per_unit = costs.commission_per_share + costs.commission_rate * price
    return qty * per_unit + (costs.commission_per_order if qty > 0.0 else 0.0)
