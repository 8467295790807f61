"""How far a price opens from where it closed: bar by bar, and once per session."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state
from ..types import FloatArray


class GapState(NamedTuple):
    """Header of the state; there is no ring."""

    previous_close: float  # quote currency; NaN before the first valid bar


@kernel
def gap_step(state: GapState, open: float, close: float) -> tuple[GapState, float]:
    """Advance by one bar and return the new state and the gap."""
    if not (0.0 < open < np.inf and 0.0 < close < np.inf):
        return state, np.nan
    return GapState(close), (open - state.previous_close) / state.previous_close


def gap(open: ArrayLike, close: ArrayLike) -> FloatArray:
    """Open of each bar against the close before.

    Parameters
    ----------
    open, close : array_like, shape (n_bars,), quote currency, above 0
        Prices of consecutive bars, oldest first.

    Returns
    -------
    ndarray of float64, shape (n_bars,), fraction
        ``out[t]`` uses bars ``0..t`` only. The first value is NaN (warm-up).

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: gap[t] = open[t] / close[t-1] - 1.

    NaN policy: a bar with a price that is NaN, infinite or not above 0 yields NaN and leaves the state as it
    was: the next gap reaches across it. Made for daily bars; on shorter ones see ``session_gap``. On a flat
    price it is 0.

    Examples
    --------
    >>> gap([100.0, 102.0, 99.0], [100.0, 100.0, 99.0])
    array([  nan,  0.02, -0.01])
    """
    return evaluate(GAP, {"open": open, "close": close})[0]


class SessionGapState(NamedTuple):
    """Header of the state; there is no ring."""

    session_open: float  # seconds; which session the last valid bar belongs to
    last_close: float  # quote currency; NaN before the first valid bar
    gap: float  # fraction; NaN in the first session


@kernel
def session_gap_step(
    state: SessionGapState, open: float, close: float, session_open: float
) -> tuple[SessionGapState, float]:
    """Advance by one bar and return the new state and the gap of its session."""
    if not (0.0 < open < np.inf and 0.0 < close < np.inf and np.isfinite(session_open)):
        return state, np.nan
    gap = state.gap
    if session_open != state.session_open:  # NaN equals nothing: the first bar comes here and stays unknown
        gap = (open - state.last_close) / state.last_close
    return SessionGapState(session_open, close, gap), gap


def session_gap(open: ArrayLike, close: ArrayLike, session_open: ArrayLike) -> FloatArray:
    """First open of the session against the last close of the session before, held through the session.

    Parameters
    ----------
    open, close : array_like, shape (n_bars,), quote currency, above 0
        Prices of consecutive bars, oldest first.
    session_open : array_like, shape (n_bars,), seconds
        When each bar's session began; bars of one session share it.

    Returns
    -------
    ndarray of float64, shape (n_bars,), fraction
        ``out[t]`` uses bars ``0..t`` only. All values of the first session are NaN (warm-up: at least one
        bar).

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: gap = open of the session's first bar / close of the last bar before it - 1.

    NaN policy: a bar with a value that is NaN or infinite, or a price that is not above 0, yields NaN and
    leaves the state as it was: the first valid bar of a session is its first bar. A session that is missing
    is skipped: the gap reaches back to the last one there is. On a flat price it is 0.

    Examples
    --------
    >>> session_gap([100.0, 101.0, 99.0, 98.0], [101.0, 100.0, 98.0, 97.0], [0.0, 0.0, 86400.0, 86400.0])
    array([  nan,   nan, -0.01, -0.01])
    """
    return evaluate(SESSION_GAP, {"open": open, "close": close, "session_open": session_open})[0]


GAP = Indicator(
    name="gap",
    inputs=("open", "close"),
    params=(),
    outputs=("gap",),
    init=lambda: fresh_state(GapState(np.nan)),
    warmup=lambda: 1,
    step=gap_step,
    public=gap,
)

SESSION_GAP = Indicator(
    name="session_gap",
    inputs=("open", "close", "session_open"),
    params=(),
    outputs=("session_gap",),
    init=lambda: fresh_state(SessionGapState(np.nan, np.nan, np.nan)),
    warmup=lambda: 1,  # the least: how long the first session lasts is in the data
    step=session_gap_step,
    public=session_gap,
)
