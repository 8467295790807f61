"""Smoothing whose weight follows volatility without steps; ``engine.alpha_fit`` fits the line to history."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state, refuse_crossed
from ..types import FloatArray

BASE_RATIO = 0.5  # ATR over its mean at which alpha is `base`
MAX_RATIO = 1e6  # of the two; keeps `slope * ratio` a number where the mean is next to nothing


class AlphaEmaState(NamedTuple):
    """Header of the state; there is no ring."""

    ema: float
    n_values: int  # seen so far


def alpha_init(base: float, slope: float, low: float, high: float) -> FloatArray:
    """Make a fresh state."""
    refuse_crossed("low", low, "high", high)
    return fresh_state(())


def alpha_warmup(base: float, slope: float, low: float, high: float) -> int:
    """Leading NaN values."""
    return 0


@kernel
def alpha_step(atr: float, atr_mean: float, base: float, slope: float, low: float, high: float) -> float:
    """Return the weight for this bar."""
    if not (np.isfinite(atr) and np.isfinite(atr_mean)):
        return np.nan
    if atr > MAX_RATIO * atr_mean:
        ratio = MAX_RATIO
    else:
        ratio = atr / atr_mean if atr_mean > 0.0 else 1.0
    return min(max(base + slope * (ratio - BASE_RATIO), low), high)


def alpha(
    atr: ArrayLike,
    atr_mean: ArrayLike,
    *,
    base: float = 0.15,
    slope: float = 0.35,
    low: float = 0.1,
    high: float = 0.6,
) -> FloatArray:
    """Weight of the newest value in an exponential average: more in high volatility, less in low.

    Parameters
    ----------
    atr : array_like, shape (n_bars,), quote currency
        Average true range, or any other measure of volatility.
    atr_mean : array_like, shape (n_bars,), quote currency
        What is usual: its mean over a longer time.
    base : float
        Weight where the ATR is half its mean.
    slope : float
        What the weight gains while the ATR rises by once its mean.
    low, high : float, 0 to 1, low <= high
        Bounds of the weight.

    Returns
    -------
    ndarray of float64, shape (n_bars,), `low` to `high`
        ``out[t]`` uses bar ``t`` only. There is no warm-up beyond that of the inputs.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: alpha = clip(base + slope (ATR / ATR_MA - 0.5), low, high)

    NaN policy: a bar with an input that is NaN or infinite yields NaN. Where both are 0 nothing has moved
    and the ratio counts as 1.

    Examples
    --------
    >>> alpha([0.5, 1.0, 2.0], [1.0, 1.0, 1.0])
    array([0.15 , 0.325, 0.6  ])
    """
    series = {"atr": atr, "atr_mean": atr_mean}
    return evaluate(ALPHA, series, base=base, slope=slope, low=low, high=high)[0]


def alpha_ema_init() -> FloatArray:
    """Make a fresh state."""
    return fresh_state(AlphaEmaState(0.0, 0))


def alpha_ema_warmup() -> int:
    """Leading NaN values."""
    return 0


@kernel
def alpha_ema_step(state: AlphaEmaState, value: float, alpha: float) -> tuple[AlphaEmaState, float]:
    """Advance by one value and return the new state and the average."""
    if not (np.isfinite(value) and np.isfinite(alpha)):
        return state, np.nan
    n_values = state.n_values + 1
    share = min(max(alpha, 1.0 / n_values), 1.0)
    ema = state.ema + (value - state.ema) * share
    return AlphaEmaState(ema, n_values), ema


def alpha_ema(values: ArrayLike, alpha: ArrayLike) -> FloatArray:
    """Exponential moving average in which the weight of the newest value is given for each bar.

    Parameters
    ----------
    values : array_like, shape (n_bars,)
        Consecutive values, oldest first.
    alpha : array_like, shape (n_bars,), 0 to 1
        Weight of each bar's value, as of ``alpha``; 1 takes the value itself. Clipped to its bounds.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `values`
        ``out[t]`` uses bars ``0..t`` only. There is no warm-up beyond that of the inputs.

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: E[t] = E[t-1] + max(alpha[t], 1 / k) (P[t] - E[t-1]) at the k-th value

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was. No
    value counts less than it does in the plain mean of all that were seen: so the first one, which happens to
    come first, does not linger. On a flat price it is exactly the price.

    Examples
    --------
    >>> alpha_ema([1.0, 2.0, 6.0, 4.0], [0.1, 0.1, 0.1, 0.5])
    array([1. , 1.5, 3. , 3.5])
    """
    return evaluate(ALPHA_EMA, {"values": values, "alpha": alpha})[0]


ALPHA = Indicator(
    name="alpha",
    inputs=("atr", "atr_mean"),
    params=(
        IndicatorParam("base", 0.15, -100.0, 100.0, False),
        IndicatorParam("slope", 0.35, -100.0, 100.0, False),
        IndicatorParam("low", 0.1, 0.0, 1.0, False),
        IndicatorParam("high", 0.6, 0.0, 1.0, False),
    ),
    outputs=("alpha",),
    init=alpha_init,
    warmup=alpha_warmup,
    step=alpha_step,
    public=alpha,
)

ALPHA_EMA = Indicator(
    name="alpha_ema",
    inputs=("close", "alpha"),
    params=(),
    outputs=("alpha_ema",),
    init=alpha_ema_init,
    warmup=alpha_ema_warmup,
    step=alpha_ema_step,
    public=alpha_ema,
)
