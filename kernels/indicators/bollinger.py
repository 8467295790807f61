"""Bollinger bands: a moving mean, and the population standard deviation around it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state, lookback_param
from ..moments import NO_MOMENTS, Moments, window_moments
from ..types import FloatArray


class Bands(NamedTuple):
    """What ``bollinger`` returns."""

    middle: FloatArray
    upper: FloatArray
    lower: FloatArray


def bollinger_init(lookback: int, n_std: float) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(NO_MOMENTS, 2 * int(lookback))


def bollinger_warmup(lookback: int, n_std: float) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def bollinger_step(
    state: Moments, ring: FloatArray, value: float, lookback: int, n_std: float
) -> tuple[Moments, float, float, float]:
    """Advance by one value and return the new state and the middle, upper and lower band."""
    if not np.isfinite(value):
        return state, np.nan, np.nan, np.nan
    state, mean, variance = window_moments(state, ring, value, lookback)
    middle, width = state.reference + mean, n_std * np.sqrt(variance)
    return state, middle, middle + width, middle - width


def bollinger(values: ArrayLike, *, lookback: int = 20, n_std: float = 2.0) -> Bands:
    """Bands of `n_std` population standard deviations around the moving mean.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 1
        Length of the window, the current bar included.
    n_std : float, >= 0
        Distance of each outer band from the middle, in standard deviations.

    Returns
    -------
    Bands
        `middle`, `upper` and `lower`, each a float64 ndarray of shape (n_bars,) in the unit of `values`.
        Position t uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: middle = mean of the last n values; upper, lower = middle +- n_std sqrt(sum (x - middle)^2 / n).

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. The deviation has
    no degrees of freedom taken off (population), as in TA-Lib; on a flat window it is exactly 0.

    References
    ----------
    Bollinger, J. (2001). Bollinger on Bollinger Bands.

    Examples
    --------
    >>> bands = bollinger([1.0, 3.0, 3.0, 7.0], lookback=2)
    >>> bands.middle, bands.upper
    (array([nan,  2.,  3.,  5.]), array([nan,  4.,  3.,  9.]))
    """
    return Bands(*evaluate(BOLLINGER, {"values": values}, lookback=lookback, n_std=n_std))


BOLLINGER = Indicator(
    name="bollinger",
    inputs=("close",),
    params=(lookback_param(20), IndicatorParam("n_std", 2.0, 0.0, 100.0, False)),
    outputs=Bands._fields,
    init=bollinger_init,
    warmup=bollinger_warmup,
    step=bollinger_step,
    public=bollinger,
)
