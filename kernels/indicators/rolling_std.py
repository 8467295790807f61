"""Standard deviation of the last values."""

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..moments import NO_MOMENTS, Moments, window_moments
from ..types import FloatArray


@kernel
def rolling_std_step(state: Moments, ring: FloatArray, value: float, lookback: int) -> tuple[Moments, float]:
    """Advance by one value and return the new state and the deviation."""
    if not np.isfinite(value):
        return state, np.nan
    state, _, variance = window_moments(state, ring, value, lookback)
    return state, np.sqrt(variance)


def rolling_std(values: ArrayLike, *, lookback: int = 20) -> FloatArray:
    """Population standard deviation of the last `lookback` values.

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
    Formula: sqrt(sum (x - mean)^2 / n) over the last n values.

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. No degrees of
    freedom are taken off (population), as in TA-Lib's STDDEV and in ``bollinger``; pandas takes one off. On a
    flat window it is exactly 0, and so it is where squares of deviations underflow (below 1e-162).

    References
    ----------
    Achelis, S. B. (2001). Technical Analysis from A to Z, "Standard Deviation".

    Examples
    --------
    >>> rolling_std([1.0, 3.0, 3.0, 7.0], lookback=2)
    array([nan,  1.,  0.,  2.])
    """
    return evaluate(ROLLING_STD, {"values": values}, lookback=lookback)[0]


ROLLING_STD = Indicator(
    name="rolling_std",
    inputs=("close",),
    params=(lookback_param(20),),
    outputs=("rolling_std",),
    init=lambda lookback: fresh_state(NO_MOMENTS, 2 * int(lookback)),
    warmup=lambda lookback: int(lookback) - 1,
    step=rolling_std_step,
    public=rolling_std,
)
