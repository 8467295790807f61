"""The tree behind rank and quantile: in order and in balance after every bar, whatever the values."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhero.kernels.decorator import is_compiling
from fluxhero.kernels.indicators.rolling_rank import rolling_median, rolling_quantile, rolling_rank
from fluxhero.kernels.order_statistics import (
    COUNT,
    LEFT,
    MOST_HEAVIER,
    N_NUMBERS,
    NOBODY,
    PARENT,
    RIGHT,
    VALUE,
    SortedWindow,
)
from fluxhero.kernels.registry import INDICATORS
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.indicators.windows import rolling_quantile_oracle, rolling_rank_oracle

N_HEADER = len(SortedWindow._fields)
PATTERNS = {
    "walk": lambda t, rng: np.cumsum(rng.normal(size=t.size)),
    "few values": lambda t, rng: rng.integers(0, 4, t.size).astype(float),
    "rising": lambda t, rng: t,
    "falling": lambda t, rng: -t,
    "flat": lambda t, rng: 0.0 * t,
    "sawtooth": lambda t, rng: t % 13.0,
    "there and back": lambda t, rng: np.abs(t % 50.0 - 25.0),
    "growing swings": lambda t, rng: np.where(t % 2 == 0, t, -t),
}


class Node(NamedTuple):
    place: int
    depth: int


def pattern(name: str, n_bars: int) -> FloatArray:
    return np.asarray(PATTERNS[name](np.arange(float(n_bars)), np.random.default_rng(3)), dtype=np.float64)


def nodes_in_order(ring: FloatArray) -> list[Node]:
    """Nodes of the tree from left to right; checks what neighbours say of each other on the way."""
    found: list[Node] = []
    pending: list[Node] = []
    place, depth, parent = int(ring[NOBODY + LEFT]), 1, NOBODY
    while pending or place != NOBODY:
        while place != NOBODY:
            assert ring[place + PARENT] == parent
            left, right = int(ring[place + LEFT]), int(ring[place + RIGHT])
            weights = sorted([ring[left + COUNT] + 1, ring[right + COUNT] + 1])
            assert ring[place + COUNT] == sum(weights) - 1
            assert weights[1] <= MOST_HEAVIER * weights[0]
            pending.append(Node(place, depth))
            place, parent, depth = left, place, depth + 1
        node = pending.pop()
        found.append(node)
        place, parent, depth = int(ring[node.place + RIGHT]), node.place, node.depth + 1
    return found


def fed(state: FloatArray, values: FloatArray, lookback: int) -> FloatArray:
    """State after more values."""
    INDICATORS["rolling_median"].run(values, lookback, state, np.empty(values.size))
    return state


@pytest.mark.parametrize("lookback", [1, 2, 3, 5, 16, 33])
@pytest.mark.parametrize("name", PATTERNS)
def test_tree_holds_the_window_in_order_and_balance_at_every_bar(name: str, lookback: int) -> None:
    values = pattern(name, 150)
    state = INDICATORS["rolling_median"].init(lookback)
    for t in range(values.size):
        ring = fed(state, values[t : t + 1], lookback)[N_HEADER:]
        slots = [node.place // N_NUMBERS - 1 for node in nodes_in_order(ring)]
        window = range(max(0, t + 1 - lookback), t + 1)
        expected = sorted(window, key=lambda bar: (values[bar], bar))  # of equal values the older one first
        assert slots == [bar % lookback for bar in expected]
        assert [ring[N_NUMBERS * (slot + 1) + VALUE] for slot in slots] == [values[bar] for bar in expected]


@pytest.mark.parametrize("name", PATTERNS)
def test_depth_is_logarithmic_whatever_the_values(name: str) -> None:
    lookback = 5_000 if is_compiling() else 300
    state = INDICATORS["rolling_median"].init(lookback)
    for _ in range(3):
        ring = fed(state, pattern(name, lookback * 7 // 5), lookback)[N_HEADER:]
        deepest = max(node.depth for node in nodes_in_order(ring))
        assert deepest <= math.log(lookback + 1) / math.log(4 / 3)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("lookback", [2, 7, 64])
def test_rank_and_quantile_agree_with_sorting(name: str, lookback: int) -> None:
    values = pattern(name, 200)
    (ranks,) = rolling_rank_oracle(values.tolist(), lookback)
    np.testing.assert_array_equal(rolling_rank(values, lookback=lookback), ranks)
    for q in (0.0, 0.1, 0.5, 0.75, 1.0):
        (exact,) = rolling_quantile_oracle(values.tolist(), lookback, q)
        np.testing.assert_allclose(rolling_quantile(values, lookback=lookback, q=q), exact, rtol=1e-13)


@given(
    values=st.lists(
        st.one_of(st.integers(-3, 3).map(float), st.floats(-1e140, 1e140), st.sampled_from([0.0, -0.0])),
        min_size=1,
        max_size=60,
    ),
    lookback=st.integers(1, 20),
    q=st.floats(0.0, 1.0),
)
def test_quantile_is_that_of_numpy_to_the_bit(values: list[float], lookback: int, q: float) -> None:
    ours = rolling_quantile(values, lookback=lookback, q=q)
    for t in range(lookback - 1, len(values)):
        assert ours[t] == np.quantile(values[t + 1 - lookback : t + 1], q)


@given(values=st.lists(st.integers(0, 5).map(float), min_size=2, max_size=60), lookback=st.integers(2, 20))
def test_mirrored_values_have_the_mirrored_rank_and_median(values: list[float], lookback: int) -> None:
    mirrored = [-value for value in values]
    rank, mirrored_rank = (rolling_rank(v, lookback=lookback) for v in (values, mirrored))
    np.testing.assert_allclose(mirrored_rank, 1.0 - rank, atol=1e-15)
    median, mirrored_median = (rolling_median(v, lookback=lookback) for v in (values, mirrored))
    np.testing.assert_allclose(mirrored_median, -median)


def test_median_is_the_half_quantile_to_the_bit() -> None:
    values = pattern("walk", 300)
    for lookback in (1, 2, 9, 10):
        np.testing.assert_array_equal(
            rolling_median(values, lookback=lookback), rolling_quantile(values, lookback=lookback, q=0.5)
        )


def test_rank_counts_half_of_a_tie() -> None:
    assert rolling_rank([1.0, 2.0, 2.0, 3.0, 2.0], lookback=5)[-1] == (1 + 2 / 2) / 4


def test_rank_is_0_at_a_new_low_and_1_at_a_new_high() -> None:
    assert (rolling_rank(np.arange(200.0), lookback=50)[49:] == 1.0).all()
    assert (rolling_rank(-np.arange(200.0), lookback=50)[49:] == 0.0).all()


def test_median_does_not_see_one_bad_tick() -> None:
    values = np.full(30, 100.0)
    values[15] = 1e9
    assert (rolling_median(values, lookback=5)[4:] == 100.0).all()
