"""The value of some bars ago."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .decorator import entry, kernel
from .indicator import Indicator, evaluate, fresh_state, lookback_param
from .types import FloatArray, IntArray


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
    slot = state.slot
    due = ring[slot]
    ring[slot] = value
    return PreviousState(slot + 1 if slot + 1 < bars else 0), due


@entry
def previous_run(values: FloatArray, bars: int, state: FloatArray, out: FloatArray) -> None:
    """Drive ``previous_step`` over time, filling ``out``."""
    ring = state[N_HEADER:]
    local = PreviousState(int(state[0]))
    for t in range(values.size):
        local, out[t] = previous_step(local, ring, values[t], bars)
    state[0] = local.slot


@entry
def previous_rows(
    work: FloatArray, src: IntArray, dst: IntArray, params: FloatArray, state: FloatArray
) -> None:
    """Drive ``previous_run`` over rows of a feature graph."""
    for i in range(src.shape[0]):
        previous_run(work[src[i, 0]], int(params[i, 0]), state[i], work[dst[i, 0]])


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
    run=previous_run,
    rows=previous_rows,
    public=previous,
)
