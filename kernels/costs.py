"""What a trade costs: commission, slippage, impact; and what it costs to borrow what is sold short.

SPEC 4.3: every market order pays ``slippage`` against its side, and ``impact`` on top when it is larger than
``impact_participation`` times the mean volume of the last 20 bars. Protective stops become market orders, so
they pay the same. Whoever is short pays ``borrow_rate`` at each session's end.
"""

from typing import NamedTuple

from .decorator import kernel


class Costs(NamedTuple):
    """Rates; fractions unless the name says otherwise."""

    commission_per_share: float  # account currency per unit
    commission_per_order: float  # account currency per execution
    commission_rate: float  # fraction of notional
    slippage: float  # fraction of price, against the order
    impact: float  # further fraction of price for large orders
    impact_participation: float  # fraction of mean volume from which an order is large
    borrow_rate: float  # fraction of a short position's value, per session


@kernel
def slippage_fraction(costs: Costs, qty: float, mean_volume: float) -> float:
    """Fraction of price that a market order of `qty` loses; an unknown (NaN) mean volume means no impact."""
    large = qty > costs.impact_participation * mean_volume
    return costs.slippage + (costs.impact if large else 0.0)


@kernel
def commission(costs: Costs, qty: float, price: float) -> float:
    """Commission of one execution, account currency."""
    per_unit = costs.commission_per_share + costs.commission_rate * price
    return qty * per_unit + (costs.commission_per_order if qty > 0.0 else 0.0)
