"""True range, and the average true range in percent of the price."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import entry, kernel
from ..dense import BLOCK, is_dense
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from .atr import AtrState, atr_init, atr_step, atr_warmup


class TrueRangeState(NamedTuple):
    """Header of the state; there is no ring."""

    previous_close: float  # quote currency; NaN before the first valid bar


@kernel
def true_range_step(
    state: TrueRangeState, high: float, low: float, close: float
) -> tuple[TrueRangeState, float]:
    """Advance by one bar and return the new state and the range."""
    previous_close = state.previous_close
    if np.isfinite((high - low) + (close - previous_close)):
        top = high if high > previous_close else previous_close  # faster than `max`: see ``atr``
        bottom = low if low < previous_close else previous_close
        return TrueRangeState(close), top - bottom
    if np.isfinite((high - low) + close):  # the first bar
        return TrueRangeState(close), np.nan
    return state, np.nan


@entry
def true_range_dense(high: FloatArray, low: FloatArray, close: FloatArray, out: FloatArray) -> bool:
    """Fill `out` for a series without gaps."""
    for t in range(min(1, close.size)):
        out[t] = np.nan
    for start in range(0, close.size, BLOCK):
        stop = min(start + BLOCK, close.size)
        if not (is_dense(high[start:stop]) and is_dense(low[start:stop]) and is_dense(close[start:stop])):
            return False
        first = max(start, 1)  # slices, because an index that might be negative keeps the loop scalar
        highs, lows, ranges = high[first:stop], low[first:stop], out[first:stop]
        before = close[first - 1 : stop - 1]
        for i in range(max(stop - first, 0)):
            top = highs[i] if highs[i] > before[i] else before[i]
            bottom = lows[i] if lows[i] < before[i] else before[i]
            ranges[i] = top - bottom
    return True


def true_range(high: ArrayLike, low: ArrayLike, close: ArrayLike) -> FloatArray:
    """How far a bar travelled, the gap from the close before included.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.

    Returns
    -------
    ndarray of float64, shape (n_bars,), quote currency
        ``out[t]`` uses bars ``0..t`` only. The first value is NaN (warm-up).

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: TR[t] = max(high[t], close[t-1]) - min(low[t], close[t-1]).

    NaN policy: a bar with a price that is NaN or infinite yields NaN and leaves the state as it was. The
    first bar has no close before it and so no true range, as in TA-Lib; charts often show its high - low. On
    a flat price the range is 0.

    References
    ----------
    Wilder, J. W. (1978). New Concepts in Technical Trading Systems, "Volatility System".

    Examples
    --------
    >>> true_range([10.0, 11.0, 15.0], [9.0, 10.0, 14.0], [9.5, 10.5, 14.5])
    array([nan, 1.5, 4.5])
    """
    return evaluate(TRUE_RANGE, {"high": high, "low": low, "close": close})[0]


@kernel
def normalised_atr_step(
    state: AtrState, high: float, low: float, close: float, lookback: int
) -> tuple[AtrState, float]:
    """Advance by one bar and return the new state and the percentage."""
    if not close > 0.0:
        return state, np.nan
    state, atr = atr_step(state, high, low, close, lookback)
    return state, atr / close * 100.0


def normalised_atr(high: ArrayLike, low: ArrayLike, close: ArrayLike, *, lookback: int = 14) -> FloatArray:
    """Average true range in percent of the close, which compares between symbols and over years.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Smoothing length, in true ranges.

    Returns
    -------
    ndarray of float64, shape (n_bars,), percent
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: NATR[t] = 100 * ATR[t] / close[t].

    NaN policy: a bar with a price that is NaN or infinite, or a close that is not above 0, yields NaN and
    leaves the state as it was. Seed and smoothing are those of ``atr``, as in TA-Lib, whose NATR of length 1
    is the true range in quote currency while ours stays a percentage. On a flat price it is 0.

    References
    ----------
    Forman, J. (2006). "Cross-Market Evaluations With Normalized Average True Range". Technical Analysis of
    Stocks & Commodities 24(5).

    Examples
    --------
    >>> normalised_atr([10.0, 11.0, 12.0, 14.0], [9.0, 10.0, 11.0, 12.0], [9.5, 10.5, 12.0, 12.5], lookback=2)
    array([ nan,  nan, 12.5, 14. ])
    """
    return evaluate(NORMALISED_ATR, {"high": high, "low": low, "close": close}, lookback=lookback)[0]


TRUE_RANGE = Indicator(
    name="true_range",
    inputs=("high", "low", "close"),
    params=(),
    outputs=("true_range",),
    init=lambda: fresh_state(TrueRangeState(np.nan)),
    warmup=lambda: 1,
    step=true_range_step,
    public=true_range,
    dense=true_range_dense,
)

NORMALISED_ATR = Indicator(
    name="normalised_atr",
    inputs=("high", "low", "close"),
    params=(lookback_param(14),),
    outputs=("normalised_atr",),
    init=atr_init,
    warmup=atr_warmup,
    step=normalised_atr_step,
    public=normalised_atr,
)
