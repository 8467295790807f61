"""Ranges of bars, and the volatility and the spread that they give away."""

import itertools
import math
from typing import Any

import numpy as np
import talib

from fluxhero.kernels.types import FloatArray

from .facts import NAN, Example, Facts, Outputs, Series, root, total, true_ranges, wilder, windows


def log(value: float) -> Any:
    """Natural logarithm in the type of `value`."""
    return math.log(value) if isinstance(value, float) else np.log(value)


def per_window(terms: list[float], lookback: int, factor: float, n_missing: int = 0) -> Outputs:
    """Root of each window's sum times `factor`, behind bars that have no term."""
    out = [NAN] * n_missing
    for window in windows(terms, lookback):
        out.append(NAN if window is None else root(max(total(window), 0.0 * window[0]) * factor))
    return (out,)


def sample_variance(values: list[float]) -> float:
    mean = values[0] + total(value - values[0] for value in values) / len(values)
    return total((value - mean) ** 2 for value in values) / (len(values) - 1)


def true_range_oracle(high: Series, low: Series, close: Series) -> Outputs:
    return ([NAN, *true_ranges(high, low, close)][: len(close)],)


def normalised_atr_oracle(high: Series, low: Series, close: Series, lookback: int) -> Outputs:
    ranges = [NAN, *wilder(true_ranges(high, low, close), lookback)][: len(close)]
    return ([100 * atr / price for atr, price in zip(ranges, close, strict=True)],)


def realised_volatility_oracle(close: Series, lookback: int, bars_per_year: float) -> Outputs:
    returns = [log(after / before) for before, after in itertools.pairwise(close)]
    out = [NAN] * min(1, len(close))
    for window in windows(returns, lookback):
        out.append(NAN if window is None else root(sample_variance(window) * bars_per_year))
    return (out,)


def parkinson_oracle(high: Series, low: Series, lookback: int, bars_per_year: float) -> Outputs:
    terms = [log(h / x) ** 2 for h, x in zip(high, low, strict=True)]
    return per_window(terms, lookback, bars_per_year / (4 * math.log(2) * lookback))


def garman_klass_oracle(
    open: Series, high: Series, low: Series, close: Series, lookback: int, bars_per_year: float
) -> Outputs:
    terms = [
        log(h / x) ** 2 / 2 - (2 * math.log(2) - 1) * log(c / o) ** 2
        for o, h, x, c in zip(open, high, low, close, strict=True)
    ]
    return per_window(terms, lookback, bars_per_year / lookback)


def rogers_satchell_terms(open: Series, high: Series, low: Series, close: Series) -> list[float]:
    return [
        log(h / c) * log(h / o) + log(x / c) * log(x / o)
        for o, h, x, c in zip(open, high, low, close, strict=True)
    ]


def rogers_satchell_oracle(
    open: Series, high: Series, low: Series, close: Series, lookback: int, bars_per_year: float
) -> Outputs:
    return per_window(rogers_satchell_terms(open, high, low, close), lookback, bars_per_year / lookback)


def yang_zhang_oracle(
    open: Series, high: Series, low: Series, close: Series, lookback: int, bars_per_year: float
) -> Outputs:
    overnight = [NAN, *(log(o / c) for o, c in zip(open[1:], close, strict=False))]
    moves = [log(c / o) for o, c in zip(open, close, strict=True)]
    within = rogers_satchell_terms(open, high, low, close)
    k = 0.34 / (1.34 + (lookback + 1) / (lookback - 1))
    out = [NAN] * len(close)
    for t in range(lookback, len(close)):
        window = slice(t + 1 - lookback, t + 1)
        variance = sample_variance(overnight[window]) + k * sample_variance(moves[window])
        variance += (1 - k) * total(within[window]) / lookback
        out[t] = root(variance * bars_per_year)
    return (out,)


def corwin_schultz_oracle(high: Series, low: Series, close: Series, lookback: int) -> Outputs:
    pairs = []
    denominator = 3 - 2 * root(2 + 0 * close[0])
    for t in range(1, len(close)):
        shift = 0.0 * close[t]
        if low[t] > close[t - 1]:
            shift = close[t - 1] - low[t]
        elif high[t] < close[t - 1]:
            shift = close[t - 1] - high[t]
        top, bottom = high[t] + shift, low[t] + shift
        beta = log(high[t - 1] / low[t - 1]) ** 2 + log(top / bottom) ** 2
        gamma = log(max(top, high[t - 1]) / min(bottom, low[t - 1])) ** 2
        alpha = (root(2 * beta) - root(beta)) / denominator - root(gamma / denominator)
        exponential = math.exp(alpha) if isinstance(alpha, float) else np.exp(alpha)
        pairs.append(max(2 * (exponential - 1) / (1 + exponential), 0.0 * alpha))
    fractions = [NAN] * min(1, len(close))
    fractions += [NAN if w is None else total(w) / lookback for w in windows(pairs, lookback)]
    return fractions, [fraction * price for fraction, price in zip(fractions, close, strict=True)]


def volatility_spike_oracle(fast: Series, slow: Series, threshold: float, scale: float) -> Outputs:
    ratios = [min(scale * f / s, 1e6) for f, s in zip(fast, slow, strict=True)]
    return [1.0 if ratio > threshold else 0.0 for ratio in ratios], ratios


def example_fast(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.repeat(rng.uniform(0.05, 2.0, n_bars), 3)[:n_bars]


def example_slow(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return rng.uniform(0.9, 1.1, n_bars)


def gapping_bar(field: str) -> Example:
    """One field of bars that do not open where the last one closed; the generator's seed ties the fields."""

    def example(rng: np.random.Generator, n_bars: int) -> FloatArray:
        noise = rng.normal(0.0, 0.02, (4, n_bars))
        noise[:, n_bars // 2 : n_bars // 2 + 40] = 0.0
        open, close = np.round(100.0 * np.exp(noise[:2]), 2)
        wicks = np.round(np.abs(50.0 * noise[2:]), 2)
        high, low = np.maximum(open, close) + wicks[0], np.minimum(open, close) - wicks[1]
        return {"open": open, "high": high, "low": low, "close": close}[field]

    return example


GAPPING_BARS = {field: gapping_bar(field) for field in ("open", "high", "low", "close")}

FACTS = {
    "corwin_schultz": Facts(
        corwin_schultz_oracle,
        [(1,), (2,), (20,)],
        flat={"corwin_schultz": 0.0, "spread_estimate": 0.0},
        is_positive=True,
        crosses_zero=True,
    ),
    "garman_klass": Facts(
        garman_klass_oracle,
        [(1, 1.0), (2, 252.0), (20, 1.0)],
        flat={"garman_klass": 0.0},
        is_positive=True,
        series=GAPPING_BARS,
    ),
    "normalised_atr": Facts(
        normalised_atr_oracle,
        [(1,), (2,), (14,)],
        talib=lambda high, low, close, lookback: (talib.NATR(high, low, close, lookback),),
        talib_params=[(2,), (14,), (50,)],
        flat={"normalised_atr": 0.0},
        is_positive=True,
    ),
    "parkinson": Facts(
        parkinson_oracle, [(1, 1.0), (2, 252.0), (20, 1.0)], flat={"parkinson": 0.0}, is_positive=True
    ),
    "realised_volatility": Facts(
        realised_volatility_oracle,
        [(2, 1.0), (3, 252.0), (20, 1.0)],
        flat={"realised_volatility": 0.0},
        is_positive=True,
    ),
    "rogers_satchell": Facts(
        rogers_satchell_oracle,
        [(1, 1.0), (2, 252.0), (20, 1.0)],
        flat={"rogers_satchell": 0.0},
        is_positive=True,
        series=GAPPING_BARS,
    ),
    "true_range": Facts(
        true_range_oracle,
        [()],
        talib=lambda high, low, close: (talib.TRANGE(high, low, close),),
        talib_params=[()],
        flat={"true_range": 0.0},
    ),
    "volatility_spike": Facts(
        volatility_spike_oracle,
        [(2.0, 1.0), (1.5, 12.0**0.5)],
        series={"atr_fast": example_fast, "atr_slow": example_slow},
    ),
    "yang_zhang": Facts(
        yang_zhang_oracle,
        [(2, 1.0), (3, 252.0), (20, 1.0)],
        flat={"yang_zhang": 0.0},
        is_positive=True,
        series=GAPPING_BARS,
    ),
}
