"""Williams %R: how far the close lies below the highest price of the last bars."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import EMPTY_RANGE, WindowRange, window_range


class WilliamsRState(NamedTuple):
    """Header of the state; the ring is that of the range."""

    bars: WindowRange


def williams_r_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(EMPTY_RANGE, 2 * int(lookback))


def williams_r_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def williams_r_step(
    state: WilliamsRState, ring: FloatArray, high: float, low: float, close: float, lookback: int
) -> tuple[WilliamsRState, float]:
    """Advance by one bar and return the new state and %R."""
    if not np.isfinite(high + low + close):
        return state, np.nan
    bars, highest, lowest = window_range(state.bars, ring, high, low, lookback)
    above, span = close - highest, highest - lowest
    if span <= 0.0:  # written so that NaN stays NaN
        above, span = -0.5, 1.0
    return WilliamsRState(bars), 100.0 * (above / span)


def williams_r(high: ArrayLike, low: ArrayLike, close: ArrayLike, *, lookback: int = 14) -> FloatArray:
    """Distance of the close from the highest price, from 0 (there) to -100 (at the lowest).

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Length of the range, the current bar included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), -100 to 0
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: 100 (close - highest high) / (highest high - lowest low) over `lookback` bars.

    NaN policy: a bar with a price that is NaN or infinite yields NaN and leaves the state as it was. It is
    raw %K of ``stochastic`` less 100, and so -50 where the range is zero; TA-Lib takes 0 there.

    References
    ----------
    Williams, L. (1973). How I Made One Million Dollars Last Year Trading Commodities.

    Examples
    --------
    >>> williams_r([2.0, 3.0, 5.0], [1.0, 1.0, 1.0], [1.5, 3.0, 2.0], lookback=2)
    array([ nan,   0., -75.])
    """
    return evaluate(WILLIAMS_R, {"high": high, "low": low, "close": close}, lookback=lookback)[0]


WILLIAMS_R = Indicator(
    name="williams_r",
    inputs=("high", "low", "close"),
    params=(lookback_param(14),),
    outputs=("williams_r",),
    init=williams_r_init,
    warmup=williams_r_warmup,
    step=williams_r_step,
    public=williams_r,
)
