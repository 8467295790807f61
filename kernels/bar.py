"""A bar as kernels see it, and the features of a decision beside it."""

from typing import NamedTuple


class Bar(NamedTuple):
    """One finished bar; prices in quote currency, volume in units of the instrument."""

    open: float
    high: float
    low: float
    close: float
    volume: float


SAME = 2e-14  # share of a price; sums of the same cents in another order differ by a hundredth of it
