"""How far a value has come since some bars ago: as a difference, in percent, as a fraction, as a logarithm.

All four keep the last values in a ring and read the one that is due; see ``lag``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import entry, kernel
from ..dense import BLOCK, is_dense
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import lag
from .realised_volatility import log_ratio


class LagState(NamedTuple):
    """Header of the state; the ring holds the last values."""

    slot: int  # of the ring, which the next value takes and whose old one is due


def lag_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(LagState(0), int(lookback))


def lag_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback)


@kernel
def momentum_step(state: LagState, ring: FloatArray, value: float, lookback: int) -> tuple[LagState, float]:
    """Advance by one value and return the new state and the difference."""
    if not np.isfinite(value):
        return state, np.nan
    slot, old = lag(state.slot, ring, value, lookback)
    return LagState(slot), value - old


@entry
def momentum_dense(values: FloatArray, lookback: int, out: FloatArray) -> bool:
    """Fill `out` for a series without gaps."""
    for t in range(min(lookback, values.size)):
        out[t] = np.nan
    for start in range(0, values.size, BLOCK):
        stop = min(start + BLOCK, values.size)
        if not is_dense(values[start:stop]):
            return False
        first = max(start, lookback)  # slices, because an index that might be negative keeps the loop scalar
        old, new, changes = values[first - lookback : stop - lookback], values[first:stop], out[first:stop]
        for i in range(max(stop - first, 0)):
            changes[i] = new[i] - old[i]
    return True


def momentum(values: ArrayLike, *, lookback: int = 10) -> FloatArray:
    """Value less the value of `lookback` bars ago.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 1
        How many valid bars to look back.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `values`
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: P[t] - P[t-n], n = lookback

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was, so that it is not
    counted as a bar. The same as TA-Lib's MOM; on a flat price exactly 0.

    Examples
    --------
    >>> momentum([1.0, 2.0, 6.0, 4.0], lookback=2)
    array([nan, nan,  5.,  2.])
    """
    return evaluate(MOMENTUM, {"values": values}, lookback=lookback)[0]


@kernel
def rate_of_change_step(
    state: LagState, ring: FloatArray, value: float, lookback: int
) -> tuple[LagState, float]:
    """Advance by one value and return the new state and the change in percent."""
    if not np.isfinite(value):
        return state, np.nan
    slot, old = lag(state.slot, ring, value, lookback)
    # The difference first: unlike `value / old - 1` it keeps all digits of a small change.
    change = 100.0 * ((value - old) / old) if old != 0.0 else 0.0
    return LagState(slot), change


def rate_of_change(values: ArrayLike, *, lookback: int = 10) -> FloatArray:
    """Change since `lookback` bars ago, in percent of the value then.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    lookback : int, bars, >= 1
        How many valid bars to look back.

    Returns
    -------
    ndarray of float64, shape (n_bars,), percent
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: 100 (P[t] / P[t-n] - 1), n = lookback; 0 where P[t-n] is 0

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was, so that it is not
    counted as a bar. The same as TA-Lib's ROC, also in being 0 where the old value is 0. For rules that work
    with fractions there is ``simple_return``.

    Examples
    --------
    >>> rate_of_change([1.0, 2.0, 6.0, 4.0], lookback=2)
    array([ nan,  nan, 500., 100.])
    """
    return evaluate(RATE_OF_CHANGE, {"values": values}, lookback=lookback)[0]


@kernel
def simple_return_step(
    state: LagState, ring: FloatArray, value: float, lookback: int
) -> tuple[LagState, float]:
    """Advance by one value and return the new state and the return."""
    if not (np.isfinite(value) and value > 0.0):
        return state, np.nan
    slot, old = lag(state.slot, ring, value, lookback)
    return LagState(slot), (value - old) / old


def simple_return(values: ArrayLike, *, lookback: int = 1) -> FloatArray:
    """Change since `lookback` bars ago, as a fraction of the price then.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive prices, oldest first.
    lookback : int, bars, >= 1
        How many valid bars to look back.

    Returns
    -------
    ndarray of float64, shape (n_bars,), fraction above -1
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: P[t] / P[t-n] - 1, n = lookback

    NaN policy: a value that is NaN, infinite or not above 0 yields NaN and leaves the state as it was, so
    that it is not counted as a bar: nothing can be earned on a price of nothing. Returns add up over
    symbols; over time they compound.

    Examples
    --------
    >>> simple_return([1.0, 2.0, 6.0, 3.0])
    array([ nan,  1. ,  2. , -0.5])
    """
    return evaluate(SIMPLE_RETURN, {"values": values}, lookback=lookback)[0]


@kernel
def log_return_step(state: LagState, ring: FloatArray, value: float, lookback: int) -> tuple[LagState, float]:
    """Advance by one value and return the new state and the logarithm."""
    if not (np.isfinite(value) and value > 0.0):
        return state, np.nan
    slot, old = lag(state.slot, ring, value, lookback)
    # `math`, because NumPy has a logarithm of its own, which may differ from the compiled one by a bit.
    return LagState(slot), log_ratio(value, old)


def log_return(values: ArrayLike, *, lookback: int = 1) -> FloatArray:
    """Natural logarithm of the price over that of `lookback` bars ago.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive prices, oldest first.
    lookback : int, bars, >= 1
        How many valid bars to look back.

    Returns
    -------
    ndarray of float64, shape (n_bars,), natural logarithm
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: ln(P[t] / P[t-n]), n = lookback

    NaN policy: a value that is NaN, infinite or not above 0 yields NaN and leaves the state as it was, so
    that it is not counted as a bar. Logarithms add up over time; over symbols they do not.

    Examples
    --------
    >>> log_return([1.0, 2.0, 4.0, 1.0])
    array([        nan,  0.69314718,  0.69314718, -1.38629436])
    """
    return evaluate(LOG_RETURN, {"values": values}, lookback=lookback)[0]


MOMENTUM = Indicator(
    name="momentum",
    inputs=("close",),
    params=(lookback_param(10),),
    outputs=("momentum",),
    init=lag_init,
    warmup=lag_warmup,
    step=momentum_step,
    public=momentum,
    dense=momentum_dense,
)

RATE_OF_CHANGE = Indicator(
    name="rate_of_change",
    inputs=("close",),
    params=(lookback_param(10),),
    outputs=("rate_of_change",),
    init=lag_init,
    warmup=lag_warmup,
    step=rate_of_change_step,
    public=rate_of_change,
)

SIMPLE_RETURN = Indicator(
    name="simple_return",
    inputs=("close",),
    params=(lookback_param(1),),
    outputs=("simple_return",),
    init=lag_init,
    warmup=lag_warmup,
    step=simple_return_step,
    public=simple_return,
)

LOG_RETURN = Indicator(
    name="log_return",
    inputs=("close",),
    params=(lookback_param(1),),
    outputs=("log_return",),
    init=lag_init,
    warmup=lag_warmup,
    step=log_return_step,
    public=log_return,
)
