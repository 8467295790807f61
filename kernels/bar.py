"""A bar as kernels see it, and the features of a decision beside it."""

from typing import NamedTuple


class Bar(NamedTuple):
    """One finished bar; prices in quote currency, volume in units of the instrument."""

    open: float
    high: float
    low: float
    close: float
    volume: float
