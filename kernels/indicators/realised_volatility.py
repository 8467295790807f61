"""Volatility that was realised in a window of bars, from closes or from whole bars.

All are standard deviations of log returns PER BAR. `bars_per_year` multiplies the variance before the root is
taken: 252 makes the volatility of daily bars one per year, 1 leaves it per bar. What range estimators gain in
precision they pay in assumptions, so that each says what it assumes.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state, lookback_param
from ..moments import NO_MOMENTS, Moments, window_moments
from ..types import FloatArray
from ..windows import EMPTY, Window, window_total

BARS_PER_YEAR = IndicatorParam("bars_per_year", 1.0, 1.0, 1e8, False)
_PER_SQUARED_RANGE = 1.0 / (4.0 * math.log(2.0))  # Parkinson's constant
_OPEN_TO_CLOSE = 2.0 * math.log(2.0) - 1.0  # Garman and Klass' second constant


@kernel
def log_ratio(price: float, base: float) -> float:
    """Natural logarithm of ``price / base``, both above 0.

    The difference of close prices is exact, so that a return keeps all its digits (the logarithm of a
    quotient near 1 does not), equal prices give exactly 0, and no quotient can overflow. ``math``, not
    ``numpy``: NumPy's own logarithm differs from the compiled one in the last bit.
    """
    if 0.5 * base < price < 2.0 * base:
        return math.log1p((price - base) / base)
    return math.log(price) - math.log(base)


@kernel
def are_prices(open: float, high: float, low: float, close: float) -> bool:
    """Whether all four are known and above 0."""
    return min(open, high, low, close) > 0.0 and np.isfinite((open + high) + (low + close))


@kernel
def window_variance(state: Moments, ring: FloatArray, value: float, lookback: int) -> tuple[Moments, float]:
    """Take a value and return the new header and the sample variance of the last `lookback` values."""
    state, _, variance = window_moments(state, ring, value, lookback)
    return state, variance * (lookback / (lookback - 1.0))


@kernel
def volatility_of(mean_variance: float, bars_per_year: float) -> float:
    """Root of a variance that crossed bars (a close outside its range) may have made negative."""
    if mean_variance < 0.0:
        return 0.0
    return math.sqrt(mean_variance * bars_per_year)


class RealisedVolatilityState(NamedTuple):
    """Header of the state; the ring is that of the variance."""

    previous_close: float  # quote currency; NaN before the first valid bar
    returns: Moments


@kernel
def realised_volatility_step(
    state: RealisedVolatilityState, ring: FloatArray, close: float, lookback: int, bars_per_year: float
) -> tuple[RealisedVolatilityState, float]:
    """Advance by one bar and return the new state and the volatility."""
    if not 0.0 < close < np.inf:
        return state, np.nan
    if np.isnan(state.previous_close):
        return RealisedVolatilityState(close, state.returns), np.nan
    change = log_ratio(close, state.previous_close)
    returns, variance = window_variance(state.returns, ring, change, lookback)
    return RealisedVolatilityState(close, returns), volatility_of(variance, bars_per_year)


def realised_volatility(values: ArrayLike, *, lookback: int = 20, bars_per_year: float = 1.0) -> FloatArray:
    """Sample standard deviation of the last log returns, from close to close.

    Parameters
    ----------
    values : array_like, shape (n_bars,), above 0
        Consecutive closes, or values of something else, oldest first.
    lookback : int, bars, >= 2
        Number of returns.
    bars_per_year : float, 1 to 1e8
        Factor of the variance; 1 leaves the volatility per bar.

    Returns
    -------
    ndarray of float64, shape (n_bars,), fraction
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `values` is not a 1-D array of numbers.

    Notes
    -----
    Formula: r[i] = ln(close[i] / close[i-1]);
    sqrt(bars_per_year * sum((r - mean(r))^2) / (n - 1)) over the last n returns.

    NaN policy: a value that is NaN, infinite or not above 0 yields NaN and leaves the state as it was. One
    degree of freedom is taken off, as in pandas and in the literature; Bollinger's deviation takes off none.
    On a flat price it is exactly 0.

    References
    ----------
    Hull, J. C. (2018). Options, Futures, and Other Derivatives, 10th ed., section 15.4.

    Examples
    --------
    >>> realised_volatility([100.0, 101.0, 99.0, 99.0, 99.0], lookback=2)
    array([       nan,        nan, 0.02117855, 0.01414261, 0.        ])
    """
    return evaluate(REALISED_VOLATILITY, {"values": values}, lookback=lookback, bars_per_year=bars_per_year)[
        0
    ]


@kernel
def parkinson_step(
    state: Window, ring: FloatArray, high: float, low: float, lookback: int, bars_per_year: float
) -> tuple[Window, float]:
    """Advance by one bar and return the new state and the volatility."""
    if not are_prices(high, high, low, low):
        return state, np.nan
    reach = log_ratio(high, low)
    state, total = window_total(state, ring, reach * reach, lookback)
    return state, volatility_of(total * (_PER_SQUARED_RANGE / lookback), bars_per_year)


def parkinson(
    high: ArrayLike, low: ArrayLike, *, lookback: int = 20, bars_per_year: float = 1.0
) -> FloatArray:
    """Volatility from the ranges of bars: five times as precise as from closes.

    Parameters
    ----------
    high, low : array_like, shape (n_bars,), quote currency, above 0
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Length of the window, the current bar included.
    bars_per_year : float, 1 to 1e8
        Factor of the variance; 1 leaves the volatility per bar.

    Returns
    -------
    ndarray of float64, shape (n_bars,), fraction
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: sqrt(bars_per_year * sum(ln(high / low)^2) / (4 ln(2) n)) over the last n bars.

    NaN policy: a bar with a price that is NaN, infinite or not above 0 yields NaN and leaves the state as it
    was. Assumes no drift and continuous trading: a trend within bars makes it too high, gaps between bars are
    not seen, and few trades per bar make it too low. On a flat price it is 0.

    References
    ----------
    Parkinson, M. (1980). "The Extreme Value Method for Estimating the Variance of the Rate of Return".
    Journal of Business 53(1), 61-65.

    Examples
    --------
    >>> parkinson([101.0, 103.0, 102.0], [100.0, 100.0, 102.0], lookback=2)
    array([       nan, 0.0132446 , 0.01255247])
    """
    return evaluate(PARKINSON, {"high": high, "low": low}, lookback=lookback, bars_per_year=bars_per_year)[0]


@kernel
def garman_klass_step(
    state: Window,
    ring: FloatArray,
    open: float,
    high: float,
    low: float,
    close: float,
    lookback: int,
    bars_per_year: float,
) -> tuple[Window, float]:
    """Advance by one bar and return the new state and the volatility."""
    if not are_prices(open, high, low, close):
        return state, np.nan
    reach, move = log_ratio(high, low), log_ratio(close, open)
    variance = 0.5 * (reach * reach) - _OPEN_TO_CLOSE * (move * move)
    state, total = window_total(state, ring, variance, lookback)
    return state, volatility_of(total * (1.0 / lookback), bars_per_year)


def garman_klass(
    open: ArrayLike,
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    *,
    lookback: int = 20,
    bars_per_year: float = 1.0,
) -> FloatArray:
    """Volatility from the ranges and the moves of bars: seven times as precise as from closes.

    Parameters
    ----------
    open, high, low, close : array_like, shape (n_bars,), quote currency, above 0
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Length of the window, the current bar included.
    bars_per_year : float, 1 to 1e8
        Factor of the variance; 1 leaves the volatility per bar.

    Returns
    -------
    ndarray of float64, shape (n_bars,), fraction
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: sqrt(bars_per_year * sum(ln(high / low)^2 / 2 - (2 ln(2) - 1) ln(close / open)^2) / n)
    over the last n bars.

    NaN policy: a bar with a price that is NaN, infinite or not above 0 yields NaN and leaves the state as it
    was. This is the paper's practical form, without the cross term of its most precise one. Assumes no drift
    and continuous trading, and does not see gaps between bars. A bar counts as negative only if its open or
    close lies outside its range; where such bars make the sum negative the volatility is 0, as it is on a
    flat price.

    References
    ----------
    Garman, M. B., Klass, M. J. (1980). "On the Estimation of Security Price Volatilities from Historical
    Data". Journal of Business 53(1), 67-78.

    Examples
    --------
    >>> bars = [100.0, 102.0], [103.0, 102.0], [99.0, 101.0], [102.0, 101.0]
    >>> garman_klass(*bars, lookback=2)
    array([      nan, 0.0179443])
    """
    series = {"open": open, "high": high, "low": low, "close": close}
    return evaluate(GARMAN_KLASS, series, lookback=lookback, bars_per_year=bars_per_year)[0]


@kernel
def rogers_satchell_variance(open: float, high: float, low: float, close: float) -> float:
    """Variance of one bar, whatever its drift; prices above 0."""
    up, down, move = log_ratio(high, open), log_ratio(low, open), log_ratio(close, open)
    return up * (up - move) + down * (down - move)


@kernel
def rogers_satchell_step(
    state: Window,
    ring: FloatArray,
    open: float,
    high: float,
    low: float,
    close: float,
    lookback: int,
    bars_per_year: float,
) -> tuple[Window, float]:
    """Advance by one bar and return the new state and the volatility."""
    if not are_prices(open, high, low, close):
        return state, np.nan
    variance = rogers_satchell_variance(open, high, low, close)
    state, total = window_total(state, ring, variance, lookback)
    return state, volatility_of(total * (1.0 / lookback), bars_per_year)


def rogers_satchell(
    open: ArrayLike,
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    *,
    lookback: int = 20,
    bars_per_year: float = 1.0,
) -> FloatArray:
    """Volatility from whole bars that a trend does not distort.

    Parameters
    ----------
    open, high, low, close : array_like, shape (n_bars,), quote currency, above 0
        Prices of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Length of the window, the current bar included.
    bars_per_year : float, 1 to 1e8
        Factor of the variance; 1 leaves the volatility per bar.

    Returns
    -------
    ndarray of float64, shape (n_bars,), fraction
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: u = ln(high / open), d = ln(low / open), c = ln(close / open);
    sqrt(bars_per_year * sum(u (u - c) + d (d - c)) / n) over the last n bars.

    NaN policy: a bar with a price that is NaN, infinite or not above 0 yields NaN and leaves the state as it
    was. Holds for any drift, but does not see gaps between bars (see ``yang_zhang``); a bar that runs from
    its low to its high counts as none. Where bars whose open or close lies outside their range make the sum
    negative the volatility is 0, as it is on a flat price.

    References
    ----------
    Rogers, L. C. G., Satchell, S. E. (1991). "Estimating Variance From High, Low and Closing Prices". Annals
    of Applied Probability 1(4), 504-512.

    Examples
    --------
    >>> bars = [100.0, 102.0], [103.0, 102.0], [99.0, 101.0], [102.0, 101.0]
    >>> rogers_satchell(*bars, lookback=2)
    array([       nan, 0.01715245])
    """
    series = {"open": open, "high": high, "low": low, "close": close}
    return evaluate(ROGERS_SATCHELL, series, lookback=lookback, bars_per_year=bars_per_year)[0]


REALISED_VOLATILITY = Indicator(
    name="realised_volatility",
    inputs=("close",),
    params=(lookback_param(20, low=2), BARS_PER_YEAR),
    outputs=("realised_volatility",),
    init=lambda lookback, _: fresh_state([np.nan, *NO_MOMENTS], 2 * int(lookback)),
    warmup=lambda lookback, _: int(lookback),
    step=realised_volatility_step,
    public=realised_volatility,
)

PARKINSON = Indicator(
    name="parkinson",
    inputs=("high", "low"),
    params=(lookback_param(20), BARS_PER_YEAR),
    outputs=("parkinson",),
    init=lambda lookback, _: fresh_state(EMPTY, int(lookback)),
    warmup=lambda lookback, _: int(lookback) - 1,
    step=parkinson_step,
    public=parkinson,
)

GARMAN_KLASS = Indicator(
    name="garman_klass",
    inputs=("open", "high", "low", "close"),
    params=(lookback_param(20), BARS_PER_YEAR),
    outputs=("garman_klass",),
    init=lambda lookback, _: fresh_state(EMPTY, int(lookback)),
    warmup=lambda lookback, _: int(lookback) - 1,
    step=garman_klass_step,
    public=garman_klass,
)

ROGERS_SATCHELL = Indicator(
    name="rogers_satchell",
    inputs=("open", "high", "low", "close"),
    params=(lookback_param(20), BARS_PER_YEAR),
    outputs=("rogers_satchell",),
    init=lambda lookback, _: fresh_state(EMPTY, int(lookback)),
    warmup=lambda lookback, _: int(lookback) - 1,
    step=rogers_satchell_step,
    public=rogers_satchell,
)
