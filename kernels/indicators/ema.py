"""Exponential moving average, begun with a plain mean as in TA-Lib."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray


class EmaState(NamedTuple):
    """Header of the state; there is no ring."""

    ema: float
    n_values: int  # seen so far


def ema_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(EmaState(0.0, 0))


def ema_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def ema_step(state: EmaState, value: float, lookback: int) -> tuple[EmaState, float]:
    """Advance by one value and return the new state and the average."""
    if not np.isfinite(value):
        return state, np.nan
    n_values = state.n_values + 1
    # Two products, `ema * (1 - k) + value * k`, are faster, but only this form stays exactly on a flat price:
    # a fast and a slow average of a halted stock must not cross by a rounding error.
    if n_values <= lookback:
        ema = state.ema + (value - state.ema) / n_values
    else:
        ema = state.ema + (value - state.ema) * (2.0 / (lookback + 1.0))
    return EmaState(ema, n_values), ema if n_values >= lookback else np.nan


def ema(values: ArrayLike, *, lookback: int = 20) -> FloatArray:
    """Mean that forgets: each bar the newest value counts ``2 / (lookback + 1)``.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 1
        Smoothing length; also the number of values whose plain mean begins the recursion.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `values`
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: EMA[t] = EMA[t-1] + 2 / (n + 1) * (value - EMA[t-1]).

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was. The seed is
    TA-Lib's; pandas' ``ewm`` starts from the first value instead and agrees only after many bars.

    Examples
    --------
    >>> ema([1.0, 2.0, 6.0, 4.0], lookback=3)
    array([nan, nan, 3. , 3.5])
    """
    return evaluate(EMA, {"values": values}, lookback=lookback)[0]


EMA = Indicator(
    name="ema",
    inputs=("close",),
    params=(lookback_param(20),),
    outputs=("ema",),
    init=ema_init,
    warmup=ema_warmup,
    step=ema_step,
    public=ema,
)
