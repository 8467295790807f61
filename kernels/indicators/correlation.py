"""How two series move together: Pearson's correlation, and the slope of one on the other.

Sums of deviations, of their squares and of their products are kept by blocks as in ``moments``: from the pair
that began the running block, which belongs to every window that ends in it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..moments import SMALLEST_VARIANCE
from ..types import FloatArray
from ..windows import next_slot


class PairMoments(NamedTuple):
    """Header of the state; a slot of the ring has five numbers.

    It holds a pair of the running block, later the tail sums of deviations, their squares and products.
    """

    slot: int  # of the ring, which the next pair takes; 0 begins a block
    x_reference: float  # first pair of the running block
    y_reference: float
    head_x: float  # deviations from it since the block began
    head_y: float
    head_xx: float
    head_yy: float
    head_xy: float


N_NUMBERS = 5


def pair_moments_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(PairMoments(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), N_NUMBERS * int(lookback))


@kernel
def pair_moments(
    state: PairMoments, ring: FloatArray, x: float, y: float, lookback: int
) -> tuple[PairMoments, float, float, float]:
    """Take a pair; return the new header, both variances and the covariance; 0 by underflow is flat."""
    slot, x_reference, y_reference, head_x, head_y, head_xx, head_yy, head_xy = state
    if slot == 0:
        x_reference, y_reference = x, y
        head_x, head_y, head_xx, head_yy, head_xy = 0.0, 0.0, 0.0, 0.0, 0.0
        tail_x, tail_y, tail_xx, tail_yy, tail_xy = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(lookback - 1, -1, -1):
            at = N_NUMBERS * i
            dx, dy = ring[at] - x_reference, ring[at + 1] - y_reference
            ring[at], ring[at + 1] = tail_x, tail_y  # of the pairs after i
            ring[at + 2], ring[at + 3], ring[at + 4] = tail_xx, tail_yy, tail_xy
            tail_x += dx
            tail_y += dy
            tail_xx += dx * dx
            tail_yy += dy * dy
            tail_xy += dx * dy
    dx, dy = x - x_reference, y - y_reference
    head_x += dx
    head_y += dy
    head_xx += dx * dx
    head_yy += dy * dy
    head_xy += dx * dy
    at, share = N_NUMBERS * slot, 1.0 / lookback
    x_mean, y_mean = (head_x + ring[at]) * share, (head_y + ring[at + 1]) * share
    x_variance = (head_xx + ring[at + 2]) * share - x_mean * x_mean
    y_variance = (head_yy + ring[at + 3]) * share - y_mean * y_mean
    covariance = (head_xy + ring[at + 4]) * share - x_mean * y_mean
    ring[at], ring[at + 1] = x, y
    slot = next_slot(slot, lookback)
    state = PairMoments(slot, x_reference, y_reference, head_x, head_y, head_xx, head_yy, head_xy)
    return state, x_variance, y_variance, covariance


@kernel
def correlation_step(
    state: PairMoments, ring: FloatArray, x: float, y: float, lookback: int
) -> tuple[PairMoments, float]:
    """Advance by one pair and return the new state and the correlation."""
    if not (np.isfinite(x) and np.isfinite(y)):
        return state, np.nan
    state, x_variance, y_variance, covariance = pair_moments(state, ring, x, y, lookback)
    if x_variance <= SMALLEST_VARIANCE or y_variance <= SMALLEST_VARIANCE:
        return state, 0.0
    value = covariance / (np.sqrt(x_variance) * np.sqrt(y_variance))  # the product of variances may overflow
    if value > 1.0:  # by a rounding error; written so that NaN stays NaN
        value = 1.0
    if value < -1.0:
        value = -1.0
    return state, value


def correlation(x: ArrayLike, y: ArrayLike, *, lookback: int = 60) -> FloatArray:
    """Pearson correlation of two series over the last `lookback` bars, from -1 to 1.

    Parameters
    ----------
    x, y : array_like, shape (n_bars,)
        Consecutive values of two series at the same times, oldest first; usually returns.
    lookback : int, bars, >= 2
        Length of the window, the current bar included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), -1 to 1
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: cov(x, y) / (std(x) std(y)) over the last n pairs, with population moments.

    NaN policy: a bar with a value that is NaN or infinite yields NaN and leaves the state as it was; the
    window runs over bars where both are known. Where either series is flat in the window (variance below
    1e-290) it is 0, as in TA-Lib's CORREL: nothing moves together with what does not move.

    References
    ----------
    Pearson, K. (1895). Note on Regression and Inheritance in the Case of Two Parents. Proc. R. Soc. 58.

    Examples
    --------
    >>> correlation([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 5.0, 0.0], lookback=2)
    array([nan,  1.,  1., -1.])
    """
    return evaluate(CORRELATION, {"x": x, "y": y}, lookback=lookback)[0]


@kernel
def beta_step(
    state: PairMoments, ring: FloatArray, x: float, y: float, lookback: int
) -> tuple[PairMoments, float]:
    """Advance by one pair and return the new state and the slope."""
    if not (np.isfinite(x) and np.isfinite(y)):
        return state, np.nan
    state, x_variance, _, covariance = pair_moments(state, ring, x, y, lookback)
    return state, 0.0 if x_variance <= SMALLEST_VARIANCE else covariance / x_variance


def beta(x: ArrayLike, y: ArrayLike, *, lookback: int = 60) -> FloatArray:
    """Slope of the least-squares line of `y` on `x` over the last `lookback` bars.

    Parameters
    ----------
    x, y : array_like, shape (n_bars,)
        Consecutive values of two series at the same times, oldest first; for the beta of a stock its
        returns are `y` and the market's are `x`.
    lookback : int, bars, >= 2
        Length of the window, the current bar included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `y` per unit of `x`
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: cov(x, y) / var(x) over the last n pairs.

    NaN policy: a bar with a value that is NaN or infinite yields NaN and leaves the state as it was; the
    window runs over bars where both are known. It takes values as they are; TA-Lib's BETA takes prices and
    makes simple returns of them first. Where `x` is flat in the window (variance below 1e-290) it is 0.

    References
    ----------
    Sharpe, W. F. (1963). A Simplified Model for Portfolio Analysis. Management Science 9.

    Examples
    --------
    >>> beta([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 5.0, 0.0], lookback=2)
    array([nan,  2.,  2., -5.])
    """
    return evaluate(BETA, {"x": x, "y": y}, lookback=lookback)[0]


CORRELATION = Indicator(
    name="correlation",
    inputs=("x", "y"),
    params=(lookback_param(60, low=2),),
    outputs=("correlation",),
    init=pair_moments_init,
    warmup=lambda lookback: int(lookback) - 1,
    step=correlation_step,
    public=correlation,
)

BETA = Indicator(
    name="beta",
    inputs=("x", "y"),
    params=(lookback_param(60, low=2),),
    outputs=("beta",),
    init=pair_moments_init,
    warmup=lambda lookback: int(lookback) - 1,
    step=beta_step,
    public=beta,
)
