"""Where a price lies within what it has lately been."""

import numpy as np
import talib

from fluxhero.kernels.types import FloatArray

from .facts import NAN, Facts, Outputs, Series, total, windows


def mean_of_last(values: Series, length: int) -> list[float]:
    """Mean of the last `length` values that are known; unknown before."""
    known = [value for value in values if value == value]
    means = [NAN if w is None else total(w) / length for w in windows(known, length)]
    return [NAN] * (len(values) - len(known)) + means


def place_in_range(high: Series, low: Series, close: Series, lookback: int) -> list[float]:
    out = []
    for highs, lows, last in zip(windows(high, lookback), windows(low, lookback), close, strict=True):
        if highs is None or lows is None:
            out.append(NAN)
        elif max(highs) == min(lows):
            out.append(50.0)
        else:
            out.append(100 * (last - min(lows)) / (max(highs) - min(lows)))
    return out


def stochastic_oracle(
    high: Series, low: Series, close: Series, lookback: int, smooth_k: int, smooth_d: int
) -> Outputs:
    k = mean_of_last(place_in_range(high, low, close, lookback), smooth_k)
    d = mean_of_last(k, smooth_d)
    return [NAN if later != later else value for value, later in zip(k, d, strict=True)], d


def williams_r_oracle(high: Series, low: Series, close: Series, lookback: int) -> Outputs:
    return ([place - 100 for place in place_in_range(high, low, close, lookback)],)


def cci_oracle(high: Series, low: Series, close: Series, lookback: int, scale: float) -> Outputs:
    typical = [total(bar) / 3 for bar in zip(high, low, close, strict=True)]
    out = []
    for window in windows(typical, lookback):
        if window is None:
            out.append(NAN)
            continue
        mean = window[0] + total(value - window[0] for value in window) / lookback
        deviation = total(abs(value - mean) for value in window) / lookback
        is_flat = max(window) == min(window)
        out.append(0.0 if is_flat else (window[-1] - mean) / (scale * deviation))
    return (out,)


def without_range(high: FloatArray, low: FloatArray, lookback: int) -> FloatArray:
    """Whether the range of the last bars is zero; False where it is unknown."""
    if lookback == 1:  # TA-Lib has no extreme of one bar
        return np.equal(high, low)
    return np.equal(talib.MAX(high, lookback), talib.MIN(low, lookback))


def talib_stochastic(
    high: FloatArray, low: FloatArray, close: FloatArray, lookback: int, smooth_k: int, smooth_d: int
) -> tuple[FloatArray, ...]:
    """TA-Lib's STOCH; bars that a range of zero reaches are put together from its parts.

    It takes 0 for the raw value there and we take 50, which nothing but that can reconcile.
    """
    is_flat = without_range(high, low, lookback)
    raw = np.where(is_flat, 50.0, talib.STOCHF(high, low, close, lookback, 1, 0)[0])
    k = talib.SMA(raw, smooth_k) if smooth_k > 1 else raw
    d = talib.SMA(k, smooth_d) if smooth_d > 1 else k
    reach = np.convolve(is_flat, np.ones(smooth_k + smooth_d - 1))[: is_flat.size] > 0
    slow_k, slow_d = talib.STOCH(high, low, close, lookback, smooth_k, 0, smooth_d, 0)
    return np.where(reach & (d == d), k, slow_k), np.where(reach, d, slow_d)


def talib_williams_r(
    high: FloatArray, low: FloatArray, close: FloatArray, lookback: int
) -> tuple[FloatArray]:
    """TA-Lib's WILLR, but -50 where the range is zero and it takes 0."""
    return (np.where(without_range(high, low, lookback), -50.0, talib.WILLR(high, low, close, lookback)),)


FACTS = {
    "cci": Facts(
        cci_oracle,
        [(1, 0.015), (2, 0.015), (7, 0.03), (20, 0.015)],
        talib=lambda high, low, close, lookback, scale: (talib.CCI(high, low, close, lookback),),  # at 0.015
        talib_params=[(14, 0.015), (20, 0.015), (100, 0.015)],  # a window of 2 bars is all sign and rounding
        flat={"cci": 0.0},
        crosses_zero=True,
    ),
    "stochastic": Facts(
        stochastic_oracle,
        [(1, 1, 1), (2, 1, 3), (5, 3, 1), (6, 4, 7), (14, 3, 3)],
        talib=talib_stochastic,
        talib_params=[(14, 3, 3), (5, 3, 3), (14, 1, 3), (21, 7, 2)],
        flat={"k": 50.0, "d": 50.0},
        crosses_zero=True,
    ),
    "williams_r": Facts(
        williams_r_oracle,
        [(1,), (2,), (14,)],
        talib=talib_williams_r,
        talib_params=[(2,), (14,), (100,)],
        flat={"williams_r": -50.0},
        crosses_zero=True,
    ),
}
