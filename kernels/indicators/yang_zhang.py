"""Yang and Zhang's volatility: from whole bars, gaps between them included."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..moments import NO_MOMENTS, Moments
from ..types import FloatArray
from ..windows import EMPTY, Window, window_total
from .realised_volatility import (
    BARS_PER_YEAR,
    are_prices,
    log_ratio,
    rogers_satchell_variance,
    volatility_of,
    window_variance,
)


class YangZhangState(NamedTuple):
    """Header of the state; the ring holds those of the two variances, then that of the sum."""

    previous_close: float  # quote currency; NaN before the first valid bar
    overnight: Moments  # returns from close to open
    open_to_close: Moments
    within: Window  # Rogers and Satchell's variances


@kernel
def yang_zhang_step(
    state: YangZhangState,
    ring: FloatArray,
    open: float,
    high: float,
    low: float,
    close: float,
    lookback: int,
    bars_per_year: float,
) -> tuple[YangZhangState, float]:
    """Advance by one bar and return the new state and the volatility."""
    if not are_prices(open, high, low, close):
        return state, np.nan
    previous_close, overnight, open_to_close, within = state
    if np.isnan(previous_close):
        return YangZhangState(close, overnight, open_to_close, within), np.nan
    gap, move = log_ratio(open, previous_close), log_ratio(close, open)
    overnight, v_overnight = window_variance(overnight, ring[: 2 * lookback], gap, lookback)
    open_to_close, v_move = window_variance(open_to_close, ring[2 * lookback : 4 * lookback], move, lookback)
    bar_variance = rogers_satchell_variance(open, high, low, close)
    within, total = window_total(within, ring[4 * lookback :], bar_variance, lookback)
    weight = 0.34 / (1.34 + (lookback + 1.0) / (lookback - 1.0))
    variance = v_overnight + weight * v_move + (1.0 - weight) * (total * (1.0 / lookback))
    return YangZhangState(close, overnight, open_to_close, within), volatility_of(variance, bars_per_year)


def yang_zhang(
    open: ArrayLike,
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    *,
    lookback: int = 20,
    bars_per_year: float = 1.0,
) -> FloatArray:
    """Volatility from whole bars that neither a trend nor gaps between bars distort.

    Parameters
    ----------
    open, high, low, close : array_like, shape (n_bars,), quote currency, above 0
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 2
        Length of the window, the current bar included.
    bars_per_year : float, 1 to 1e8
        Factor of the variance; 1 leaves the volatility per bar.

    Returns
    -------
    ndarray of float64, shape (n_bars,), fraction
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up): each bar needs the
        close before it.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: V = V_o + k V_c + (1 - k) V_rs over the last n bars, k = 0.34 / (1.34 + (n + 1) / (n - 1));
    V_o and V_c are the sample variances of ln(open[t] / close[t-1]) and ln(close / open), V_rs is the mean of
    ``rogers_satchell``; the result is sqrt(bars_per_year V).

    NaN policy: a bar with a price that is NaN, infinite or not above 0 yields NaN and leaves the state as it
    was. The weight k is the one that the paper recommends, which is close to that of least variance. Where
    bars whose open or close lies outside their range make the sum negative the volatility is 0, as it is on a
    flat price.

    References
    ----------
    Yang, D., Zhang, Q. (2000). "Drift-Independent Volatility Estimation Based on High, Low, Open, and Close
    Prices". Journal of Business 73(3), 477-491.

    Examples
    --------
    >>> bars = [100.0, 101.0, 103.0], [102.0, 103.0, 104.0], [99.0, 101.0, 102.0], [101.0, 102.0, 102.0]
    >>> yang_zhang(*bars, lookback=2)
    array([       nan,        nan, 0.01540355])
    """
    series = {"open": open, "high": high, "low": low, "close": close}
    return evaluate(YANG_ZHANG, series, lookback=lookback, bars_per_year=bars_per_year)[0]


YANG_ZHANG = Indicator(
    name="yang_zhang",
    inputs=("open", "high", "low", "close"),
    params=(lookback_param(20, low=2), BARS_PER_YEAR),
    outputs=("yang_zhang",),
    init=lambda lookback, _: fresh_state([np.nan, *NO_MOMENTS, *NO_MOMENTS, *EMPTY], 5 * int(lookback)),
    warmup=lambda lookback, _: int(lookback),
    step=yang_zhang_step,
    public=yang_zhang,
)
