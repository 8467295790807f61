"""Bollinger bands: a moving mean, and the population standard deviation around it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state, lookback_param
from ..types import FloatArray


class Bands(NamedTuple):
    """What ``bollinger`` returns."""

    middle: FloatArray
    upper: FloatArray
    lower: FloatArray


class BollingerState(NamedTuple):
    """Header of the state; the ring has two numbers per slot (see ``sma`` for the way sums are kept).

    A slot holds a value of the running block, later the tail sums of deviations and of their squares.
    Because deviations are taken from a value of the window itself, the squares are at most `lookback` times
    as large as what remains of them after centring: the subtraction below cannot lose the result.
    """

    slot: int  # of the ring, which the next value takes; 0 begins a block
    reference: float  # first value of the running block
    head_sum: float  # deviations from it since the block began
    head_squares: float  # their squares


N_HEADER = len(BollingerState._fields)


def bollinger_init(lookback: int, n_std: float) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(BollingerState(0, 0.0, 0.0, 0.0), 2 * int(lookback))


def bollinger_warmup(lookback: int, n_std: float) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def bollinger_step(
    state: BollingerState, ring: FloatArray, value: float, lookback: int, n_std: float
) -> tuple[BollingerState, float, float, float]:
    """Advance by one value and return the new state and the middle, upper and lower band."""
    if not np.isfinite(value):
        return state, np.nan, np.nan, np.nan
    slot, reference, head_sum, head_squares = state
    if slot == 0:
        reference, head_sum, head_squares = value, 0.0, 0.0
        tail_sum, tail_squares = 0.0, 0.0
        for i in range(lookback - 1, -1, -1):
            deviation = ring[2 * i] - reference
            ring[2 * i], ring[2 * i + 1] = tail_sum, tail_squares  # of the values after i
            tail_sum += deviation
            tail_squares += deviation * deviation
    deviation = value - reference
    head_sum += deviation
    head_squares += deviation * deviation
    mean = (head_sum + ring[2 * slot]) * (1.0 / lookback)
    variance = (head_squares + ring[2 * slot + 1]) * (1.0 / lookback) - mean * mean
    if variance < 0.0:  # by a rounding error; written so that NaN stays NaN
        variance = 0.0
    ring[2 * slot] = value
    slot = slot + 1 if slot + 1 < lookback else 0
    middle, width = reference + mean, n_std * np.sqrt(variance)
    return BollingerState(slot, reference, head_sum, head_squares), middle, middle + width, middle - width


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
