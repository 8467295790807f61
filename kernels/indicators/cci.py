"""Commodity channel index: distance from the mean, measured in mean absolute deviations.

The deviation is taken from a mean that changes with every bar, so every bar passes over its whole window: the
one indicator here whose time grows with `lookback`. Four sums side by side, in a fixed order, let a processor
add four values at once; the order of the ring does not matter, so nothing is shifted and no index wraps.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..bar import SAME
from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import next_slot


class CciState(NamedTuple):
    """Header of the state; the ring holds the last typical prices."""

    slot: int  # of the ring, which the next typical price takes


def cci_init(lookback: int, scale: float) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(CciState(0), int(lookback))


def cci_warmup(lookback: int, scale: float) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def cci_step(
    state: CciState, ring: FloatArray, high: float, low: float, close: float, lookback: int, scale: float
) -> tuple[CciState, float]:
    """Advance by one bar and return the new state and the index."""
    typical = (high + low + close) / 3.0
    if not np.isfinite(typical):
        return state, np.nan
    ring[state.slot] = typical
    n_fours = lookback - lookback % 4
    # Distances from the newest price, not prices: on a flat window all of them are exactly 0.
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(0, n_fours, 4):
        a += ring[i] - typical
        b += ring[i + 1] - typical
        c += ring[i + 2] - typical
        d += ring[i + 3] - typical
    for i in range(n_fours, lookback):
        a += ring[i] - typical
    offset = ((a + b) + (c + d)) * (1.0 / lookback)  # mean less the newest price
    mean = typical + offset
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(0, n_fours, 4):
        a += abs(ring[i] - mean)
        b += abs(ring[i + 1] - mean)
        c += abs(ring[i + 2] - mean)
        d += abs(ring[i + 3] - mean)
    for i in range(n_fours, lookback):
        a += abs(ring[i] - mean)
    unit = ((a + b) + (c + d)) * (1.0 / lookback) * scale
    if unit <= SAME * scale * abs(mean):  # written so that NaN stays NaN
        index = 0.0
    else:
        index = -offset / unit
    return CciState(next_slot(state.slot, lookback)), index


def cci(
    high: ArrayLike, low: ArrayLike, close: ArrayLike, *, lookback: int = 20, scale: float = 0.015
) -> FloatArray:
    """Distance of the typical price from its mean, in mean absolute deviations over `scale`.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Length of the window, the current bar included. The time a bar takes grows with it.
    scale : float, 0.0001 to 100
        Share of the deviation that counts as one point; with 0.015 most values lie between -100 and 100.

    Returns
    -------
    ndarray of float64, shape (n_bars,), points
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: (p - mean p) / (scale * mean |p - mean p|) over `lookback` bars, p = (high + low + close) / 3.

    NaN policy: a bar with a price that is NaN or infinite yields NaN and leaves the state as it was. On a
    flat window it is 0, as in TA-Lib.

    References
    ----------
    Lambert, D. R. (1980). "Commodity Channel Index: Tool for Trading Cyclic Trends". Commodities, October.

    Examples
    --------
    >>> cci([2.0, 4.0, 9.0], [2.0, 2.0, 3.0], [2.0, 3.0, 6.0], lookback=2)
    array([        nan, 66.66666667, 66.66666667])
    """
    return evaluate(CCI, {"high": high, "low": low, "close": close}, lookback=lookback, scale=scale)[0]


CCI = Indicator(
    name="cci",
    inputs=("high", "low", "close"),
    params=(lookback_param(20), IndicatorParam("scale", 0.015, 1e-4, 100.0, False)),
    outputs=("cci",),
    init=cci_init,
    warmup=cci_warmup,
    step=cci_step,
    public=cci,
)
