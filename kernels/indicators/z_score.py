"""How far the newest value lies from the mean of the last ones, in standard deviations."""

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..moments import NO_MOMENTS, SMALLEST_VARIANCE, Moments, window_moments
from ..types import FloatArray


@kernel
def z_score_step(state: Moments, ring: FloatArray, value: float, lookback: int) -> tuple[Moments, float]:
    """Advance by one value and return the new state and the score."""
    if not np.isfinite(value):
        return state, np.nan
    state, mean, variance = window_moments(state, ring, value, lookback)
    if variance <= SMALLEST_VARIANCE:
        return state, 0.0
    return state, ((value - state.reference) - mean) / np.sqrt(variance)


def z_score(values: ArrayLike, *, lookback: int = 20) -> FloatArray:
    """Distance of each value from the mean of its window, in population standard deviations.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 2
        Length of the window, the current bar included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), standard deviations
        At most sqrt(lookback - 1) in size. ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1
        values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: (x[t] - mean) / std over the last n values, x[t] among them; std = sqrt(sum (x - mean)^2 / n).

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. The deviation has
    no degrees of freedom taken off (population), as in ``bollinger``: the score is where the value lies in
    bands of one deviation. On a flat window, or one whose variance is below 1e-290, it is 0.

    Examples
    --------
    >>> z_score([1.0, 3.0, 3.0, 7.0, 7.0, 7.0], lookback=2)
    array([nan,  1.,  0.,  1.,  0.,  0.])
    """
    return evaluate(Z_SCORE, {"values": values}, lookback=lookback)[0]


Z_SCORE = Indicator(
    name="z_score",
    inputs=("close",),
    params=(lookback_param(20, low=2),),
    outputs=("z_score",),
    init=lambda lookback: fresh_state(NO_MOMENTS, 2 * int(lookback)),
    warmup=lambda lookback: int(lookback) - 1,
    step=z_score_step,
    public=z_score,
)
