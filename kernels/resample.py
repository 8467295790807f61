"""Coarse bars from fine ones: a bar is emitted when it is complete, never before.

A fine bar belongs to the coarse bar that closes at the next multiple of the coarse length in UTC, or at the
session's end if that is earlier; a length of zero is the session itself. The coarse bar becomes visible on
the row whose close reaches its own; if that row does not exist, on the first later one.
"""

from typing import NamedTuple

import numpy as np

from .decorator import entry, kernel
from .types import FloatArray, IntArray


class ResampleState(NamedTuple):
    """The coarse bar in progress."""

    close_ns: int  # when it will close; 0 = none is in progress
    n_bars: int  # fine bars in it
    session_close_ns: int  # of its session


N_COARSE_COUNTERS = len(ResampleState._fields)
ROW, CLOSE, SESSION_CLOSE = range(3)  # columns that say when a coarse bar was


@kernel
def coarse_close_ns(close_ns: int, coarse_ns: int, session_close_ns: int) -> int:
    """Close of the coarse bar that a fine bar belongs to."""
    if coarse_ns == 0:
        return session_close_ns
    boundary = (close_ns + coarse_ns - 1) // coarse_ns * coarse_ns
    return min(boundary, session_close_ns)


@kernel
def emit(
    row: int, state: ResampleState, bar: FloatArray, out_when: IntArray, out_bars: FloatArray, n_out: int
) -> int:
    """Write a coarse bar and return the number of them. (Assigning a slice would compile for seconds.)"""
    out_when[n_out, ROW] = row
    out_when[n_out, CLOSE] = state.close_ns
    out_when[n_out, SESSION_CLOSE] = state.session_close_ns
    for i in range(5):
        out_bars[n_out, i] = bar[i]
    return n_out + 1


@entry
def resample_run(
    close_ns: IntArray,
    session_close_ns: IntArray,
    bars: FloatArray,
    coarse_ns: int,
    counters: IntArray,
    partial: FloatArray,
    out_when: IntArray,
    out_bars: FloatArray,
) -> int:
    """Drive fine bars through the resampler and return the number of coarse bars that became complete.

    Parameters
    ----------
    close_ns, session_close_ns : ndarray of int64, shape (n_bars,)
        Close of each fine bar, and scheduled end of its session.
    bars : ndarray of float64, shape (n_bars, 5)
        open, high, low, close, volume; a row with NaN is a missing bar and adds nothing.
    coarse_ns : int
        Length of a coarse bar; 0 stands for one session.
    counters, partial : ndarray of int64, shape (N_COARSE_COUNTERS,), and of float64, shape (5,)
        State between calls: ``ResampleState`` and the bar in progress. Zeros at the start.
    out_when : ndarray of int64, shape (>= n_bars + 1, 3)
        Of each coarse bar the ROW on which it becomes visible, its CLOSE and its SESSION_CLOSE.
    out_bars : ndarray of float64, shape (>= n_bars + 1, 5)
        The coarse bars. Stretches without any fine bar give none.
    """
    n_out = 0
    state = ResampleState(counters[0], counters[1], counters[2])
    for t in range(close_ns.size):
        boundary = coarse_close_ns(close_ns[t], coarse_ns, session_close_ns[t])
        n_in = state.n_bars
        if n_in > 0 and boundary > state.close_ns:  # its last row never came
            n_out = emit(t, state, partial, out_when, out_bars, n_out)
            n_in = 0
        if not np.isnan(bars[t, 3]):
            if n_in == 0:
                for i in range(5):
                    partial[i] = bars[t, i]
            else:
                partial[1] = max(partial[1], bars[t, 1])
                partial[2] = min(partial[2], bars[t, 2])
                partial[3] = bars[t, 3]
                partial[4] += bars[t, 4]
            n_in += 1
        state = ResampleState(boundary, n_in, session_close_ns[t])
        if n_in > 0 and close_ns[t] >= boundary:
            n_out = emit(t, state, partial, out_when, out_bars, n_out)
            state = ResampleState(boundary, 0, session_close_ns[t])
    counters[0], counters[1], counters[2] = state.close_ns, state.n_bars, state.session_close_ns
    return n_out
