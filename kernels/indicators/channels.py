"""Channels around a price: between its extremes (Donchian), and some average ranges wide (Keltner)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import EMPTY_RANGE, WindowRange, window_range
from .atr import AtrState, atr_init, atr_step
from .ema import EmaState, ema_init, ema_step


class Channel(NamedTuple):
    """What ``donchian`` and ``keltner`` return."""

    middle: FloatArray
    upper: FloatArray
    lower: FloatArray


class KeltnerState(NamedTuple):
    """Header of the state; there is no ring."""

    ema: EmaState
    atr: AtrState


def donchian_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(EMPTY_RANGE, 2 * int(lookback))


def donchian_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def donchian_step(
    state: WindowRange, ring: FloatArray, high: float, low: float, lookback: int
) -> tuple[WindowRange, float, float, float]:
    """Advance by one bar and return the new state and the middle, upper and lower line."""
    if not np.isfinite(high - low):
        return state, np.nan, np.nan, np.nan
    state, upper, lower = window_range(state, ring, high, low, lookback)
    return state, 0.5 * (upper + lower), upper, lower


def donchian(high: ArrayLike, low: ArrayLike, *, lookback: int = 20) -> Channel:
    """Highest high and lowest low of the last `lookback` bars, and what lies halfway between.

    Parameters
    ----------
    high, low : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Length of the window, the current bar included.

    Returns
    -------
    Channel
        `middle`, `upper` and `lower`, each a float64 ndarray of shape (n_bars,), quote currency. Position t
        uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: upper = max(H[t-n+1..t]), lower = min(L[t-n+1..t]), middle = (upper + lower) / 2, n = lookback

    NaN policy: a bar with a price that is NaN or infinite yields NaN and leaves the state as it was. The
    current bar belongs to the window, so no price is ever outside its own channel: a rule for breakouts must
    compare with the channel of the bar before. On a flat price all three lines are exactly the price.

    References
    ----------
    Donchian, R. D. (1960). Trend-Following Methods in Commodity Price Analysis.

    Examples
    --------
    >>> channel = donchian([3.0, 5.0, 4.0, 4.0], [1.0, 2.0, 3.0, 2.0], lookback=2)
    >>> channel.upper, channel.lower
    (array([nan,  5.,  5.,  4.]), array([nan,  1.,  2.,  2.]))
    """
    return Channel(*evaluate(DONCHIAN, {"high": high, "low": low}, lookback=lookback))


def keltner_init(lookback: int, atr_lookback: int, n_atr: float) -> FloatArray:
    """Make a fresh state."""
    return np.concatenate([ema_init(lookback), atr_init(atr_lookback)])


def keltner_warmup(lookback: int, atr_lookback: int, n_atr: float) -> int:
    """Leading NaN values."""
    return max(int(lookback) - 1, int(atr_lookback))


@kernel
def keltner_step(
    state: KeltnerState,
    high: float,
    low: float,
    close: float,
    lookback: int,
    atr_lookback: int,
    n_atr: float,
) -> tuple[KeltnerState, float, float, float]:
    """Advance by one bar and return the new state and the middle, upper and lower line."""
    if not np.isfinite((high - low) + close):
        return state, np.nan, np.nan, np.nan
    ema_state, middle = ema_step(state.ema, close, lookback)
    atr_state, atr = atr_step(state.atr, high, low, close, atr_lookback)
    width = n_atr * atr
    if np.isnan(width):
        middle = np.nan  # all three begin together
    return KeltnerState(ema_state, atr_state), middle, middle + width, middle - width


def keltner(
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    *,
    lookback: int = 20,
    atr_lookback: int = 10,
    n_atr: float = 2.0,
) -> Channel:
    """Exponential average of the close, and lines `n_atr` average true ranges above and below it.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Length of the average of the close.
    atr_lookback : int, bars, >= 1
        Smoothing length of the average true range.
    n_atr : float, >= 0
        Distance of each outer line from the middle, in average true ranges.

    Returns
    -------
    Channel
        `middle`, `upper` and `lower`, each a float64 ndarray of shape (n_bars,), quote currency. Position t
        uses bars ``0..t`` only. The first max(`lookback` - 1, `atr_lookback`) values of all three are NaN
        (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: middle = EMA(C, lookback), upper/lower = middle +/- n_atr ATR(atr_lookback)

    NaN policy: a bar with a price that is NaN or infinite yields NaN and leaves the state as it was. This is
    Raschke's version, which charts show today. Keltner's own takes plain means: of the typical price for the
    middle, of high - low for the width. On a flat price all three lines are exactly the price.

    References
    ----------
    Keltner, C. W. (1960). How to Make Money in Commodities, "Ten-Day Moving Average Trading Rule".
    Raschke, L. B. and Connors, L. A. (1996). Street Smarts.

    Examples
    --------
    >>> high, low, close = [10.0, 11.0, 12.0], [9.0, 10.0, 11.0], [9.5, 10.5, 11.5]
    >>> channel = keltner(high, low, close, lookback=2, atr_lookback=1)
    >>> channel.middle, channel.upper
    (array([nan, 10., 11.]), array([nan, 13., 14.]))
    """
    series = {"high": high, "low": low, "close": close}
    return Channel(*evaluate(KELTNER, series, lookback=lookback, atr_lookback=atr_lookback, n_atr=n_atr))


DONCHIAN = Indicator(
    name="donchian",
    inputs=("high", "low"),
    params=(lookback_param(20),),
    outputs=Channel._fields,
    init=donchian_init,
    warmup=donchian_warmup,
    step=donchian_step,
    public=donchian,
)

KELTNER = Indicator(
    name="keltner",
    inputs=("high", "low", "close"),
    params=(
        lookback_param(20),
        lookback_param(10, name="atr_lookback"),
        IndicatorParam("n_atr", 2.0, 0.0, 100.0, False),
    ),
    outputs=Channel._fields,
    init=keltner_init,
    warmup=keltner_warmup,
    step=keltner_step,
    public=keltner,
)
