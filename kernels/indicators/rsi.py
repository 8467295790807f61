"""Relative strength index with Wilder's smoothing."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray


class RsiState(NamedTuple):
    """Header of the state; there is no ring."""

    gain: float  # quote currency per bar; running mean of the rises
    loss: float  # the same of the falls, positive
    previous_close: float  # NaN before the first valid bar
    n_changes: int  # seen; each needs the bar before it


def rsi_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(RsiState(0.0, 0.0, np.nan, 0))


def rsi_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback)


@kernel
def rsi_step(state: RsiState, close: float, lookback: int) -> tuple[RsiState, float]:
    """Advance by one bar and return the new state and the index."""
    change = close - state.previous_close
    if not np.isfinite(change):  # a gap, or the first bar: one test for both keeps the usual path short
        if np.isfinite(close):
            return RsiState(0.0, 0.0, close, 0), np.nan
        return state, np.nan
    rise, fall = max(change, 0.0), max(-change, 0.0)
    n_changes = state.n_changes + 1
    if n_changes <= lookback:  # the seed is the plain mean of the first changes
        gain = state.gain + (rise - state.gain) / n_changes
        loss = state.loss + (fall - state.loss) / n_changes
    else:
        gain = state.gain * (1.0 - 1.0 / lookback) + rise * (1.0 / lookback)
        loss = state.loss * (1.0 - 1.0 / lookback) + fall * (1.0 / lookback)
    moved = gain + loss
    if n_changes < lookback:
        rsi = np.nan
    elif moved > 0.0:
        rsi = 100.0 * (gain / moved)  # in this order it never exceeds 100
    else:
        rsi = 50.0
    return RsiState(gain, loss, close, n_changes), rsi


def rsi(close: ArrayLike, *, lookback: int = 14) -> FloatArray:
    """Share of rises in all that the price moved, from 0 (only falls) to 100 (only rises).

    Parameters
    ----------
    close : array_like, shape (n_bars,), quote currency
        Closes of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Smoothing length, in changes from close to close.

    Returns
    -------
    ndarray of float64, shape (n_bars,), 0 to 100
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `close` is not a 1-D array of numbers.

    Notes
    -----
    Formula: RSI = 100 G / (G + L), G and L Wilder's means of the gains and of the losses of n changes.

    NaN policy: a close that is NaN or infinite yields NaN and leaves the state as it was. The seed is the
    mean of the first `lookback` changes, as in TA-Lib. Where the price has not moved at all the index is 50,
    neither side; TA-Lib says 0 there, which a rule would read as "oversold".

    References
    ----------
    Wilder, J. W. (1978). New Concepts in Technical Trading Systems, "Relative Strength Index".

    Examples
    --------
    >>> rsi([10.0, 11.0, 10.5, 11.0, 10.0], lookback=2)
    array([        nan,         nan, 66.66666667, 80.        , 30.76923077])
    """
    return evaluate(RSI, {"close": close}, lookback=lookback)[0]


RSI = Indicator(
    name="rsi",
    inputs=("close",),
    params=(lookback_param(14),),
    outputs=("rsi",),
    init=rsi_init,
    warmup=rsi_warmup,
    step=rsi_step,
    public=rsi,
)
