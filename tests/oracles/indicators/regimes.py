"""States of a market."""

import numpy as np

from fluxhero.kernels.types import FloatArray

from .facts import Facts, Outputs, Series


def confirmed(raw: Series, confirm: int) -> Outputs:
    """The first raw state at once; another one when the last `confirm` raw states are that one."""
    states: list[float] = []
    ages: list[float] = []
    for t, seen in enumerate(raw):
        recent = raw[t + 1 - confirm : t + 1] if t + 1 >= confirm else []
        if t == 0 or (seen != states[-1] and recent and set(recent) == {seen}):
            states.append(seen)
            ages.append(1.0)
        else:
            states.append(states[-1])
            ages.append(ages[-1] + 1)
    return states, ages


def regime_oracle(
    adx: Series,
    r_squared: Series,
    trend_adx: float,
    trend_r2: float,
    reversion_adx: float,
    reversion_r2: float,
    confirm: int,
) -> Outputs:
    raw = []
    for strength, fit in zip(adx, r_squared, strict=True):
        trends = strength > trend_adx and fit > trend_r2
        reverts = strength < reversion_adx and fit < reversion_r2
        raw.append(1.0 if trends else 2.0 if reverts else 0.0)
    fits = [1.0 if fit > 0.7 else -1.0 if fit < 0.3 else 0.0 for fit in r_squared]
    return (*confirmed(raw, confirm), fits)


def volatility_regime_oracle(atr: Series, atr_mean: Series, high: float, low: float, confirm: int) -> Outputs:
    raw = []
    for now, usual in zip(atr, atr_mean, strict=True):
        raw.append(1.0 if now > high * usual else -1.0 if now < low * usual else 0.0)
    return confirmed(raw, confirm)


def example_adx(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.repeat(rng.uniform(5.0, 45.0, n_bars), 3)[:n_bars] + rng.normal(0.0, 3.0, n_bars)


def example_r_squared(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.clip(np.repeat(rng.random(n_bars), 3)[:n_bars] + rng.normal(0.0, 0.1, n_bars), 0.0, 1.0)


def example_atr(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.repeat(rng.uniform(0.3, 2.0, n_bars), 4)[:n_bars]


def example_atr_mean(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return rng.uniform(0.9, 1.1, n_bars)


FACTS = {
    "regime": Facts(
        regime_oracle,
        [(25.0, 0.6, 20.0, 0.4, 3), (25.0, 0.6, 20.0, 0.4, 1), (30.0, 0.5, 30.0, 0.5, 2)],
        series={"adx": example_adx, "r_squared": example_r_squared},
    ),
    "volatility_regime": Facts(
        volatility_regime_oracle,
        [(1.5, 0.7, 3), (1.2, 0.9, 1)],
        series={"atr": example_atr, "atr_mean": example_atr_mean},
    ),
}
