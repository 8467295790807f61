"""Averages that follow the market's efficiency or its volatility."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from fluxhero.kernels.types import FloatArray

from .facts import NAN, PRICE, Facts, Outputs, Series
from .means import efficiency_ratio_oracle
from .regimes import example_atr, example_atr_mean


def regime_kama_oracle(
    close: Series, lookback: int, fast: int, slow: int, bias: float, trend: float, chop: float
) -> Outputs:
    (ratios,) = efficiency_ratio_oracle(close, lookback)
    average, smoothing = [NAN] * len(close), [NAN] * len(close)
    for t in range(lookback, len(close)):
        pushed = ratios[t]
        if ratios[t] > trend:
            pushed = min(ratios[t] + bias * (ratios[t] - trend), 1)
        elif ratios[t] < chop:
            pushed = max(ratios[t] - bias * (chop - ratios[t]), 0)
        fastest, slowest = 2 / (fast + 1), 2 / (slow + 1)
        smoothing[t] = (pushed * fastest + (1 - pushed) * slowest) ** 2
        before = close[t - 1] if t == lookback else average[t - 1]
        average[t] = smoothing[t] * close[t] + (1 - smoothing[t]) * before
    return average, smoothing, ratios


def adaptive_period_oracle(
    atr: Series,
    atr_mean: Series,
    period: int,
    low_below: float,
    high_above: float,
    when_high: float,
    when_low: float,
) -> Outputs:
    """In decimals, where a half is a half."""
    out = []
    for now, usual in zip(atr, atr_mean, strict=True):
        factor = when_high if now > high_above * usual else when_low if now < low_below * usual else 1
        exact = Decimal(str(factor)) * period
        out.append(max(float(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)), 2.0))
    return (out,)


def adaptive_ema_oracle(values: Series, period: Series, max_period: int) -> Outputs:
    out: list[float] = []
    average = values[0] if values else NAN
    for n_values, (value, wanted) in enumerate(zip(values, period, strict=True), start=1):
        length = min(max(wanted, 1), max_period)
        weight = 1 / n_values if n_values <= length else 2 / (length + 1)
        average = weight * value + (1 - weight) * average
        out.append(average if n_values >= max_period else NAN)
    return (out,)


def alpha_oracle(
    atr: Series, atr_mean: Series, base: float, slope: float, low: float, high: float
) -> Outputs:
    lines = [
        base + slope * ((now / usual if usual > 0 else 1) - 0.5)
        for now, usual in zip(atr, atr_mean, strict=True)
    ]
    return ([sorted((low, line, high))[1] for line in lines],)


def alpha_ema_oracle(values: Series, alpha: Series) -> Outputs:
    out: list[float] = []
    average = values[0] if values else NAN
    for n_values, (value, wanted) in enumerate(zip(values, alpha, strict=True), start=1):
        weight = min(max(wanted, 1 / n_values), 1)
        average = weight * value + (1 - weight) * average
        out.append(average)
    return (out,)


def example_period(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.repeat(rng.integers(2, 27, n_bars), 3)[:n_bars].astype(np.float64)


def example_alpha(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.repeat(rng.uniform(0.1, 0.6, n_bars), 2)[:n_bars]


VOLATILITY = {"atr": example_atr, "atr_mean": example_atr_mean}

FACTS = {
    "adaptive_ema": Facts(
        adaptive_ema_oracle,
        [(1,), (13,), (26,)],
        flat={"adaptive_ema": PRICE},
        series={"period": example_period},
    ),
    "adaptive_period": Facts(
        adaptive_period_oracle,
        [(20, 0.5, 1.5, 0.7, 1.3), (45, 0.9, 0.9, 0.7, 1.3), (2, 0.7, 1.2, 0.1, 1.25)],
        series=VOLATILITY,
    ),
    "alpha": Facts(
        alpha_oracle,
        [(0.15, 0.35, 0.1, 0.6), (0.5, -0.3, 0.0, 1.0), (0.2, 0.0, 0.2, 0.2)],
        series=VOLATILITY,
    ),
    "alpha_ema": Facts(alpha_ema_oracle, [()], flat={"alpha_ema": PRICE}, series={"alpha": example_alpha}),
    "regime_kama": Facts(
        regime_kama_oracle,
        [(1, 2, 30, 0.2, 0.6, 0.3), (2, 3, 3, 1.0, 0.5, 0.5), (10, 2, 30, 0.2, 0.6, 0.3)],
        flat={"regime_kama": PRICE, "efficiency_ratio": 0.0},
        tail=10_000,
    ),
}
