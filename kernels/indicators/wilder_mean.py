"""Wilder's moving average, the one inside ``atr``, ``rsi`` and ``adx``, for any series."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray


class WilderMeanState(NamedTuple):
    """Header of the state; there is no ring."""

    mean: float
    n_values: int  # seen so far


def wilder_mean_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(WilderMeanState(0.0, 0))


def wilder_mean_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def wilder_mean_step(state: WilderMeanState, value: float, lookback: int) -> tuple[WilderMeanState, float]:
    """Advance by one value and return the new state and the average."""
    if not np.isfinite(value):
        return state, np.nan
    n_values = state.n_values + 1
    if n_values <= lookback:
        mean = state.mean + (value - state.mean) / n_values
    else:  # this form stays exactly on a flat price, see ``ema``
        mean = state.mean + (value - state.mean) * (1.0 / lookback)
    return WilderMeanState(mean, n_values), mean if n_values >= lookback else np.nan


def wilder_mean(values: ArrayLike, *, lookback: int = 14) -> FloatArray:
    """Mean that forgets: each bar the newest value counts ``1 / lookback``.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 1
        Smoothing length; also the number of values whose plain mean begins the recursion.

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
    Formula: W[t] = W[t-1] + (P[t] - W[t-1]) / n, n = lookback; begun with the plain mean of the first n

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. It is an
    exponential average of length ``2 * lookback - 1`` with a shorter seed; others call it RMA or SMMA.
    On a flat price it is exactly the price.

    References
    ----------
    Wilder, J. W. (1978). New Concepts in Technical Trading Systems, "Relative Strength Index".

    Examples
    --------
    >>> wilder_mean([1.0, 2.0, 6.0, 4.0], lookback=2)
    array([  nan, 1.5  , 3.75 , 3.875])
    """
    return evaluate(WILDER_MEAN, {"values": values}, lookback=lookback)[0]


WILDER_MEAN = Indicator(
    name="wilder_mean",
    inputs=("close",),
    params=(lookback_param(14),),
    outputs=("wilder_mean",),
    init=wilder_mean_init,
    warmup=wilder_mean_warmup,
    step=wilder_mean_step,
    public=wilder_mean,
)
