"""Means, and the line and the ratio that some of them follow."""

import talib

from .facts import NAN, PRICE, Facts, Outputs, Series, changes, total, windows


def sma_oracle(values: Series, lookback: int) -> Outputs:
    return ([NAN if w is None else total(w) / lookback for w in windows(values, lookback)],)


def ema_oracle(values: Series, lookback: int) -> Outputs:
    out = [NAN] * len(values)
    for t in range(lookback - 1, len(values)):
        if t == lookback - 1:
            out[t] = total(values[:lookback]) / lookback
        else:
            alpha = 2 / (lookback + 1)
            out[t] = alpha * values[t] + (1 - alpha) * out[t - 1]
    return (out,)


def efficiency_ratio_oracle(close: Series, lookback: int) -> Outputs:
    out = []
    for window in windows(close, lookback + 1):
        if window is None:
            out.append(NAN)
            continue
        path = total(abs(change) for change in changes(window))
        out.append(abs(window[-1] - window[0]) / path if path else 0.0)
    return (out,)


def kama_oracle(close: Series, lookback: int, fast: int, slow: int) -> Outputs:
    (ratios,) = efficiency_ratio_oracle(close, lookback)
    out = [NAN] * len(close)
    for t in range(lookback, len(close)):
        before = close[t - 1] if t == lookback else out[t - 1]
        fastest, slowest = 2 / (fast + 1), 2 / (slow + 1)
        smoothing = (ratios[t] * (fastest - slowest) + slowest) ** 2
        out[t] = before + smoothing * (close[t] - before)
    return (out,)


def linear_regression_oracle(values: Series, lookback: int) -> Outputs:
    slopes, r_squareds = [], []
    times = [t - (lookback - 1) / 2 for t in range(lookback)]
    time_squares = total(t * t for t in times)
    for window in windows(values, lookback):
        if window is None:
            slopes.append(NAN)
            r_squareds.append(NAN)
            continue
        mean = window[0] + total(value - window[0] for value in window) / lookback
        deviations = [value - mean for value in window]
        slope = total(t * d for t, d in zip(times, deviations, strict=True)) / time_squares
        spread = total(d * d for d in deviations)
        slopes.append(slope)
        r_squareds.append(slope**2 * time_squares / spread if max(window) > min(window) else 0.0)
    return slopes, r_squareds


FACTS = {
    "efficiency_ratio": Facts(efficiency_ratio_oracle, [(1,), (2,), (10,)], flat={"efficiency_ratio": 0.0}),
    "ema": Facts(
        ema_oracle,
        [(1,), (2,), (20,)],
        talib=lambda close, lookback: (talib.EMA(close, lookback),),
        talib_params=[(2,), (20,), (200,)],
        flat={"ema": PRICE},
    ),
    "kama": Facts(
        kama_oracle,
        [(1, 2, 30), (2, 3, 3), (10, 2, 30)],
        talib=lambda close, lookback, fast, slow: (talib.KAMA(close, lookback),),  # always 2 and 30
        talib_params=[(2, 2, 30), (10, 2, 30), (50, 2, 30)],
        flat={"kama": PRICE},
        tail=10_000,
    ),
    "linear_regression": Facts(
        linear_regression_oracle,
        [(2,), (3,), (50,)],
        talib=lambda close, lookback: (talib.LINEARREG_SLOPE(close, lookback),),
        talib_params=[(2,), (14,), (50,)],
        flat={"slope": 0.0, "r_squared": 0.0},
        crosses_zero=True,
    ),
    "slope": Facts(
        lambda values, lookback: linear_regression_oracle(values, lookback)[:1],
        [(2,), (3,), (50,)],
        talib=lambda close, lookback: (talib.LINEARREG_SLOPE(close, lookback),),
        talib_params=[(2,), (14,), (50,)],
        flat={"slope": 0.0},
        crosses_zero=True,
    ),
    "sma": Facts(
        sma_oracle,
        [(1,), (2,), (20,)],
        talib=lambda close, lookback: (talib.SMA(close, lookback),),
        talib_params=[(2,), (20,), (200,)],
        flat={"sma": PRICE},
    ),
}
