"""The last known value: what is kept, for how long, and that nothing looks ahead."""

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhero.kernels.last_known import HOUR_S, LAST_KNOWN, last_known
from fluxhero.kernels.types import FloatArray

PARAMS = (48.0, 0.0)
N_TIMES = 300


def example(seed: int = 1) -> list[FloatArray]:
    """Values that come irregularly, long gaps among them, and when each next one is due."""
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.integers(1, 30, N_TIMES)) * HOUR_S
    value = np.where(rng.random(N_TIMES) < 0.3, rng.normal(0.0, 1.0, N_TIMES), np.nan)
    value[rng.random(N_TIMES) < 0.02] = np.inf
    return [value, time, time + rng.integers(-5, 40, N_TIMES) * HOUR_S]


def compute(inputs: list[FloatArray], state: FloatArray | None = None) -> FloatArray:
    outputs = np.empty((2, inputs[0].size))
    LAST_KNOWN.run(*inputs, *PARAMS, LAST_KNOWN.init(*PARAMS) if state is None else state, *outputs)
    return outputs


def oracle(value: FloatArray, time: FloatArray, due: FloatArray) -> FloatArray:
    rows = []
    for t in range(time.size):
        known = [i for i in range(t + 1) if np.isfinite(value[i])]
        late = max(time[t] - due[known[-1]], 0.0) / 3600 if known else np.inf
        rows.append((value[known[-1]] if known and late <= 48 else 0.0, late))
    return np.array(rows).T


def same_bits(actual: FloatArray, expected: FloatArray) -> bool:
    return actual.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_agrees_with_the_plain_oracle() -> None:
    inputs = example()
    np.testing.assert_array_equal(compute(inputs), oracle(*inputs))


def test_value_is_kept_for_48_hours_and_not_longer() -> None:
    hours = np.array([0.0, 1.0, 48.0, 48.0 + 1 / 3600, 100.0])
    found = last_known([1.0, np.nan, np.nan, np.nan, np.nan], hours * HOUR_S)
    assert found.value.tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]


def test_nothing_known_is_the_fallback() -> None:
    found = last_known([np.nan, np.inf, 2.0], [0.0, 1.0, 2.0], fallback=-7.0)
    assert found.value.tolist() == [-7.0, -7.0, 2.0]
    assert found.overdue_hours.tolist() == [np.inf, np.inf, 0.0]


def test_a_value_comes_back_at_once() -> None:
    found = last_known([1.0, np.nan, -1.0], np.array([0.0, 72.0, 73.0]) * HOUR_S)
    assert found.value.tolist() == [1.0, 0.0, -1.0]


def test_hours_count_from_when_the_next_value_is_due() -> None:
    """A close of Friday is good for the weekend: the next one is due on Monday."""
    friday, monday = 16.0, 16.0 + 72.0
    time = np.array([friday, friday + 60.0, monday, monday + 48.0, monday + 49.0]) * HOUR_S
    due = np.full(5, monday) * HOUR_S
    found = last_known([1.0, np.nan, np.nan, np.nan, np.nan], time, due)
    assert found.value.tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]
    assert found.overdue_hours.tolist() == [0.0, 0.0, 0.0, 48.0, 49.0]


@given(cuts=st.lists(st.integers(0, N_TIMES), min_size=1, max_size=8))
def test_any_split_of_time_gives_the_same_bits(cuts: list[int]) -> None:
    inputs = example()
    state, parts = LAST_KNOWN.init(*PARAMS), []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), N_TIMES], strict=True):
        state = pickle.loads(pickle.dumps(state))
        parts.append(compute([series[start:stop].copy() for series in inputs], state))
    assert same_bits(np.concatenate(parts, axis=1), compute(inputs))


@pytest.mark.parametrize("cut", [0, 1, 7, 150, 299])
def test_the_future_changes_nothing(cut: int) -> None:
    inputs = example()
    whole = compute(inputs)
    assert same_bits(compute([series[:cut].copy() for series in inputs]), whole[:, :cut])
    value, time, due = (series.copy() for series in inputs)
    value[cut:], due[cut:] = 1e9, -1e9
    assert same_bits(compute([value, time, due])[:, :cut], whole[:, :cut])


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
def test_unknown_value_leaves_the_state_alone(unknown: float) -> None:
    state = LAST_KNOWN.init(*PARAMS)
    compute(example(), state)
    before = state.copy()
    compute([np.array([unknown]), np.array([1e9]), np.array([1e9])], state)
    assert same_bits(state, before)


def test_times_that_fall_or_are_unknown_are_refused() -> None:
    with pytest.raises(
        ValueError, match="`time` must be known and must not fall: position 1 has 0, 1 before"
    ):
        last_known([1.0, 1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="position 0 has nan, nothing before it"):
        last_known([1.0, 1.0], [np.nan, 0.0])
    with pytest.raises(ValueError, match="`due` must be known where `value` is: it is not at position 1"):
        last_known([np.nan, 1.0], [0.0, 1.0], [np.nan, np.nan])
    with pytest.raises(ValueError, match="`value` has 2 bars but `due` has 1"):
        last_known([np.nan, 1.0], [0.0, 1.0], [1.0])
    with pytest.raises(ValueError, match="`max_age_hours` must be a number from 0"):
        last_known([1.0], [0.0], max_age_hours=-1.0)


PLAIN_PYTHON = """
import hashlib
from fluxhero.tests.kernels.test_last_known import compute, example
print(hashlib.sha256(compute(example(4)).tobytes()).hexdigest())
"""


def test_plain_python_gives_the_same_bits() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PLAIN_PYTHON],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == hashlib.sha256(compute(example(4)).tobytes()).hexdigest()
