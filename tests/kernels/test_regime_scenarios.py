"""Markets generated with a property, which is asserted, and whether regimes see it."""

from itertools import pairwise

import numpy as np
import pytest

from fluxhero.kernels.indicators.adx import adx
from fluxhero.kernels.indicators.linear_regression import linear_regression
from fluxhero.kernels.indicators.regime import MEAN_REVERSION, STRONG_TREND, regime
from fluxhero.kernels.types import FloatArray

SEEDS = range(8)
WARMUP = 60
DAILY_MOVE = 0.01


def trending(n_bars: int, seed: int, direction: float = 1.0) -> FloatArray:
    """Log returns whose drift is 0.6 of their deviation."""
    noise = np.random.default_rng(seed).normal(size=n_bars)
    return DAILY_MOVE * (direction * 0.6 + noise)


def sideways(n_bars: int, seed: int) -> FloatArray:
    """Log returns of a price that comes half of its way back to a fixed level every other bar."""
    noise = np.random.default_rng(seed).normal(size=n_bars)
    level = np.zeros(n_bars + 1)
    for t in range(n_bars):
        level[t + 1] = 0.7 * level[t] + DAILY_MOVE * noise[t]
    return np.diff(level)


def states_of(returns: FloatArray, seed: int) -> FloatArray:
    close = 100.0 * np.exp(np.cumsum(returns))
    opened = np.concatenate([[100.0], close[:-1]])
    wicks = np.abs(np.random.default_rng([seed, 1]).normal(0.0, 0.003, (2, close.size))) * close
    high, low = np.maximum(opened, close) + wicks[0], np.minimum(opened, close) - wicks[1]
    return regime(adx(high, low, close).adx, linear_regression(close).r_squared).state


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_strong_trend_is_classed_as_one_on_more_than_85_percent_of_days(
    seed: int, direction: float
) -> None:
    returns = trending(1_000, seed, direction)
    assert abs(returns.mean()) > 0.5 * returns.std()
    assert np.mean(states_of(returns, seed)[WARMUP:] == STRONG_TREND) > 0.85


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sideways_market_is_classed_as_reversion_on_more_than_80_percent_of_days(seed: int) -> None:
    returns = sideways(1_000, seed)
    level = np.cumsum(returns)
    assert np.ptp(level) < 12 * DAILY_MOVE  # it goes nowhere
    assert np.corrcoef(level[:-1], level[1:])[0, 1] < 0.8  # and soon comes back
    assert np.mean(states_of(returns, seed)[WARMUP:] == MEAN_REVERSION) > 0.80


@pytest.mark.parametrize("seed", SEEDS)
def test_fewer_than_10_percent_of_the_bars_of_a_transition_flip_flop(seed: int) -> None:
    stretch, n_stretches = 150, 12
    parts = [
        trending(stretch, 100 * seed + i, 1.0 if i % 4 == 0 else -1.0)
        if i % 2 == 0
        else sideways(stretch, 100 * seed + i)
        for i in range(n_stretches)
    ]
    states = states_of(np.concatenate(parts), seed)
    changes = np.flatnonzero(np.diff(states) != 0.0) + 1
    is_flip_flop = np.zeros(states.size, dtype=bool)
    for first, second in pairwise(changes):
        if second - first <= 5 and states[second] == states[first - 1]:  # there and back within a week
            is_flip_flop[first : second + 1] = True
    in_transition = np.arange(states.size) % stretch < 60  # until the longest input has forgotten
    in_transition[:stretch] = False
    assert in_transition.sum() == 60 * (n_stretches - 1)
    assert is_flip_flop[in_transition].mean() < 0.10
    settled = states[~in_transition & (np.arange(states.size) >= stretch)]
    assert set(settled) >= {STRONG_TREND, MEAN_REVERSION}  # both were seen once they had settled
