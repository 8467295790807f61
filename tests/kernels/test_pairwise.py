"""Correlations of all pairs: against NumPy on real stocks, with gaps, over a million bars."""

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhero.kernels.decorator import is_compiling
from fluxhero.kernels.pairwise import (
    PairwiseState,
    advance_pairs,
    crowding,
    mean_correlation,
    pair_indices,
    pairwise_correlation,
    pairwise_init,
)
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.prices import data_folder

STOCKS = ("MSFT", "GOOG", "XOM", "CVX", "KO", "T", "BAC")
N_BARS = 200


def real_closes() -> FloatArray:
    files = [data_folder() / f"us_daily/stocknet_{name}_daily.csv" for name in STOCKS]
    series = [pd.read_csv(path, index_col="date")["close"] for path in files]
    return np.ascontiguousarray(pd.concat(series, axis=1, join="inner").to_numpy(np.float64).T)


def example(n_symbols: int = 4, n_bars: int = N_BARS, *, with_gaps: bool = True) -> FloatArray:
    """Walks with a common part; some bars are missing, one symbol is halted and one never moves."""
    rng = np.random.default_rng(3)
    moves = 0.01 * (rng.normal(0.0, 1.0, (n_symbols, n_bars)) + rng.normal(0.0, 1.0, n_bars))
    moves[-1] = 0.0
    close = 50.0 * np.exp(np.cumsum(moves, axis=1))
    if with_gaps:
        close[rng.random(close.shape) < 0.04] = np.nan
        close[rng.random(close.shape) < 0.01] = np.inf
        close[rng.random(close.shape) < 0.01] = 0.0
        close[1, n_bars // 2 : n_bars // 2 + 15] = np.nan
    return close


def oracle(close: FloatArray, lookback: int) -> FloatArray:
    """Window by window, in the order of pairs."""
    known = np.where(np.isfinite(close) & (close > 0.0), close, np.nan)
    returns = np.full(close.shape, np.nan)
    returns[:, 1:] = known[:, 1:] / known[:, :-1] - 1.0
    columns = []
    for first, second in zip(*pair_indices(close.shape[0]), strict=True):
        column = np.full(close.shape[1], np.nan)
        common = np.flatnonzero(np.isfinite(returns[first] + returns[second]))
        for i in range(lookback - 1, common.size):
            x, y = (returns[s, common[i + 1 - lookback : i + 1]] for s in (first, second))
            moves = np.ptp(x) > 0.0 and np.ptp(y) > 0.0
            column[common[i]] = np.corrcoef(x, y)[0, 1] if moves else 0.0
        columns.append(column)
    return np.array(columns).T


def run(
    close: FloatArray, lookback: int, state: PairwiseState | None = None
) -> tuple[FloatArray, FloatArray]:
    state = pairwise_init(close.shape[0], lookback) if state is None else state
    out, mean = np.empty((state.headers.shape[0], close.shape[1])), np.empty(close.shape[1])
    advance_pairs(np.ascontiguousarray(close), lookback, state, out, mean)
    return out, mean


def test_real_stocks_agree_with_numpy() -> None:
    close = real_closes()
    found = pairwise_correlation(close)
    assert found.shape == (close.shape[1], 21)
    np.testing.assert_allclose(found, oracle(close, 60), rtol=0.0, atol=1e-12)
    pairs = dict(zip(zip(*pair_indices(7), strict=True), found[-1], strict=True))
    assert pairs[(2, 3)] > 0.5 > pairs[(0, 4)]  # two oil companies, against software and soft drinks


def test_mean_of_real_stocks_is_that_of_their_pairs() -> None:
    close = real_closes()
    np.testing.assert_allclose(mean_correlation(close), oracle(close, 60).mean(axis=1), rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("lookback", [2, 5, 30])
def test_missing_bars_are_handled_pair_by_pair(lookback: int) -> None:
    close = example()
    expected = oracle(close, lookback)
    np.testing.assert_allclose(pairwise_correlation(close, lookback=lookback), expected, rtol=0.0, atol=1e-9)
    n_known = (~np.isnan(expected)).sum(axis=1)
    assert set(n_known) > {0, 3, 6}  # bars with none, some and all of the pairs
    mean = np.nansum(expected, axis=1) / np.where(n_known, n_known, np.nan)
    np.testing.assert_allclose(mean_correlation(close, lookback=lookback), mean, rtol=0.0, atol=1e-9)


def test_a_halted_symbol_leaves_the_other_pairs_alone() -> None:
    close = example(with_gaps=False)
    halted = close.copy()
    halted[0, 50:] = np.nan
    others = [i for i, first in enumerate(pair_indices(4)[0]) if first != 0]
    whole, holed = (pairwise_correlation(prices, lookback=20)[:, others] for prices in (close, halted))
    assert whole.tobytes() == holed.tobytes()


def test_twins_are_one_and_mirrors_are_minus_one() -> None:
    moves = np.random.default_rng(2).normal(0.0, 0.01, 100)
    close = np.cumprod([1.0 + moves, 1.0 + 2.0 * moves, 1.0 - moves], axis=1)
    found = pairwise_correlation(close, lookback=10)[10:]
    np.testing.assert_allclose(found, np.tile([1.0, -1.0, -1.0], (90, 1)), atol=1e-12)
    assert np.abs(found).max() <= 1.0


def test_symbol_that_never_moves_has_no_correlation() -> None:
    close = np.vstack([np.linspace(1.0, 2.0, 50) ** 2, np.full(50, 0.1)])
    assert (pairwise_correlation(close, lookback=5)[5:] == 0.0).all()


def test_one_symbol_has_no_pairs_and_no_symbol_neither() -> None:
    assert pairwise_correlation(np.ones((1, 5))).shape == (5, 0)
    assert np.isnan(mean_correlation(np.ones((1, 5)))).all()
    assert mean_correlation(np.ones((2, 0))).size == 0


@pytest.mark.parametrize("factor", [1e-300, 1e140])
def test_unit_of_price_does_not_matter(factor: float) -> None:
    close = example(with_gaps=False)
    np.testing.assert_allclose(
        pairwise_correlation(close * factor, lookback=9), pairwise_correlation(close, lookback=9), atol=1e-9
    )


def test_impossible_jump_is_unknown_and_a_bad_tick_is_gone_with_its_window() -> None:
    close = example(with_gaps=False)
    jumped, ticked = close.copy(), close.copy()
    jumped[0, 100] = 1e-250
    ticked[0, 100] *= 1e6
    assert np.isfinite(pairwise_correlation(jumped, lookback=5)[105:]).all()
    after = slice(112, None)
    np.testing.assert_allclose(
        pairwise_correlation(ticked, lookback=5)[after],
        pairwise_correlation(close, lookback=5)[after],
        atol=1e-12,
    )


def test_a_million_bars_leave_no_error_behind() -> None:
    n_bars, lookback = (1_000_000 if is_compiling() else 20_000), 60
    rng = np.random.default_rng(8)
    common = rng.standard_t(4, n_bars)
    moves = 1e-3 * (common + rng.standard_t(4, (2, n_bars)))
    close = 100.0 * np.exp(np.cumsum(moves - moves.mean(axis=1, keepdims=True), axis=1))
    close[0, [n_bars // 3, n_bars // 2]] *= 1e5
    found = pairwise_correlation(close, lookback=lookback)[-20:, 0]
    tail = close[:, -lookback - 20 :].astype(np.longdouble)
    returns = tail[:, 1:] / tail[:, :-1] - 1
    exact = []
    for end in range(lookback, lookback + 20):
        x, y = (row[end - lookback : end] - row[end - lookback : end].mean() for row in returns)
        exact.append((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))
    np.testing.assert_allclose(found, np.array(exact, dtype=np.float64), rtol=1e-9)


@given(cuts=st.lists(st.integers(0, N_BARS), min_size=1, max_size=6))
def test_any_split_of_time_gives_the_same_bits(cuts: list[int]) -> None:
    close = example()
    out, mean = run(close, 7)
    state, outs, means = pairwise_init(4, 7), [], []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), N_BARS], strict=True):
        state = pickle.loads(pickle.dumps(state))
        part = run(close[:, start:stop], 7, state)
        outs.append(part[0])
        means.append(part[1])
    assert np.concatenate(outs, axis=1).tobytes() == out.tobytes()
    assert np.concatenate(means).tobytes() == mean.tobytes()


@pytest.mark.parametrize("cut", [1, 31, 100, 199])
def test_the_future_changes_nothing(cut: int) -> None:
    close = example()
    out, mean = run(close, 7)
    poisoned = np.where(np.arange(N_BARS) < cut, close, 1e9)
    for other in (close[:, :cut], poisoned):
        other_out, other_mean = run(other, 7)
        assert other_out[:, :cut].tobytes() == out[:, :cut].tobytes()
        assert other_mean[:cut].tobytes() == mean[:cut].tobytes()


def test_mean_alone_has_the_same_bits() -> None:
    close = example()
    assert mean_correlation(close, lookback=7).tobytes() == run(close, 7)[1].tobytes()


def test_everything_moving_together_lowers_the_position_limit() -> None:
    common = np.random.default_rng(1).normal(0.0, 0.02, 400)
    own = np.random.default_rng(2).normal(0.0, 0.02, (5, 400))
    own[:, 200:] *= 0.2
    found = crowding(mean_correlation(100.0 * np.exp(np.cumsum(common + own, axis=1))))
    assert not found.is_risk_on_off[:200].any()
    assert (found.position_limit[:200] == 5).all()
    assert found.is_risk_on_off[-1]
    assert found.position_limit[-1] == 3


def test_crowding_has_settings_and_bounds() -> None:
    found = crowding([0.5, 0.51], threshold=0.5, limit=10, crowded_limit=4)
    assert found.position_limit.tolist() == [10, 4]
    with pytest.raises(ValueError, match="`crowded_limit` must be a whole number from 0 to 2, was 3"):
        crowding([0.5], limit=2)
    with pytest.raises(ValueError, match="`threshold` must be a number from -1 to 1, was 80"):
        crowding([0.5], threshold=80.0)
    with pytest.raises(ValueError, match="`mean` must have one dimension, time; it has 2"):
        crowding(np.ones((2, 2)))


def test_bad_input_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"`close` must have two dimensions, \(symbols, bars\); it has 1"):
        pairwise_correlation(np.ones(5))
    with pytest.raises(ValueError, match="`close` must be an array of numbers"):
        mean_correlation([["a", "b"]])
    with pytest.raises(ValueError, match="`lookback` must be a whole number from 2 to 100000, was 1"):
        mean_correlation(np.ones((2, 5)), lookback=1)


PLAIN_PYTHON = """
import hashlib
from fluxhero.tests.kernels.test_pairwise import example, run
out, mean = run(example(), 7)
print(hashlib.sha256(out.tobytes() + mean.tobytes()).hexdigest())
"""


def test_plain_python_gives_the_same_bits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_PYTHON],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    out, mean = run(example(), 7)
    assert done.stdout.strip() == hashlib.sha256(out.tobytes() + mean.tobytes()).hexdigest()
