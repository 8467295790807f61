"""Moving average convergence/divergence: a fast average against a slow one, and a signal that follows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param, refuse_crossed
from ..types import FloatArray


class Macd(NamedTuple):
    """What ``macd`` returns."""

    macd: FloatArray
    signal: FloatArray
    histogram: FloatArray


class MacdState(NamedTuple):
    """Header of the state; there is no ring.

    Kept are not the averages but how far each lies below the newest value: ``gap = (gap + change) * (1 - k)``
    is the same recursion with one step less to wait for (measured 1.4 times as fast), and the difference of
    two gaps is that of the averages, free of the price, whose rounding would hide a small one.
    """

    previous: float  # value; 0 before the first
    n_values: int  # seen so far
    slow_gap: float  # newest value less its slow average
    fast_gap: float
    difference: float  # of the averages
    histogram: float  # difference less its own average


def macd_init(fast: int, slow: int, signal: int) -> FloatArray:
    """Make a fresh state."""
    refuse_crossed("fast", fast, "slow", slow)
    return fresh_state(MacdState(0.0, 0, 0.0, 0.0, 0.0, 0.0))


def macd_warmup(fast: int, slow: int, signal: int) -> int:
    """Leading NaN values."""
    return int(slow) + int(signal) - 2


@kernel
def kept_share(n_values: int, lookback: int) -> float:
    """What an exponential average keeps of itself: that of a plain mean until it has its seed."""
    if n_values > lookback:
        return 1.0 - 2.0 / (lookback + 1.0)
    return 1.0 - 1.0 / n_values if n_values > 0 else 0.0


@kernel
def macd_step(
    state: MacdState, value: float, fast: int, slow: int, signal: int
) -> tuple[MacdState, float, float, float]:
    """Advance by one value and return the new state, the difference, its signal and what lies between."""
    if not np.isfinite(value):
        return state, np.nan, np.nan, np.nan
    n_values = state.n_values + 1
    change = value - state.previous
    slow_gap = (state.slow_gap + change) * kept_share(n_values, slow)
    # The fast average waits, so that both seeds end at the same bar.
    fast_gap = (state.fast_gap + change) * kept_share(n_values - (slow - fast), fast)
    difference = slow_gap - fast_gap
    histogram = (state.histogram + (difference - state.difference)) * kept_share(n_values - slow + 1, signal)
    state = MacdState(value, n_values, slow_gap, fast_gap, difference, histogram)
    if n_values < slow + signal - 1:
        return state, np.nan, np.nan, np.nan
    line = difference - histogram
    return state, difference, line, difference - line  # its sign never contradicts a comparison of the two


def macd(values: ArrayLike, *, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """Fast exponential average less the slow one, the average of that, and the distance between the two.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    fast, slow : int, bars, >= 1, fast <= slow
        Lengths of the two averages.
    signal : int, bars, >= 1
        Length of the average of their difference.

    Returns
    -------
    Macd
        `macd`, `signal` and `histogram`, each a float64 ndarray of shape (n_bars,) in the unit of `values`.
        Position t uses bars ``0..t`` only. The first `slow` + `signal` - 2 values of all three are NaN
        (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: macd = EMA(P, fast) - EMA(P, slow); signal = EMA(macd, signal); histogram = macd - signal

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. As in TA-Lib the
    fast average waits: its seed is the mean of the `fast` values that end with the slow one's seed, and all
    outputs begin with the signal. Charts that begin both averages at the first bar agree after some 100 bars.
    On a flat price all outputs are exactly 0, and so are they where `fast` equals `slow`.

    References
    ----------
    Appel, G. (2005). Technical Analysis: Power Tools for Active Investors, chapters 6 to 8.

    Examples
    --------
    >>> lines = macd([1.0, 2.0, 6.0, 4.0, 5.0], fast=1, slow=2, signal=2)
    >>> lines.macd
    array([        nan,         nan,  1.5       , -0.16666667,  0.27777778])
    >>> lines.signal
    array([       nan,        nan, 1.        , 0.22222222, 0.25925926])
    """
    return Macd(*evaluate(MACD, {"values": values}, fast=fast, slow=slow, signal=signal))


MACD = Indicator(
    name="macd",
    inputs=("close",),
    params=(
        lookback_param(12, name="fast"),
        lookback_param(26, name="slow"),
        lookback_param(9, name="signal"),
    ),
    outputs=Macd._fields,
    init=macd_init,
    warmup=macd_warmup,
    step=macd_step,
    public=macd,
)
