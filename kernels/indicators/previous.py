"""The value of some bars ago."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import lag


class PreviousState(NamedTuple):
    """Header of the state; the ring holds the last values."""

    slot: int  # of the ring, which the next value takes and whose old one is due


N_HEADER = len(PreviousState._fields)


def previous_init(bars: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(PreviousState(0), int(bars))


def previous_warmup(bars: int) -> int:
    """Leading NaN values."""
    return int(bars)


@kernel
def previous_step(
    state: PreviousState, ring: FloatArray, value: float, bars: int
) -> tuple[PreviousState, float]:
    """Advance by one value and return the new state and the value of `bars` bars ago."""
    if not np.isfinite(value):
        return state, np.nan
    slot, due = lag(state.slot, ring, value, bars)
    return PreviousState(slot), due


def previous(values: ArrayLike, *, bars: int = 1) -> FloatArray:
    """Value of `bars` valid bars ago.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    bars : int, >= 1
        How many valid bars to look back.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `values`
        ``out[t]`` uses bars ``0..t`` only. The first `bars` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `bars` is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: out[t] = value[t - bars], counting known bars only.

    NaN policy: a value that is NaN or infinite yields NaN and leaves the state as it was, so that it is not
    counted as a bar.

    Examples
    --------
    >>> previous([1.0, 2.0, 3.0])
    array([nan,  1.,  2.])
    """
    return evaluate(PREVIOUS, {"values": values}, bars=bars)[0]


PREVIOUS = Indicator(
    name="previous",
    inputs=("close",),
    params=(lookback_param(1, name="bars"),),
    outputs=("previous",),
    init=previous_init,
    warmup=previous_warmup,
    step=previous_step,
    public=previous,
)
