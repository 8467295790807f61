"""Where the newest value stands among the last ones, and which of them stands at a given place."""

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, lookback_param
from ..order_statistics import SortedWindow, n_below, quantile, sorted_window, sorted_window_init
from ..types import FloatArray


@kernel
def rolling_rank_step(
    state: SortedWindow, ring: FloatArray, value: float, lookback: int
) -> tuple[SortedWindow, float]:
    """Advance by one value and return the new state and the rank."""
    if not np.isfinite(value):
        return state, np.nan
    state, n_values, n_others_up_to = sorted_window(state, ring, value, lookback)
    if n_values < lookback:
        return state, np.nan
    return state, (n_below(ring, value) + n_others_up_to) / (2.0 * (lookback - 1.0))


def rolling_rank(values: ArrayLike, *, lookback: int = 20) -> FloatArray:
    """Rank of each value among the last `lookback`, from 0 (below all others) to 1 (above all others).

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 2
        Length of the window, the current bar included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), 0 to 1
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: (number of smaller values + number of equal others / 2) / (n - 1) over the last n values.

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. A tie counts half
    for either side, so mirrored values have the mirrored rank, and on a flat window it is 0.5. pandas'
    ``rolling.rank(pct=True)`` counts the value itself and runs from 1/n to 1: r = (n * pct - 1) / (n - 1).
    A bar costs O(log n) whatever the values.

    Examples
    --------
    >>> rolling_rank([1.0, 3.0, 3.0, 2.0, 9.0], lookback=3)
    array([ nan,  nan, 0.75, 0.  , 1.  ])
    """
    return evaluate(ROLLING_RANK, {"values": values}, lookback=lookback)[0]


@kernel
def rolling_quantile_step(
    state: SortedWindow, ring: FloatArray, value: float, lookback: int, q: float
) -> tuple[SortedWindow, float]:
    """Advance by one value and return the new state and the quantile."""
    if not np.isfinite(value):
        return state, np.nan
    state, n_values, _ = sorted_window(state, ring, value, lookback)
    return state, np.nan if n_values < lookback else quantile(ring, n_values, q)


def rolling_quantile(values: ArrayLike, *, lookback: int = 20, q: float = 0.5) -> FloatArray:
    """Quantile of the last `lookback` values: a share `q` of them lies below.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 1
        Length of the window, the current bar included.
    q : float, 0 to 1
        Share of the values that lie below; 0 is the lowest, 1 the highest.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `values`
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: x(k) + (h - k) (x(k+1) - x(k)), where x(0) <= ... <= x(n-1) are the last n values in order,
    h = (n - 1) q and k = floor(h).

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. Of the nine
    definitions of a quantile this is number 7, the default of NumPy and pandas, and equal to NumPy's to the
    bit. A bar costs O(log n) whatever the values.

    References
    ----------
    Hyndman, R. J. and Fan, Y. (1996). Sample Quantiles in Statistical Packages. The American Statistician 50.

    Examples
    --------
    >>> rolling_quantile([1.0, 3.0, 2.0, 9.0], lookback=3, q=0.25)
    array([nan, nan, 1.5, 2.5])
    """
    return evaluate(ROLLING_QUANTILE, {"values": values}, lookback=lookback, q=q)[0]


@kernel
def rolling_median_step(
    state: SortedWindow, ring: FloatArray, value: float, lookback: int
) -> tuple[SortedWindow, float]:
    """Advance by one value and return the new state and the median."""
    return rolling_quantile_step(state, ring, value, lookback, 0.5)


def rolling_median(values: ArrayLike, *, lookback: int = 20) -> FloatArray:
    """Median of the last `lookback` values: half of them lie below. Single bad ticks do not move it.

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
    Formula: middle one of the last n values in order, or half-way between the two middle ones.

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. It is
    ``rolling_quantile`` with q = 0.5, to the bit. A bar costs O(log n) whatever the values.

    Examples
    --------
    >>> rolling_median([1.0, 3.0, 2.0, 9.0], lookback=3)
    array([nan, nan,  2.,  3.])
    """
    return evaluate(ROLLING_MEDIAN, {"values": values}, lookback=lookback)[0]


ROLLING_RANK = Indicator(
    name="rolling_rank",
    inputs=("close",),
    params=(lookback_param(20, low=2),),
    outputs=("rolling_rank",),
    init=sorted_window_init,
    warmup=lambda lookback: int(lookback) - 1,
    step=rolling_rank_step,
    public=rolling_rank,
)

ROLLING_QUANTILE = Indicator(
    name="rolling_quantile",
    inputs=("close",),
    params=(lookback_param(20), IndicatorParam("q", 0.5, 0.0, 1.0, False)),
    outputs=("rolling_quantile",),
    init=lambda lookback, q: sorted_window_init(lookback),
    warmup=lambda lookback, q: int(lookback) - 1,
    step=rolling_quantile_step,
    public=rolling_quantile,
)

ROLLING_MEDIAN = Indicator(
    name="rolling_median",
    inputs=("close",),
    params=(lookback_param(20),),
    outputs=("rolling_median",),
    init=sorted_window_init,
    warmup=lambda lookback: int(lookback) - 1,
    step=rolling_median_step,
    public=rolling_median,
)
