"""Correlation between all pairs of some symbols, and what follows when everything moves together.

A step moves one pair by one bar; ``pairwise_run`` takes pair after pair over time, so that a pair's window
stays in the processor's cache. Time is cut into blocks of `lookback` returns (see ``sma`` and ``windows``):
five sums over the tails of the finished block and over the head of the running one, of deviations from the
first returns of the running block. Nothing is ever taken away, so nothing drifts.

Missing bars: a return needs the closes of a bar and of the bar before it. A pair takes the bars on which both
symbols have a return, and its window is the last `lookback` of those: a gap of one symbol neither ages nor
resets its pairs. On a bar without a common return a pair is NaN, and the mean is that of the other pairs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .decorator import entry, kernel
from .indicator import IndicatorParam, checked_value, lookback_param
from .types import BoolArray, FloatArray, IntArray
from .windows import next_slot

MAX_RETURN = 1e70  # the fourth power is still a number
LOOKBACK = lookback_param(60, low=2)


class PairState(NamedTuple):
    """Header of one pair; its ring has five numbers per slot.

    A slot holds the two returns of a bar of the running block, later the tail sums in the order of the
    fields below.
    """

    slot: int  # of the ring, which the next bar takes; 0 begins a block
    reference_x: float  # first returns of the running block
    reference_y: float
    x: float  # sums since the block began: deviations, their squares and their product
    y: float
    xx: float
    yy: float
    xy: float


N_HEADER, N_SUMS = len(PairState._fields), 5


class PairwiseState(NamedTuple):
    """State of all pairs; arrays that ``pairwise_run`` carries on in place."""

    previous_close: FloatArray  # (n_symbols,) of the bar before; NaN where it is missing
    headers: FloatArray  # (n_pairs, N_HEADER)
    rings: FloatArray  # (n_pairs, N_SUMS * lookback)


class Crowding(NamedTuple):
    """What ``crowding`` returns."""

    is_risk_on_off: BoolArray
    position_limit: IntArray


def pair_indices(n_symbols: int) -> tuple[IntArray, IntArray]:
    """Positions of the first and the second symbol of each pair, in the order of all results here."""
    first, second = np.triu_indices(n_symbols, 1)
    return first.astype(np.int64), second.astype(np.int64)


def pairwise_init(n_symbols: int, lookback: int) -> PairwiseState:
    """Make a fresh state; it takes 40 bytes per pair and return of the window."""
    n_pairs = n_symbols * (n_symbols - 1) // 2
    return PairwiseState(
        np.full(n_symbols, np.nan),
        np.zeros((n_pairs, N_HEADER)),
        np.full((n_pairs, N_SUMS * lookback), np.nan),
    )


@kernel
def pair_step(
    state: PairState, ring: FloatArray, x: float, y: float, lookback: int
) -> tuple[PairState, float]:
    """Advance one pair by one bar's returns and return the new state and the correlation."""
    if not np.isfinite(x + y):
        return state, np.nan
    slot, reference_x, reference_y, head_x, head_y, head_xx, head_yy, head_xy = state
    if slot == 0:
        reference_x, reference_y = x, y
        head_x, head_y, head_xx, head_yy, head_xy = 0.0, 0.0, 0.0, 0.0, 0.0
        tail_x, tail_y, tail_xx, tail_yy, tail_xy = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(N_SUMS * (lookback - 1), -1, -N_SUMS):
            dx, dy = ring[i] - reference_x, ring[i + 1] - reference_y
            ring[i], ring[i + 1], ring[i + 2] = tail_x, tail_y, tail_xx
            ring[i + 3], ring[i + 4] = tail_yy, tail_xy
            tail_x += dx
            tail_y += dy
            tail_xx += dx * dx
            tail_yy += dy * dy
            tail_xy += dx * dy
    dx, dy = x - reference_x, y - reference_y
    head_x += dx
    head_y += dy
    head_xx += dx * dx
    head_yy += dy * dy
    head_xy += dx * dy
    i = N_SUMS * slot
    mean_x = (head_x + ring[i]) * (1.0 / lookback)
    mean_y = (head_y + ring[i + 1]) * (1.0 / lookback)
    variance_x = (head_xx + ring[i + 2]) * (1.0 / lookback) - mean_x * mean_x
    variance_y = (head_yy + ring[i + 3]) * (1.0 / lookback) - mean_y * mean_y
    covariance = (head_xy + ring[i + 4]) * (1.0 / lookback) - mean_x * mean_y
    ring[i], ring[i + 1] = x, y
    state = PairState(
        next_slot(slot, lookback), reference_x, reference_y, head_x, head_y, head_xx, head_yy, head_xy
    )
    if np.isnan(covariance):  # the window still reaches before the first return
        return state, np.nan
    if variance_x <= 0.0 or variance_y <= 0.0:
        return state, 0.0
    correlation = covariance / np.sqrt(variance_x * variance_y)
    return state, min(max(correlation, -1.0), 1.0)


@entry
def pairwise_run(
    close: FloatArray,
    lookback: int,
    state: PairwiseState,
    out: FloatArray,
    mean: FloatArray,
    returns: FloatArray,
    n_known: IntArray,
) -> None:
    """Drive all pairs over time, carrying `state` on.

    Parameters
    ----------
    close : ndarray of float64, shape (n_symbols, n_bars)
    lookback : int
    state : PairwiseState
    out : ndarray of float64, shape (n_pairs, n_bars), or (0, 0) where only the mean is wanted
    mean : ndarray of float64, shape (n_bars,)
        Output: mean of the known pairs of each bar, NaN where none is known.
    returns, n_known : ndarray of float64, (n_symbols, n_bars), and of int64, (n_bars,)
        Room to work in; kernels allocate nothing.
    """
    n_symbols, n_bars = close.shape
    for s in range(n_symbols):
        before = state.previous_close[s]
        for t in range(n_bars):
            now = close[s, t] if 0.0 < close[s, t] < np.inf else np.nan
            change = now / before - 1.0
            returns[s, t] = change if abs(change) < MAX_RETURN else np.nan
            before = now
        state.previous_close[s] = before

    is_wanted = out.shape[0] > 0
    for t in range(n_bars):
        mean[t], n_known[t] = 0.0, 0
    pair = 0
    for first in range(n_symbols):
        for second in range(first + 1, n_symbols):
            header, ring = state.headers[pair], state.rings[pair]
            local = PairState(
                int(header[0]), header[1], header[2], header[3], header[4], header[5], header[6], header[7]
            )
            for t in range(n_bars):
                local, correlation = pair_step(local, ring, returns[first, t], returns[second, t], lookback)
                if is_wanted:
                    out[pair, t] = correlation
                if not np.isnan(correlation):
                    mean[t] += correlation
                    n_known[t] += 1
            header[0], header[1], header[2], header[3] = (
                local.slot,
                local.reference_x,
                local.reference_y,
                local.x,
            )
            header[4], header[5], header[6], header[7] = local.y, local.xx, local.yy, local.xy
            pair += 1
    for t in range(n_bars):
        mean[t] = mean[t] / n_known[t] if n_known[t] > 0 else np.nan


def advance_pairs(
    close: FloatArray, lookback: int, state: PairwiseState, out: FloatArray, mean: FloatArray
) -> None:
    """``pairwise_run`` with room of its own."""
    pairwise_run(close, lookback, state, out, mean, np.empty(close.shape), np.empty(close.shape[1], np.int64))


def pairwise_correlation(close: ArrayLike, *, lookback: int = 60) -> FloatArray:
    """Rolling correlation of the returns of all pairs of symbols.

    Parameters
    ----------
    close : array_like, shape (n_symbols, n_bars), quote currency, > 0
        Closes on common bars, oldest first; NaN (or a price not above 0) where a symbol has none.
    lookback : int, returns, >= 2
        Length of the window, the current return included.

    Returns
    -------
    ndarray of float64, shape (n_bars, n_pairs), -1 to 1
        Pairs in the order of ``pair_indices``: (0, 1), (0, 2), ... (1, 2), ... Row t uses bars ``0..t`` only.
        A pair is NaN until it has `lookback` common returns (warm-up, `lookback` bars without gaps).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `close` is not a 2-D array of numbers.

    Notes
    -----
    Formula: Pearson's correlation of the last `lookback` common returns close / previous close - 1.

    NaN policy: a return needs two bars in a row. A bar on which either symbol has none yields NaN and leaves
    the pair as it was. A symbol that does not move has the correlation 0.

    Examples
    --------
    >>> pairwise_correlation([[1.0, 2.0, 3.0, 3.0], [2.0, 4.0, 6.0, 7.0]], lookback=2).T
    array([[nan, nan,  1., -1.]])
    """
    closes, lookback = _checked(close, lookback)
    n_symbols, n_bars = closes.shape
    out = np.empty((n_symbols * (n_symbols - 1) // 2, n_bars))
    advance_pairs(closes, lookback, pairwise_init(n_symbols, lookback), out, np.empty(n_bars))
    return out.T


def mean_correlation(close: ArrayLike, *, lookback: int = 60) -> FloatArray:
    """Mean of ``pairwise_correlation`` over the pairs, without keeping those.

    Parameters
    ----------
    close : array_like, shape (n_symbols, n_bars), quote currency, > 0
        Closes on common bars, oldest first; NaN (or a price not above 0) where a symbol has none.
    lookback : int, returns, >= 2
        Length of the window, the current return included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), -1 to 1
        ``out[t]`` uses bars ``0..t`` only: mean of the pairs that are known on the bar, NaN where none is
        (warm-up: `lookback` bars; a single symbol has no pairs).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `close` is not a 2-D array of numbers.

    Examples
    --------
    >>> mean_correlation([[1.0, 2.0, 3.0, 3.0], [2.0, 4.0, 6.0, 7.0]], lookback=2)
    array([nan, nan,  1., -1.])
    """
    closes, lookback = _checked(close, lookback)
    mean = np.empty(closes.shape[1])
    state = pairwise_init(closes.shape[0], lookback)
    advance_pairs(closes, lookback, state, np.empty((0, 0)), mean)
    return mean


@kernel
def crowding_step(mean: float, threshold: float, limit: int, crowded_limit: int) -> tuple[bool, int]:
    """Return whether everything moves together on a bar, and how many positions are allowed."""
    is_risk_on_off = mean > threshold
    return is_risk_on_off, crowded_limit if is_risk_on_off else limit


@entry
def crowding_run(
    mean: FloatArray, threshold: float, limit: int, crowded_limit: int, flag: BoolArray, allowed: IntArray
) -> None:
    """Drive ``crowding_step`` over time, filling `flag` and `allowed`."""
    for t in range(mean.size):
        flag[t], allowed[t] = crowding_step(mean[t], threshold, limit, crowded_limit)


def crowding(mean: ArrayLike, *, threshold: float = 0.8, limit: int = 5, crowded_limit: int = 3) -> Crowding:
    """Whether a market is in risk-on/off, where all symbols are one bet, and how many positions that allows.

    Parameters
    ----------
    mean : array_like, shape (n_bars,), -1 to 1
        Mean pairwise correlation.
    threshold : float, -1 to 1
        Above this it is risk-on/off.
    limit, crowded_limit : int, positions
        Positions that are allowed otherwise, and then.

    Returns
    -------
    Crowding
        `is_risk_on_off` (bool) and `position_limit` (int64), each an ndarray of shape (n_bars,). Position t
        uses bar t only.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, `crowded_limit` exceeds `limit`, or `mean` is not 1-D.

    Notes
    -----
    NaN policy: an unknown mean is no evidence: no flag, and the usual limit.

    Examples
    --------
    >>> crowding([np.nan, 0.8, 0.81])
    Crowding(is_risk_on_off=array([False, False,  True]), position_limit=array([5, 5, 3]))
    """
    means = np.ascontiguousarray(mean, dtype=np.float64)
    if means.ndim != 1:
        raise ValueError(f"`mean` must have one dimension, time; it has {means.ndim}")
    level = checked_value(IndicatorParam("threshold", 0.8, -1.0, 1.0, False), threshold)
    usual = int(checked_value(IndicatorParam("limit", 5, 0, 1_000_000, True), limit))
    crowded = int(checked_value(IndicatorParam("crowded_limit", 3, 0, usual, True), crowded_limit))
    flag, allowed = np.empty(means.size, np.bool_), np.empty(means.size, np.int64)
    crowding_run(means, level, usual, crowded, flag, allowed)
    return Crowding(flag, allowed)


def _checked(close: ArrayLike, lookback: int) -> tuple[FloatArray, int]:
    """Closes as one block of float64, and the window's length."""
    try:
        if (
            np.asarray(close).dtype.kind not in "fiubO"
        ):  # text, times and complex numbers must not slip through
            raise TypeError(f"they are of type {np.asarray(close).dtype}")
        closes = np.require(close, dtype=np.float64, requirements=("C", "W"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"`close` must be an array of numbers: {error}") from None
    if closes.ndim != 2:
        raise ValueError(f"`close` must have two dimensions, (symbols, bars); it has {closes.ndim}")
    return closes, int(checked_value(LOOKBACK, lookback))
