"""Weighted means, changes over time, and channels."""

import math
from typing import Any

import numpy as np
import talib

from fluxhero.kernels.types import FloatArray

from .facts import NAN, PRICE, Facts, Outputs, Series, total, true_ranges, wilder, windows
from .means import ema_oracle


def wma_oracle(values: Series, lookback: int) -> Outputs:
    out = []
    for window in windows(values, lookback):
        if window is None:
            out.append(NAN)
        else:
            weighted = total(weight * value for weight, value in enumerate(window, start=1))
            out.append(weighted / (lookback * (lookback + 1) // 2))
    return (out,)


def wilder_mean_oracle(values: Series, lookback: int) -> Outputs:
    return (wilder(values, lookback),)


def macd_oracle(values: Series, fast: int, slow: int, signal: int) -> Outputs:
    """Both averages have their first value at bar ``slow - 1``; the fast one reads the values it needs."""
    skipped = slow - fast
    (fast_means,), (slow_means,) = ema_oracle(values[skipped:], fast), ema_oracle(values, slow)
    differences = [a - b for a, b in zip([NAN] * skipped + fast_means, slow_means, strict=False)]
    (signals,) = ema_oracle(differences[slow - 1 :], signal)
    lead = min(slow + signal - 2, len(values))
    lines = [NAN] * lead + differences[lead:]
    signals = [NAN] * lead + signals[signal - 1 :]
    return lines, signals, [a - b for a, b in zip(lines, signals, strict=True)]


def pairs(values: Series, lookback: int) -> list[tuple[float, float]]:
    """Each value with the one of `lookback` bars ago."""
    return [(values[t], values[t - lookback] if t >= lookback else NAN) for t in range(len(values))]


def momentum_oracle(values: Series, lookback: int) -> Outputs:
    return ([new - old for new, old in pairs(values, lookback)],)


def rate_of_change_oracle(values: Series, lookback: int) -> Outputs:
    return ([100 * (new / old - 1) if old != 0 else 0.0 for new, old in pairs(values, lookback)],)


def simple_return_oracle(values: Series, lookback: int) -> Outputs:
    return ([new / old - 1 for new, old in pairs(values, lookback)],)


def log(value: float) -> Any:
    """Natural logarithm in the type of `value`."""
    return math.log(value) if isinstance(value, float) else np.log(value)


def log_return_oracle(values: Series, lookback: int) -> Outputs:
    return ([log(new) - log(old) for new, old in pairs(values, lookback)],)


def donchian_oracle(high: Series, low: Series, lookback: int) -> Outputs:
    upper = [NAN if window is None else max(window) for window in windows(high, lookback)]
    lower = [NAN if window is None else min(window) for window in windows(low, lookback)]
    return [(a + b) / 2 for a, b in zip(upper, lower, strict=True)], upper, lower


def talib_donchian(high: FloatArray, low: FloatArray, lookback: int) -> tuple[FloatArray, ...]:
    return talib.MIDPRICE(high, low, lookback), talib.MAX(high, lookback), talib.MIN(low, lookback)


def keltner_oracle(
    high: Series, low: Series, close: Series, lookback: int, atr_lookback: int, n_atr: float
) -> Outputs:
    (middle,) = ema_oracle(close, lookback)
    width = [n_atr * atr for atr in [NAN, *wilder(true_ranges(high, low, close), atr_lookback)]][: len(close)]
    upper = [a + b for a, b in zip(middle, width, strict=True)]
    lower = [a - b for a, b in zip(middle, width, strict=True)]
    return [(NAN if math.isnan(b) else a) for a, b in zip(middle, upper, strict=True)], upper, lower


def talib_keltner(
    high: FloatArray, low: FloatArray, close: FloatArray, lookback: int, atr_lookback: int, n_atr: float
) -> tuple[FloatArray, ...]:
    width = n_atr * talib.ATR(high, low, close, atr_lookback)
    middle = np.where(np.isnan(width), np.nan, talib.EMA(close, lookback))
    return middle, middle + width, middle - width


FACTS = {
    "donchian": Facts(
        donchian_oracle,
        [(1,), (2,), (20,)],
        talib=talib_donchian,
        talib_params=[(2,), (20,), (50,)],
        flat={"middle": PRICE, "upper": PRICE, "lower": PRICE},
    ),
    "keltner": Facts(
        keltner_oracle,
        [(1, 1, 1.0), (2, 9, 0.0), (20, 10, 2.0)],
        talib=talib_keltner,
        talib_params=[(2, 5, 1.5), (20, 10, 2.0)],
        flat={"middle": PRICE, "upper": PRICE, "lower": PRICE},
    ),
    "log_return": Facts(
        log_return_oracle,
        [(1,), (2,), (17,)],
        flat={"log_return": 0.0},
        is_positive=True,
        crosses_zero=True,
    ),
    "macd": Facts(
        macd_oracle,
        [(1, 1, 1), (2, 5, 1), (3, 8, 2), (12, 26, 9)],
        talib=talib.MACD,
        talib_params=[(2, 5, 2), (12, 26, 9), (50, 200, 30)],
        flat={"macd": 0.0, "signal": 0.0, "histogram": 0.0},
        crosses_zero=True,
    ),
    "momentum": Facts(
        momentum_oracle,
        [(1,), (2,), (17,)],
        talib=lambda values, lookback: (talib.MOM(values, lookback),),
        talib_params=[(1,), (10,), (200,)],
        flat={"momentum": 0.0},
        crosses_zero=True,
    ),
    "rate_of_change": Facts(
        rate_of_change_oracle,
        [(1,), (2,), (17,)],
        talib=lambda values, lookback: (talib.ROC(values, lookback),),
        talib_params=[(1,), (10,), (200,)],
        flat={"rate_of_change": 0.0},
        crosses_zero=True,
    ),
    "simple_return": Facts(
        simple_return_oracle,
        [(1,), (2,), (17,)],
        talib=lambda values, lookback: (talib.ROCP(values, lookback),),
        talib_params=[(1,), (10,)],
        flat={"simple_return": 0.0},
        is_positive=True,
        crosses_zero=True,
    ),
    "wilder_mean": Facts(wilder_mean_oracle, [(1,), (2,), (14,)], flat={"wilder_mean": PRICE}),
    "wma": Facts(
        wma_oracle,
        [(1,), (2,), (20,)],
        talib=lambda values, lookback: (talib.WMA(values, lookback),),
        talib_params=[(2,), (20,), (200,)],
        flat={"wma": PRICE},
    ),
}
