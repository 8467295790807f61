"""States of the whole market, from their definitions."""

import numpy as np

from fluxhero.kernels.types import FloatArray

from .facts import NAN, Facts, Outputs, Series, total, windows


def mean_of(window: list[float]) -> float:
    """Exactly the price where the price is flat."""
    return window[0] + total(value - window[0] for value in window) / len(window)


def equity_regime_oracle(
    close: Series, mean_lookback: int, short_momentum: int, long_momentum: int
) -> Outputs:
    out = [NAN] * len(close)
    for t, window in enumerate(windows(close, mean_lookback)):
        if window is None or t < long_momentum:
            continue
        returns = [close[t] / close[t - bars] - 1 for bars in (short_momentum, long_momentum)]
        momentum = total(returns) / 2
        if close[t] > mean_of(window) and momentum > 0:
            out[t] = 1.0
        elif close[t] < mean_of(window) and momentum < 0:
            out[t] = -1.0
        else:
            out[t] = 0.0
    return (out,)


def level_oracle(values: Series, low: float, high: float) -> Outputs:
    return ([float(value > high) - float(value < low) for value in values],)


def crypto_regime_oracle(close: Series, mean_lookback: int, momentum_lookback: int) -> Outputs:
    out = [NAN] * len(close)
    for t, window in enumerate(windows(close, mean_lookback)):
        if window is not None and t >= momentum_lookback:
            falls = close[t] - close[t - momentum_lookback] < 0
            out[t] = -1.0 if close[t] < mean_of(window) or falls else 1.0
    return (out,)


def macro_regime_oracle(
    pmi: Series, curve_slope: Series, recession_pmi: float, slowdown_pmi: float
) -> Outputs:
    out = []
    for index, slope in zip(pmi, curve_slope, strict=True):
        n_signs = int(index < slowdown_pmi) + int(slope < 0)
        out.append(-1.0 if index < recession_pmi or n_signs == 2 else 1.0 - n_signs)
    return (out,)


def example_vix(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.round(rng.lognormal(np.log(18.0), 0.4, n_bars), 2)


def example_volatility(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return rng.lognormal(np.log(0.15), 0.5, n_bars)


def example_pmi(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.round(rng.normal(50.0, 5.0, n_bars), 1)


def example_slope(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.round(rng.normal(0.3, 0.8, n_bars), 2)


FACTS = {
    "equity_regime": Facts(
        equity_regime_oracle,
        [(1, 1, 1), (20, 5, 10), (200, 126, 210)],
        flat={"regime": 0.0},
        is_positive=True,
    ),
    "vix_regime": Facts(
        level_oracle, [(15.0, 25.0), (18.0, 18.0)], series={"vix": example_vix}, is_positive=True
    ),
    "realised_regime": Facts(
        level_oracle,
        [(0.11, 0.21), (0.15, 0.15)],
        series={"volatility": example_volatility},
        is_positive=True,
    ),
    "crypto_regime": Facts(
        crypto_regime_oracle, [(1, 1), (7, 20), (200, 60)], flat={"regime": 1.0}, is_positive=True
    ),
    "macro_regime": Facts(
        macro_regime_oracle,
        [(45.0, 50.0), (50.0, 50.0)],
        series={"pmi": example_pmi, "curve_slope": example_slope},
    ),
}
