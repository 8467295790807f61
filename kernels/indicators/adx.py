"""Average directional index with its two directional indicators, Wilder's smoothing."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray


class DirectionalMovement(NamedTuple):
    """What ``adx`` returns."""

    adx: FloatArray
    plus_di: FloatArray
    minus_di: FloatArray


class AdxState(NamedTuple):
    """Header of the state; there is no ring. The three sums are Wilder's: about `lookback` times a mean."""

    plus_sum: float  # quote currency; of upward movements
    minus_sum: float  # of downward movements
    range_sum: float  # of true ranges
    adx: float
    previous_high: float  # quote currency
    previous_low: float
    previous_close: float  # NaN before the first valid bar
    n_moves: int  # bars seen that had one before them


def adx_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(AdxState(0.0, 0.0, 0.0, 0.0, np.nan, np.nan, np.nan, 0))


def adx_warmup(lookback: int) -> int:
    """Leading NaN values of the index; the directional indicators start after `lookback`."""
    return 2 * int(lookback) - 1


@kernel
def adx_step(
    state: AdxState, high: float, low: float, close: float, lookback: int
) -> tuple[AdxState, float, float, float]:
    """Advance by one bar and return the new state, the index, and the upward and downward indicator."""
    if not np.isfinite((high - low) + close):
        return state, np.nan, np.nan, np.nan
    if np.isnan(state.previous_close):
        return AdxState(0.0, 0.0, 0.0, 0.0, high, low, close, 0), np.nan, np.nan, np.nan
    up, down = high - state.previous_high, state.previous_low - low
    plus_move = up if up > down and up > 0.0 else 0.0
    minus_move = down if down > up and down > 0.0 else 0.0
    true_range = max(high, state.previous_close) - min(low, state.previous_close)
    n_moves = state.n_moves + 1
    keep = 1.0 if n_moves < lookback else 1.0 - 1.0 / lookback  # the seed is a plain sum of lookback - 1
    plus_sum = state.plus_sum * keep + plus_move
    minus_sum = state.minus_sum * keep + minus_move
    range_sum = state.range_sum * keep + true_range
    if n_moves < lookback:
        state = AdxState(plus_sum, minus_sum, range_sum, 0.0, high, low, close, n_moves)
        return state, np.nan, np.nan, np.nan

    moved, adx, n_indices = plus_sum + minus_sum, state.adx, n_moves - lookback + 1
    if n_indices <= lookback:  # the seed is the plain mean of the first indices; an undefined one counts 0
        index = 100.0 * (abs(plus_sum - minus_sum) / moved) if moved > 0.0 else 0.0
        adx += (index - adx) / n_indices
    elif moved > 0.0:  # else nothing has moved since the first bar, and the index keeps its value
        adx += (100.0 * (abs(plus_sum - minus_sum) / moved) - adx) * (1.0 / lookback)
    plus_di = 100.0 * (plus_sum / range_sum) if range_sum > 0.0 else 0.0
    minus_di = 100.0 * (minus_sum / range_sum) if range_sum > 0.0 else 0.0
    state = AdxState(plus_sum, minus_sum, range_sum, adx, high, low, close, n_moves)
    return state, adx if n_indices >= lookback else np.nan, plus_di, minus_di


def adx(high: ArrayLike, low: ArrayLike, close: ArrayLike, *, lookback: int = 14) -> DirectionalMovement:
    """Average directional index: how one-sided the price moves, whichever the side.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Smoothing length of movements, ranges and the index.

    Returns
    -------
    DirectionalMovement
        `adx`, `plus_di` and `minus_di`, each a float64 ndarray of shape (n_bars,), 0 to 100. Position t uses
        bars ``0..t`` only. The first ``2 * lookback - 1`` values of `adx` and the first `lookback` values of
        the other two are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: with +DM, -DM the larger of the two moves of the extremes and TR the true range, all smoothed by
    Wilder: +DI = 100 +DM / TR, -DI = 100 -DM / TR; ADX = Wilder's mean of 100 |+DI - -DI| / (+DI + -DI).

    NaN policy: a bar with a price that is NaN or infinite yields NaN and leaves the state as it was.
    TA-Lib's convention: nothing is rounded, and movements and ranges begin as sums of ``lookback - 1`` bars.
    Where the price has not moved at all the three are 0.

    References
    ----------
    Wilder, J. W. (1978). New Concepts in Technical Trading Systems, "Directional Movement System".

    Examples
    --------
    >>> movement = adx([10.0, 11.0, 12.0, 14.0], [9.0, 10.0, 11.0, 12.0], [9.5, 10.5, 11.5, 13.5], lookback=2)
    >>> movement.adx
    array([ nan,  nan,  nan, 100.])
    """
    series = {"high": high, "low": low, "close": close}
    return DirectionalMovement(*evaluate(ADX, series, lookback=lookback))


ADX = Indicator(
    name="adx",
    inputs=("high", "low", "close"),
    params=(lookback_param(14),),
    outputs=DirectionalMovement._fields,
    init=adx_init,
    warmup=adx_warmup,
    step=adx_step,
    public=adx,
)
