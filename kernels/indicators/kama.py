"""Kaufman's efficiency ratio, and the adaptive moving averages that follow from it.

ER = |P[t] - P[t-n]| / sum |P[i] - P[i-1]| over the last n changes, 0 where the sum is 0;
SC = (ER (2/(fast+1) - 2/(slow+1)) + 2/(slow+1))^2;  KAMA[t] = KAMA[t-1] + SC (P[t] - KAMA[t-1]).

The path (the sum) adds the new change and drops the oldest, which takes two thirds of the time of the way of
``sma``. It may: sizes are never negative, a window without movement has a net move of exactly 0, and once per
window the path is replaced by a sum made afresh, at the same slot however the bars arrive. What a bad tick
leaves behind (1e-16 of its size) is gone then.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state, lookback_param, refuse_crossed
from ..types import FloatArray


class EfficiencyState(NamedTuple):
    """Header of the state; a slot of the ring holds the close before a change, and the change's size."""

    slot: int  # of the ring, which the next change takes
    previous_close: float  # quote currency; NaN before the first valid bar
    path: float  # quote currency; sum of the sizes of the last changes
    fresh_path: float  # the same since slot 0


class KamaState(NamedTuple):
    """Header of the state: that of the efficiency ratio, whose ring it shares, and the average."""

    slot: int
    previous_close: float
    path: float
    fresh_path: float
    kama: float  # quote currency; the last close until the ratio is known


class RegimeKamaState(NamedTuple):
    """Header of the state: the same fields as those of ``KamaState``."""

    efficiency: EfficiencyState
    kama: float  # quote currency; the last close until the ratio is known


class RegimeKama(NamedTuple):
    """What ``regime_kama`` returns."""

    regime_kama: FloatArray
    smoothing: FloatArray
    efficiency_ratio: FloatArray


N_EFFICIENCY_HEADER = len(EfficiencyState._fields)
N_KAMA_HEADER = len(KamaState._fields)


def efficiency_ratio_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(EfficiencyState(0, np.nan, 0.0, 0.0), 2 * int(lookback))


def efficiency_ratio_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback)


@kernel
def efficiency_ratio_step(
    state: EfficiencyState, ring: FloatArray, close: float, lookback: int
) -> tuple[EfficiencyState, float]:
    """Advance by one bar and return the new state and the ratio."""
    slot, previous_close, path, fresh_path = state
    size = abs(close - previous_close)
    if not np.isfinite(size):  # a gap, or the first bar
        if np.isfinite(close):
            return EfficiencyState(slot, close, path, fresh_path), np.nan
        return state, np.nan
    path += size - ring[2 * slot + 1]
    fresh_path += size
    ring[2 * slot], ring[2 * slot + 1] = previous_close, size
    slot += 1
    if slot == lookback:
        slot, path, fresh_path = 0, fresh_path, 0.0
    change = abs(close - ring[2 * slot])  # the oldest close is the one before the oldest change
    if path <= 0.0:
        ratio = 0.0
    else:
        ratio = change / path
        if ratio > 1.0:  # by a rounding error; written so that NaN stays NaN
            ratio = 1.0
    return EfficiencyState(slot, close, path, fresh_path), ratio


def efficiency_ratio(close: ArrayLike, *, lookback: int = 10) -> FloatArray:
    """Net move over the way it took, from 0 (back where it started) to 1 (a straight line).

    Parameters
    ----------
    close : array_like, shape (n_bars,), quote currency
        Closes of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Number of changes from close to close.

    Returns
    -------
    ndarray of float64, shape (n_bars,), 0 to 1
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `close` is not a 1-D array of numbers.

    Notes
    -----
    Formula: ER[t] = |P[t] - P[t-n]| / sum |P[i] - P[i-1]| over i = t-n+1..t; 0 where the sum is 0

    NaN policy: a close that is NaN or infinite yields NaN and leaves the state as it was.

    References
    ----------
    Kaufman, P. J. (1995). Smarter Trading, "Efficiency Ratio".

    Examples
    --------
    >>> efficiency_ratio([1.0, 2.0, 3.0, 2.0, 4.0], lookback=2)
    array([       nan,        nan, 1.        , 0.        , 0.33333333])
    """
    return evaluate(EFFICIENCY_RATIO, {"close": close}, lookback=lookback)[0]


def kama_init(lookback: int, fast: int, slow: int) -> FloatArray:
    """Make a fresh state."""
    refuse_crossed("fast", fast, "slow", slow)
    return fresh_state(KamaState(0, np.nan, 0.0, 0.0, np.nan), 2 * int(lookback))


def kama_warmup(lookback: int, fast: int, slow: int) -> int:
    """Leading NaN values."""
    return int(lookback)


@kernel
def kama_step(
    state: KamaState, ring: FloatArray, close: float, lookback: int, fast: int, slow: int
) -> tuple[KamaState, float]:
    """Advance by one bar and return the new state and the average."""
    if not np.isfinite(close):
        return state, np.nan
    slot, previous_close, path, fresh_path, kama = state
    efficiency = EfficiencyState(slot, previous_close, path, fresh_path)
    efficiency, ratio = efficiency_ratio_step(efficiency, ring, close, lookback)
    slot, previous_close, path, fresh_path = efficiency
    if np.isnan(ratio):
        return KamaState(slot, previous_close, path, fresh_path, close), np.nan
    slowest = 2.0 / (slow + 1.0)
    smoothing = ratio * (2.0 / (fast + 1.0) - slowest) + slowest
    kama += smoothing * smoothing * (close - kama)
    return KamaState(slot, previous_close, path, fresh_path, kama), kama


def kama(close: ArrayLike, *, lookback: int = 10, fast: int = 2, slow: int = 30) -> FloatArray:
    """Kaufman's adaptive moving average: fast along a trend, nearly still in chop.

    Parameters
    ----------
    close : array_like, shape (n_bars,), quote currency
        Closes of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Number of changes that the efficiency ratio looks at.
    fast, slow : int, bars, >= 1, fast <= slow
        Lengths of the exponential averages between which the ratio chooses.

    Returns
    -------
    ndarray of float64, shape (n_bars,), quote currency
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `close` is not a 1-D array of numbers.

    Notes
    -----
    Formula: KAMA[t] = KAMA[t-1] + SC (P[t] - KAMA[t-1]), SC = (ER (2/(fast+1) - 2/(slow+1)) + 2/(slow+1))^2

    NaN policy: a close that is NaN or infinite yields NaN and leaves the state as it was. The recursion
    begins from the last close of the warm-up, as in TA-Lib. On a flat window the ratio is 0 and the average
    slows down; TA-Lib takes 1 there and jumps to the price.

    References
    ----------
    Kaufman, P. J. (1995). Smarter Trading, "Adaptive Moving Average".

    Examples
    --------
    >>> kama([1.0, 2.0, 3.0, 2.0, 4.0], lookback=2)
    array([       nan,        nan, 2.44444444, 2.44259452, 2.55215571])
    """
    return evaluate(KAMA, {"close": close}, lookback=lookback, fast=fast, slow=slow)[0]


def regime_kama_init(
    lookback: int, fast: int, slow: int, bias: float, trend: float, chop: float
) -> FloatArray:
    """Make a fresh state."""
    refuse_crossed("chop", chop, "trend", trend)
    return kama_init(lookback, fast, slow)


def regime_kama_warmup(lookback: int, fast: int, slow: int, bias: float, trend: float, chop: float) -> int:
    """Leading NaN values."""
    return int(lookback)


@kernel
def regime_kama_step(
    state: RegimeKamaState,
    ring: FloatArray,
    close: float,
    lookback: int,
    fast: int,
    slow: int,
    bias: float,
    trend: float,
    chop: float,
) -> tuple[RegimeKamaState, float, float, float]:
    """Advance by one bar and return the new state, the average, its smoothing and the efficiency ratio."""
    if not np.isfinite(close):
        return state, np.nan, np.nan, np.nan
    efficiency, ratio = efficiency_ratio_step(state.efficiency, ring, close, lookback)
    if np.isnan(ratio):
        return RegimeKamaState(efficiency, close), np.nan, np.nan, np.nan
    biased = ratio + bias * max(ratio - trend, 0.0) - bias * max(chop - ratio, 0.0)
    biased = min(max(biased, 0.0), 1.0)
    slowest = 2.0 / (slow + 1.0)
    smoothing = biased * (2.0 / (fast + 1.0) - slowest) + slowest
    smoothing *= smoothing
    kama = state.kama + smoothing * (close - state.kama)
    return RegimeKamaState(efficiency, kama), kama, smoothing, ratio


def regime_kama(
    close: ArrayLike,
    *,
    lookback: int = 10,
    fast: int = 2,
    slow: int = 30,
    bias: float = 0.2,
    trend: float = 0.6,
    chop: float = 0.3,
) -> RegimeKama:
    """Kaufman's adaptive moving average, pushed further to fast in a clear trend and to slow in clear chop.

    Parameters
    ----------
    close : array_like, shape (n_bars,), quote currency
        Closes of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Number of changes that the efficiency ratio looks at.
    fast, slow : int, bars, >= 1, fast <= slow
        Lengths of the exponential averages between which the ratio chooses.
    bias : float, 0 to 10
        How hard to push; 0 gives ``kama``, to the bit.
    trend, chop : float, 0 to 1, chop <= trend
        Ratios above and below which the push begins, from nothing.

    Returns
    -------
    RegimeKama
        `regime_kama`, quote currency; `smoothing`, the share of the way to the close that it went; and
        `efficiency_ratio`, 0 to 1, before the push. Each is a float64 ndarray of shape (n_bars,). Position t
        uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `close` is not a 1-D array of numbers.

    Notes
    -----
    Formula: as ``kama``, with ER' = clip(ER + bias max(ER - trend, 0) - bias max(chop - ER, 0), 0, 1) for ER

    NaN policy: a close that is NaN or infinite yields NaN and leaves the state as it was. ER' is continuous
    in ER, so the smoothing does not jump at `trend` or `chop`, and it stays between the squares of
    2 / (slow + 1) and 2 / (fast + 1). On a flat window the ratio is 0 and the average slows down.

    References
    ----------
    Kaufman, P. J. (1995). Smarter Trading, "Adaptive Moving Average" (without the push).

    Examples
    --------
    >>> lines = regime_kama([1.0, 2.0, 3.0, 2.0, 4.0], lookback=2)
    >>> lines.efficiency_ratio
    array([       nan,        nan, 1.        , 0.        , 0.33333333])
    >>> lines.regime_kama
    array([       nan,        nan, 2.44444444, 2.44259452, 2.55215571])
    """
    params = {"fast": fast, "slow": slow, "bias": bias, "trend": trend, "chop": chop}
    return RegimeKama(*evaluate(REGIME_KAMA, {"close": close}, lookback=lookback, **params))


EFFICIENCY_RATIO = Indicator(
    name="efficiency_ratio",
    inputs=("close",),
    params=(lookback_param(10),),
    outputs=("efficiency_ratio",),
    init=efficiency_ratio_init,
    warmup=efficiency_ratio_warmup,
    step=efficiency_ratio_step,
    public=efficiency_ratio,
)

KAMA = Indicator(
    name="kama",
    inputs=("close",),
    params=(lookback_param(10), lookback_param(2, name="fast"), lookback_param(30, name="slow")),
    outputs=("kama",),
    init=kama_init,
    warmup=kama_warmup,
    step=kama_step,
    public=kama,
)

REGIME_KAMA = Indicator(
    name="regime_kama",
    inputs=("close",),
    params=(
        *KAMA.params,
        IndicatorParam("bias", 0.2, 0.0, 10.0, False),
        IndicatorParam("trend", 0.6, 0.0, 1.0, False),
        IndicatorParam("chop", 0.3, 0.0, 1.0, False),
    ),
    outputs=RegimeKama._fields,
    init=regime_kama_init,
    warmup=regime_kama_warmup,
    step=regime_kama_step,
    public=regime_kama,
)
