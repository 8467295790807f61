"""Linearly weighted moving average: the newest value counts `lookback` times, the oldest once.

Kept by blocks as in ``sma``, with a sum of sums instead of products, as in ``linear_regression``. Of the
finished block each value has to be counted once per bar that lies between it and the newest slot: the tails
of its tail sums. Of the running block it counts `lookback` times, less once per bar since.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import next_slot


class WmaState(NamedTuple):
    """Header of the state; the ring holds the running block's values, then the last one's weighted tails."""

    slot: int  # of the ring, which the next value takes; 0 begins a block
    reference: float  # first value of the running block
    head_sum: float  # deviations from it since the block began
    head_weighted: float  # each deviation times (lookback - its age in bars)


def wma_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(WmaState(0, 0.0, 0.0, 0.0), int(lookback))


def wma_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def wma_step(state: WmaState, ring: FloatArray, value: float, lookback: int) -> tuple[WmaState, float]:
    """Advance by one value and return the new state and the average."""
    if not np.isfinite(value):
        return state, np.nan
    slot, reference, head_sum, head_weighted = state
    if slot == 0:
        reference, head_sum, head_weighted = value, 0.0, 0.0
        tail_sum, tail_weighted = 0.0, 0.0
        for i in range(lookback - 1, -1, -1):
            deviation = ring[i] - reference
            ring[i] = tail_weighted  # of the values after i: the next one once, the one behind it twice
            tail_sum += deviation
            tail_weighted += tail_sum
    deviation = value - reference
    head_weighted += lookback * deviation - head_sum
    head_sum += deviation
    mean = reference + (head_weighted + ring[slot]) * (2.0 / (lookback * (lookback + 1.0)))
    ring[slot] = value
    return WmaState(next_slot(slot, lookback), reference, head_sum, head_weighted), mean


def wma(values: ArrayLike, *, lookback: int = 20) -> FloatArray:
    """Mean of the last `lookback` values in which newer ones count more, by a straight line.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 1
        Length of the window, the current bar included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `values`
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: WMA[t] = (n P[t] + (n - 1) P[t-1] + ... + 1 P[t-n+1]) / (n (n + 1) / 2), n = lookback

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. Weights and
    warm-up are TA-Lib's. On a flat window the average is exactly the price.

    Examples
    --------
    >>> wma([1.0, 2.0, 6.0, 4.0], lookback=3)
    array([       nan,        nan, 3.83333333, 4.33333333])
    """
    return evaluate(WMA, {"values": values}, lookback=lookback)[0]


WMA = Indicator(
    name="wma",
    inputs=("close",),
    params=(lookback_param(20),),
    outputs=("wma",),
    init=wma_init,
    warmup=wma_warmup,
    step=wma_step,
    public=wma,
)
