"""Lowest and highest of the last values."""

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import EMPTY, Window, window_max, window_min


@kernel
def rolling_min_step(state: Window, ring: FloatArray, value: float, lookback: int) -> tuple[Window, float]:
    """Advance by one value and return the new state and the lowest."""
    if not np.isfinite(value):
        return state, np.nan
    return window_min(state, ring, value, lookback)


def rolling_min(values: ArrayLike, *, lookback: int = 20) -> FloatArray:
    """Lowest of the last `lookback` values.

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
    Formula: min(x[t-n+1], ..., x[t]).

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. It is always one of
    the values, without rounding, as in TA-Lib's MIN.

    Examples
    --------
    >>> rolling_min([2.0, 1.0, 3.0, 4.0], lookback=2)
    array([nan,  1.,  1.,  3.])
    """
    return evaluate(ROLLING_MIN, {"values": values}, lookback=lookback)[0]


@kernel
def rolling_max_step(state: Window, ring: FloatArray, value: float, lookback: int) -> tuple[Window, float]:
    """Advance by one value and return the new state and the highest."""
    if not np.isfinite(value):
        return state, np.nan
    return window_max(state, ring, value, lookback)


def rolling_max(values: ArrayLike, *, lookback: int = 20) -> FloatArray:
    """Highest of the last `lookback` values.

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
    Formula: max(x[t-n+1], ..., x[t]).

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. It is always one of
    the values, without rounding, as in TA-Lib's MAX.

    Examples
    --------
    >>> rolling_max([2.0, 1.0, 3.0, 4.0], lookback=2)
    array([nan,  2.,  3.,  4.])
    """
    return evaluate(ROLLING_MAX, {"values": values}, lookback=lookback)[0]


ROLLING_MIN = Indicator(
    name="rolling_min",
    inputs=("close",),
    params=(lookback_param(20),),
    outputs=("rolling_min",),
    init=lambda lookback: fresh_state(EMPTY, int(lookback)),
    warmup=lambda lookback: int(lookback) - 1,
    step=rolling_min_step,
    public=rolling_min,
)

ROLLING_MAX = Indicator(
    name="rolling_max",
    inputs=("close",),
    params=(lookback_param(20),),
    outputs=("rolling_max",),
    init=lambda lookback: fresh_state(EMPTY, int(lookback)),
    warmup=lambda lookback: int(lookback) - 1,
    step=rolling_max_step,
    public=rolling_max,
)
