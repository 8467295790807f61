"""Smoothing whose length follows volatility: the length for each bar, and an average that takes it.

Fast where ranges are wide, slow where they are narrow. ``adaptive_period`` has three steps, ``alpha`` (in its
own file) is the same idea without steps.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import (
    MAX_LOOKBACK,
    Indicator,
    IndicatorParam,
    evaluate,
    fresh_state,
    lookback_param,
    refuse_crossed,
)
from ..types import FloatArray

SHORTEST = 2.0  # bars; with 1 an average is the price itself
# 45 x 0.7 is 31.499999999999996 in binary: what ends on a half in decimals is rounded up too.
HALF = 0.5 + 1e-9


class AdaptiveEmaState(NamedTuple):
    """Header of the state; there is no ring."""

    ema: float
    n_values: int  # seen so far


def adaptive_period_init(
    period: int, low_below: float, high_above: float, when_high: float, when_low: float
) -> FloatArray:
    """Make a fresh state."""
    refuse_crossed("low_below", low_below, "high_above", high_above)
    return fresh_state(())


def adaptive_period_warmup(
    period: int, low_below: float, high_above: float, when_high: float, when_low: float
) -> int:
    """Leading NaN values."""
    return 0


@kernel
def adaptive_period_step(
    atr: float,
    atr_mean: float,
    period: int,
    low_below: float,
    high_above: float,
    when_high: float,
    when_low: float,
) -> float:
    """Return the period for this bar."""
    if not (np.isfinite(atr) and np.isfinite(atr_mean)):
        return np.nan
    scaled = period * 1.0
    if atr > high_above * atr_mean:
        scaled = period * when_high
    elif atr < low_below * atr_mean:
        scaled = period * when_low
    rounded: float = np.floor(scaled + HALF)
    return max(rounded, SHORTEST)


def adaptive_period(
    atr: ArrayLike,
    atr_mean: ArrayLike,
    *,
    period: int = 20,
    low_below: float = 0.5,
    high_above: float = 1.5,
    when_high: float = 0.7,
    when_low: float = 1.3,
) -> FloatArray:
    """Length for each bar's smoothing: shorter in high volatility, longer in low.

    Parameters
    ----------
    atr : array_like, shape (n_bars,), quote currency
        Average true range, usually over 14 bars, or any other measure of volatility.
    atr_mean : array_like, shape (n_bars,), quote currency
        What is usual: its mean over a longer time, usually 50 bars.
    period : int, bars, >= 2
        Length in normal volatility.
    low_below, high_above : float, low_below <= high_above
        Multiples of the mean below and above which volatility is low and high.
    when_high, when_low : float, 0.01 to 10
        What the period is multiplied by in high and in low volatility.

    Returns
    -------
    ndarray of float64, shape (n_bars,), bars
        Whole numbers, rounded half up, at least 2. ``out[t]`` uses bar ``t`` only. There is no warm-up
        beyond that of the inputs.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: period x when_high if ATR > high_above ATR_MA; period x when_low if ATR < low_below ATR_MA; else
    period; then floor(x + 1/2), at least 2

    NaN policy: a bar with an input that is NaN or infinite yields NaN. A market that does not move at all
    (both inputs 0) is normal.

    ATR(14) by Wilder is slow: when the ranges themselves double for good, it never exceeds 1.5 times its own
    50-bar mean (1.49 at most), because the mean follows. The period shortens within three bars where the
    ATR itself doubles, or where ranges grow to about 3.7 times what they were.

    Examples
    --------
    >>> adaptive_period([1.0, 2.0, 0.4], [1.0, 1.0, 1.0])
    array([20., 14., 26.])
    """
    outputs = evaluate(
        ADAPTIVE_PERIOD,
        {"atr": atr, "atr_mean": atr_mean},
        period=period,
        low_below=low_below,
        high_above=high_above,
        when_high=when_high,
        when_low=when_low,
    )
    return outputs[0]


def adaptive_ema_init(max_period: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(AdaptiveEmaState(0.0, 0))


def adaptive_ema_warmup(max_period: int) -> int:
    """Leading NaN values."""
    return int(max_period) - 1


@kernel
def adaptive_ema_step(
    state: AdaptiveEmaState, value: float, period: float, max_period: int
) -> tuple[AdaptiveEmaState, float]:
    """Advance by one value and return the new state and the average."""
    if not (np.isfinite(value) and np.isfinite(period)):
        return state, np.nan
    period = min(max(period, 1.0), max_period * 1.0)
    n_values = state.n_values + 1
    if n_values <= period:  # no value may weigh more than all that were seen before it
        ema = state.ema + (value - state.ema) / n_values
    else:
        ema = state.ema + (value - state.ema) * (2.0 / (period + 1.0))
    return AdaptiveEmaState(ema, n_values), ema if n_values >= max_period else np.nan


def adaptive_ema(values: ArrayLike, period: ArrayLike, *, max_period: int = 100) -> FloatArray:
    """Exponential moving average whose length is given for each bar.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    period : array_like, shape (n_bars,), bars
        Length at each bar, as of ``adaptive_period``; taken as 1 below 1 and as `max_period` above that.
    max_period : int, bars, >= 1
        Longest length that counts. It also sets the warm-up, so choose it no larger than what can occur:
        26 for a period of 20 that grows by 1.3.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `values`
        ``out[t]`` uses bars ``0..t`` only. The first `max_period` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `max_period` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: E[t] = E[t-1] + w (P[t] - E[t-1]), w = 2 / (period[t] + 1), or 1 / k while only k <= period[t]
    values have been seen

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was. The
    seed is a plain mean for as long as the current period asks for more values than there are; it needs
    neither future periods nor a guess at them. With a period that never changes this is ``ema``, to the bit,
    from bar `max_period` on. On a flat price it is exactly the price.

    Examples
    --------
    >>> adaptive_ema([1.0, 2.0, 6.0, 4.0], [3.0, 3.0, 3.0, 1.0], max_period=3)
    array([nan, nan,  3.,  4.])
    """
    return evaluate(ADAPTIVE_EMA, {"values": values, "period": period}, max_period=max_period)[0]


ADAPTIVE_PERIOD = Indicator(
    name="adaptive_period",
    inputs=("atr", "atr_mean"),
    params=(
        IndicatorParam("period", 20, SHORTEST, MAX_LOOKBACK, True),
        IndicatorParam("low_below", 0.5, 0.0, 100.0, False),
        IndicatorParam("high_above", 1.5, 0.0, 100.0, False),
        IndicatorParam("when_high", 0.7, 0.01, 10.0, False),
        IndicatorParam("when_low", 1.3, 0.01, 10.0, False),
    ),
    outputs=("adaptive_period",),
    init=adaptive_period_init,
    warmup=adaptive_period_warmup,
    step=adaptive_period_step,
    public=adaptive_period,
)

ADAPTIVE_EMA = Indicator(
    name="adaptive_ema",
    inputs=("close", "period"),
    params=(lookback_param(100, name="max_period"),),
    outputs=("adaptive_ema",),
    init=adaptive_ema_init,
    warmup=adaptive_ema_warmup,
    step=adaptive_ema_step,
    public=adaptive_ema,
)
