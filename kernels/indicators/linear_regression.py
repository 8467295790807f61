"""Straight line through the last values: how steep it is, and how much of the movement it explains.

With t = 0..n-1 inside the window and mean time (n-1)/2, slope = C / T and r_squared = C^2 / (T S), where
C = sum (t - mean time) d, T = n (n^2 - 1) / 12 and S = sum d^2 - (sum d)^2 / n; d are deviations from a value
of the window, summed by blocks as in ``sma``. Time enters C by two sums of sums instead of products:
of the finished block, each value once per bar that lies between it and the newest slot; of the running
block, each value once per bar since. So every number that is added is of the size of the window itself.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray


class Regression(NamedTuple):
    """What ``linear_regression`` returns."""

    slope: FloatArray
    r_squared: FloatArray


class LinearRegressionState(NamedTuple):
    """Header of the state; the ring has three numbers per slot.

    A slot holds a value of the running block, later three tail sums: of deviations, of their squares, and of
    the sums themselves.
    """

    slot: int  # of the ring, which the next value takes; 0 begins a block
    reference: float  # first value of the running block
    head_sum: float  # deviations from it since the block began
    head_squares: float  # their squares
    head_lagged: float  # each deviation times its age in bars


class SlopeState(NamedTuple):
    """Header of the state of the slope alone; the ring has two numbers per slot, without the squares."""

    slot: int
    reference: float
    head_sum: float
    head_lagged: float


def linear_regression_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(LinearRegressionState(0, 0.0, 0.0, 0.0, 0.0), 3 * int(lookback))


def linear_regression_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def linear_regression_step(
    state: LinearRegressionState, ring: FloatArray, value: float, lookback: int
) -> tuple[LinearRegressionState, float, float]:
    """Advance by one value and return the new state, the slope and R squared."""
    if not np.isfinite(value):
        return state, np.nan, np.nan
    slot, reference, head_sum, head_squares, head_lagged = state
    if slot == 0:
        reference, head_sum, head_squares, head_lagged = value, 0.0, 0.0, 0.0
        tail_sum, tail_squares, tail_led = 0.0, 0.0, 0.0
        for i in range(lookback - 1, -1, -1):
            deviation = ring[3 * i] - reference
            ring[3 * i], ring[3 * i + 1], ring[3 * i + 2] = tail_sum, tail_squares, tail_led
            tail_led += tail_sum
            tail_sum += deviation
            tail_squares += deviation * deviation
    deviation = value - reference
    head_lagged += head_sum
    head_sum += deviation
    head_squares += deviation * deviation
    tail_sum, tail_squares, tail_led = ring[3 * slot], ring[3 * slot + 1], ring[3 * slot + 2]
    ring[3 * slot] = value
    slot = slot + 1 if slot + 1 < lookback else 0

    with_time = (tail_led - head_lagged) + 0.5 * (lookback - 1.0) * (head_sum - tail_sum)
    total = head_sum + tail_sum
    spread = (head_squares + tail_squares) - total * total * (1.0 / lookback)
    slope = with_time * (12.0 / (lookback * (lookback * lookback - 1.0)))
    if spread <= 0.0:  # a flat window
        r_squared = 0.0
    else:
        r_squared = slope * with_time / spread
        if r_squared > 1.0:  # by a rounding error; written so that NaN stays NaN
            r_squared = 1.0
    state = LinearRegressionState(slot, reference, head_sum, head_squares, head_lagged)
    return state, slope, r_squared


def linear_regression(values: ArrayLike, *, lookback: int = 50) -> Regression:
    """Slope of the least-squares line through the last `lookback` values, and its R squared.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 2
        Length of the window, the current bar included.

    Returns
    -------
    Regression
        `slope` in units of `values` per bar and `r_squared` from 0 to 1 (above 0.7 a strong line, below 0.3
        none), each a float64 ndarray of shape (n_bars,). Position t uses bars ``0..t`` only. The first
        `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: slope = sum (i - mean i)(v - mean v) / sum (i - mean i)^2;
    R^2 = the squared correlation of v with i.

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was; the line runs over
    valid bars. On a flat window both outputs are 0: there is no movement to explain.

    References
    ----------
    Kvalseth, T. O. (1985). Cautionary Note about R^2. The American Statistician 39.

    Examples
    --------
    >>> line = linear_regression([1.0, 2.0, 3.0, 3.0], lookback=3)
    >>> line.slope, line.r_squared
    (array([nan, nan, 1. , 0.5]), array([ nan,  nan, 1.  , 0.75]))
    """
    return Regression(*evaluate(LINEAR_REGRESSION, {"values": values}, lookback=lookback))


LINEAR_REGRESSION = Indicator(
    name="linear_regression",
    inputs=("close",),
    params=(lookback_param(50, low=2),),
    outputs=Regression._fields,
    init=linear_regression_init,
    warmup=linear_regression_warmup,
    step=linear_regression_step,
    public=linear_regression,
)


@kernel
def slope_step(state: SlopeState, ring: FloatArray, value: float, lookback: int) -> tuple[SlopeState, float]:
    """Advance by one value and return the new state and the slope."""
    if not np.isfinite(value):
        return state, np.nan
    slot, reference, head_sum, head_lagged = state
    if slot == 0:
        reference, head_sum, head_lagged = value, 0.0, 0.0
        tail_sum, tail_led = 0.0, 0.0
        for i in range(lookback - 1, -1, -1):
            deviation = ring[2 * i] - reference
            ring[2 * i], ring[2 * i + 1] = tail_sum, tail_led
            tail_led += tail_sum
            tail_sum += deviation
    head_lagged += head_sum
    head_sum += value - reference
    with_time = (ring[2 * slot + 1] - head_lagged) + 0.5 * (lookback - 1.0) * (head_sum - ring[2 * slot])
    ring[2 * slot] = value
    slot = slot + 1 if slot + 1 < lookback else 0
    slope = with_time * (12.0 / (lookback * (lookback * lookback - 1.0)))
    return SlopeState(slot, reference, head_sum, head_lagged), slope


def slope(values: ArrayLike, *, lookback: int = 14) -> FloatArray:
    """Slope of the least-squares line through the last `lookback` values, without its R squared.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 2
        Length of the window, the current bar included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `values` per bar
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: slope = sum (i - mean i)(v - mean v) / sum (i - mean i)^2.

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was; the line runs over
    the values that are known. On a flat window the slope is exactly 0.

    Examples
    --------
    >>> slope([1.0, 3.0, 5.0, 4.0], lookback=3)
    array([nan, nan, 2. , 0.5])
    """
    return evaluate(SLOPE, {"values": values}, lookback=lookback)[0]


SLOPE = Indicator(
    name="slope",
    inputs=("close",),
    params=(lookback_param(14, low=2),),
    outputs=("slope",),
    init=lambda lookback: fresh_state(SlopeState(0, 0.0, 0.0, 0.0), 2 * lookback),
    warmup=lambda lookback: lookback - 1,
    step=slope_step,
    public=slope,
)
