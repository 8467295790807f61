"""Prices in whole ticks."""

import numpy as np

from .decorator import kernel


@kernel
def on_tick(price: float, ticks: float) -> float:
    """Price rounded half up to a whole number of ticks, `ticks` of them to a unit; 0: as it is."""
    return np.floor(price * ticks + 0.5) / ticks if ticks > 0.0 else price
