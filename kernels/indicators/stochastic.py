"""Stochastic oscillator: where the close lies in the range of the last bars, smoothed twice."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import EMPTY_RANGE, Window, WindowRange, window_range, window_total


class Stochastic(NamedTuple):
    """What ``stochastic`` returns."""

    k: FloatArray
    d: FloatArray


class Means(NamedTuple):
    """Header of both means; each has its own part of the ring."""

    raw: Window  # 0 to 100; total of the last raw values
    k: Window  # 0 to 100; total of the last slow ones


class StochasticState(NamedTuple):
    """Header of the state; the ring is that of the range, then those of the means."""

    bars: WindowRange
    means: Means


def stochastic_init(lookback: int, smooth_k: int, smooth_d: int) -> FloatArray:
    """Make a fresh state.

    Both means take what is unknown, too: a block forgets the one before it, so it is enough that a block
    begins with the first value that is known. (With an early exit for it Numba counts references to the ring
    on every bar, which takes 1.5 times as long.)
    """
    n_range, n_k, n_d = int(lookback), int(smooth_k), int(smooth_d)
    raw, k = Window((1 - n_range) % n_k, 0.0), Window((2 - n_range - n_k) % n_d, 0.0)
    return fresh_state([*EMPTY_RANGE, *raw, *k], 2 * n_range + n_k + n_d)


def stochastic_warmup(lookback: int, smooth_k: int, smooth_d: int) -> int:
    """Leading NaN values."""
    return int(lookback) + int(smooth_k) + int(smooth_d) - 3


@kernel
def means_step(
    state: Means, ring: FloatArray, start: int, raw: float, smooth_k: int, smooth_d: int
) -> tuple[Means, float, float]:
    """Take a raw value and return the new header, slow %K and %D, known from the same bar on.

    Dividing a total, not multiplying it by 1 / n, keeps 0, 50 and 100 exact and every mean within bounds.
    """
    raws, raw_total = window_total(state.raw, ring[start : start + smooth_k], raw, smooth_k)
    k = raw_total / smooth_k
    ks, k_total = window_total(state.k, ring[start + smooth_k :], k, smooth_d)
    d = k_total / smooth_d
    return Means(raws, ks), np.nan if np.isnan(d) else k, d


@kernel
def stochastic_step(
    state: StochasticState,
    ring: FloatArray,
    high: float,
    low: float,
    close: float,
    lookback: int,
    smooth_k: int,
    smooth_d: int,
) -> tuple[StochasticState, float, float]:
    """Advance by one bar and return the new state, slow %K and %D."""
    if not np.isfinite(high + low + close):
        return state, np.nan, np.nan
    bars, highest, lowest = window_range(state.bars, ring, high, low, lookback)
    above, span = close - lowest, highest - lowest
    if span <= 0.0:  # written so that NaN stays NaN
        above, span = 0.5, 1.0
    means, k, d = means_step(state.means, ring, 2 * lookback, 100.0 * (above / span), smooth_k, smooth_d)
    return StochasticState(bars, means), k, d


def stochastic(
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    *,
    lookback: int = 14,
    smooth_k: int = 3,
    smooth_d: int = 3,
) -> Stochastic:
    """Place of the close within the range of the last bars, from 0 (its low) to 100 (its high), smoothed.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Length of the range, the current bar included.
    smooth_k : int, bars, >= 1
        Length of the mean that makes slow %K of raw %K; 1 gives the fast stochastic.
    smooth_d : int, bars, >= 1
        Length of the mean that makes %D of slow %K.

    Returns
    -------
    Stochastic
        `k` (slow %K) and `d` (%D), each a float64 ndarray of shape (n_bars,), 0 to 100. Position t uses bars
        ``0..t`` only. The first ``lookback + smooth_k + smooth_d - 3`` values of both are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: raw = 100 (close - lowest low) / (highest high - lowest low) over `lookback` bars;
    k = mean of the last `smooth_k` raw values; d = mean of the last `smooth_d` values of k.

    NaN policy: a bar with a price that is NaN or infinite yields NaN and leaves the state as it was. Both
    outputs begin at the same bar, as in TA-Lib, though k is known `smooth_d` - 1 bars before d. Where the
    range is zero, raw %K is 50, neither end of a range that is none; TA-Lib takes 0 there, as if the price
    had fallen to its low.

    References
    ----------
    Lane, G. C. (1984). "Lane's Stochastics". Technical Analysis of Stocks & Commodities 2(3).

    Examples
    --------
    >>> high, low, close = [2.0, 3.0, 4.0, 5.0], [1.0, 1.0, 2.0, 3.0], [1.5, 3.0, 2.5, 5.0]
    >>> stochastic(high, low, close, lookback=2, smooth_k=1, smooth_d=2)
    Stochastic(k=array([ nan,  nan,  50., 100.]), d=array([nan, nan, 75., 75.]))
    """
    series = {"high": high, "low": low, "close": close}
    return Stochastic(*evaluate(STOCHASTIC, series, lookback=lookback, smooth_k=smooth_k, smooth_d=smooth_d))


STOCHASTIC = Indicator(
    name="stochastic",
    inputs=("high", "low", "close"),
    params=(lookback_param(14), lookback_param(3, name="smooth_k"), lookback_param(3, name="smooth_d")),
    outputs=Stochastic._fields,
    init=stochastic_init,
    warmup=stochastic_warmup,
    step=stochastic_step,
    public=stochastic,
)
