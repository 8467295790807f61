"""The shape of one bar, in fractions of its range."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state
from ..types import FloatArray


class Candle(NamedTuple):
    """What ``candle`` returns."""

    body: FloatArray
    direction: FloatArray
    upper_wick: FloatArray
    lower_wick: FloatArray
    close_location: FloatArray
    range_fraction: FloatArray


@kernel
def candle_step(
    open: float, high: float, low: float, close: float
) -> tuple[float, float, float, float, float, float]:
    """Shape of one bar."""
    if not (0.0 < close < np.inf and np.isfinite(open) and np.isfinite(high) and np.isfinite(low)):
        return np.nan, np.nan, np.nan, np.nan, np.nan, np.nan
    reach = high - low
    if not reach > 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.5, 0.0
    direction = (close - open) / reach
    upper_wick = (high - max(open, close)) / reach
    lower_wick = (min(open, close) - low) / reach
    return abs(direction), direction, upper_wick, lower_wick, (close - low) / reach, reach / close


def candle(open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike) -> Candle:
    """How a bar's range divides into body and wicks, where it closed, and how large it is.

    Parameters
    ----------
    open, high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.

    Returns
    -------
    Candle
        `body`, `upper_wick` and `lower_wick` (0 to 1, together 1), `direction` (-1 to 1: the body with its
        sign), `close_location` (0 at the low, 1 at the high) and `range_fraction` (range over close), each a
        float64 ndarray of shape (n_bars,). Position t uses bar t only; there is no warm-up.

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: with R = high - low: body = |close - open| / R; direction = (close - open) / R;
    upper_wick = (high - max(open, close)) / R; lower_wick = (min(open, close) - low) / R;
    close_location = (close - low) / R; range_fraction = R / close.

    NaN policy: a bar with a price that is NaN or infinite, or a close that is not above 0, yields NaN. A bar
    without range has no shape: all are 0, and `close_location` is 0.5. A bar whose open or close lies outside
    its range is not bent into the bounds.

    Examples
    --------
    >>> shape = candle([11.0], [14.0], [10.0], [12.0])
    >>> [float(part[0]) for part in shape]
    [0.25, 0.25, 0.5, 0.25, 0.5, 0.3333333333333333]
    """
    return Candle(*evaluate(CANDLE, {"open": open, "high": high, "low": low, "close": close}))


CANDLE = Indicator(
    name="candle",
    inputs=("open", "high", "low", "close"),
    params=(),
    outputs=Candle._fields,
    init=lambda: fresh_state(()),
    warmup=lambda: 0,
    step=candle_step,
    public=candle,
)
