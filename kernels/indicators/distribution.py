"""Shape of the last values: whether one tail is longer, and whether tails are heavy.

Sums of the first four powers of deviations are kept by blocks as in ``moments``, from the first value of the
running block. That value lies in every window that ends in the block, so it is far from the mean only where
it makes the moments themselves large, and centring the sums cannot lose them.

Fourth powers leave the range of a float long before prices do. A deviation beyond 1e70 shrinks all deviations
of its block by a power of two, without rounding; both results are free of scale.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import next_slot

LARGEST_DEVIATION = 1e70
SHRINK = 2.0**-230
SMALLEST_VARIANCE = 1e-150  # below it fourth powers have lost digits to underflow: taken for flat


class PowerSums(NamedTuple):
    """Header of the state; a slot of the ring has four numbers.

    It holds a value of the running block, later the tail sums of the four powers.
    """

    slot: int  # of the ring, which the next value takes; 0 begins a block
    reference: float  # first value of the running block
    scale: float  # of deviations: 1, or SHRINK
    head_1: float  # sums of powers of deviations since the block began
    head_2: float
    head_3: float
    head_4: float


N_NUMBERS = 4


def power_sums_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(PowerSums(0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0), N_NUMBERS * int(lookback))


@kernel
def central_moments(
    state: PowerSums, ring: FloatArray, value: float, lookback: int
) -> tuple[PowerSums, float, float, float]:
    """Take a value; return the new header and the second, third and fourth central moment, scaled."""
    slot, reference, scale, head_1, head_2, head_3, head_4 = state
    if slot == 0:
        reference, scale = value, 1.0
        head_1, head_2, head_3, head_4 = 0.0, 0.0, 0.0, 0.0
        tail_1, tail_2, tail_3, tail_4 = 0.0, 0.0, 0.0, 0.0
        for i in range(lookback):
            if abs(ring[N_NUMBERS * i] - reference) > LARGEST_DEVIATION:
                scale = SHRINK
        for i in range(lookback - 1, -1, -1):
            at = N_NUMBERS * i
            deviation = (ring[at] - reference) * scale
            ring[at], ring[at + 1], ring[at + 2], ring[at + 3] = tail_1, tail_2, tail_3, tail_4  # after i
            square = deviation * deviation
            tail_1 += deviation
            tail_2 += square
            tail_3 += square * deviation
            tail_4 += square * square
    if scale == 1.0 and abs(value - reference) > LARGEST_DEVIATION:  # at most once per block
        scale = SHRINK
        head_1, head_2, head_3, head_4 = (
            head_1 * SHRINK,
            head_2 * SHRINK**2,
            head_3 * SHRINK**3,
            head_4 * SHRINK**4,
        )
        for i in range(slot, lookback):
            at, factor = N_NUMBERS * i, 1.0
            for j in range(N_NUMBERS):
                factor *= SHRINK
                ring[at + j] *= factor
    deviation = (value - reference) * scale
    square = deviation * deviation
    head_1 += deviation
    head_2 += square
    head_3 += square * deviation
    head_4 += square * square
    at, share = N_NUMBERS * slot, 1.0 / lookback
    mean = (head_1 + ring[at]) * share
    mean_2 = (head_2 + ring[at + 1]) * share
    mean_3 = (head_3 + ring[at + 2]) * share
    mean_4 = (head_4 + ring[at + 3]) * share
    ring[at] = value
    state = PowerSums(next_slot(slot, lookback), reference, scale, head_1, head_2, head_3, head_4)
    second = mean_2 - mean * mean
    third = mean_3 - mean * (3.0 * mean_2 - 2.0 * (mean * mean))
    fourth = mean_4 - mean * (4.0 * mean_3 - mean * (6.0 * mean_2 - 3.0 * (mean * mean)))
    return state, second, third, fourth


@kernel
def skewness_step(state: PowerSums, ring: FloatArray, value: float, lookback: int) -> tuple[PowerSums, float]:
    """Advance by one value and return the new state and the skewness."""
    if not np.isfinite(value):
        return state, np.nan
    state, second, third, _ = central_moments(state, ring, value, lookback)
    return state, 0.0 if second <= SMALLEST_VARIANCE else third / (second * np.sqrt(second))


def skewness(values: ArrayLike, *, lookback: int = 60) -> FloatArray:
    """Skewness of the last `lookback` values: positive where the tail above the mean is the longer one.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first; usually returns.
    lookback : int, bars, >= 2
        Length of the window, the current bar included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), no unit
        At most sqrt(lookback) in size. ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values
        are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: m3 / m2^1.5, where mk = sum (x - mean)^k / n over the last n values.

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. Population moments
    as in ``scipy.stats.skew``; pandas multiplies by sqrt(n (n - 1)) / (n - 2) to estimate that of the source.
    On a flat window, or one whose variance is below 1e-150, it is 0.

    References
    ----------
    Joanes, D. N. and Gill, C. A. (1998). Comparing Measures of Sample Skewness and Kurtosis. The Statistician
    47 (its g1).

    Examples
    --------
    >>> skewness([1.0, 1.0, 1.0, 1.0, 6.0, 6.0], lookback=5)
    array([       nan,        nan,        nan,        nan, 1.5       ,
           0.40824829])
    """
    return evaluate(SKEWNESS, {"values": values}, lookback=lookback)[0]


@kernel
def kurtosis_step(state: PowerSums, ring: FloatArray, value: float, lookback: int) -> tuple[PowerSums, float]:
    """Advance by one value and return the new state and the excess kurtosis."""
    if not np.isfinite(value):
        return state, np.nan
    state, second, _, fourth = central_moments(state, ring, value, lookback)
    return state, 0.0 if second <= SMALLEST_VARIANCE else fourth / (second * second) - 3.0


def kurtosis(values: ArrayLike, *, lookback: int = 60) -> FloatArray:
    """Excess kurtosis of the last `lookback` values: above 0 where tails are heavier than the normal ones.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first; usually returns.
    lookback : int, bars, >= 2
        Length of the window, the current bar included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), no unit
        At least -2. ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: m4 / m2^2 - 3, where mk = sum (x - mean)^k / n over the last n values.

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. Population moments
    as in ``scipy.stats.kurtosis``; pandas corrects for the bias of small samples. On a flat window, or one
    whose variance is below 1e-150, it is 0.

    References
    ----------
    Joanes, D. N. and Gill, C. A. (1998). Comparing Measures of Sample Skewness and Kurtosis. The Statistician
    47 (its g2).

    Examples
    --------
    >>> kurtosis([1.0, 1.0, 1.0, 1.0, 6.0, 6.0], lookback=5)
    array([        nan,         nan,         nan,         nan,  0.25      ,
           -1.83333333])
    """
    return evaluate(KURTOSIS, {"values": values}, lookback=lookback)[0]


SKEWNESS = Indicator(
    name="skewness",
    inputs=("close",),
    params=(lookback_param(60, low=2),),
    outputs=("skewness",),
    init=power_sums_init,
    warmup=lambda lookback: int(lookback) - 1,
    step=skewness_step,
    public=skewness,
)

KURTOSIS = Indicator(
    name="kurtosis",
    inputs=("close",),
    params=(lookback_param(60, low=2),),
    outputs=("kurtosis",),
    init=power_sums_init,
    warmup=lambda lookback: int(lookback) - 1,
    step=kurtosis_step,
    public=kurtosis,
)
