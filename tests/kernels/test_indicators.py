"""What every indicator promises, for each one in the registry and several parameters."""

import doctest
import importlib
import inspect
import os
import pickle
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

import fluxhero as fx
from fluxhero.kernels import indicators
from fluxhero.kernels.driver import anatomy
from fluxhero.kernels.registry import INDICATORS, Indicator
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.indicators import FACTS, with_gaps
from fluxhero.tests.oracles.indicators.facts import PRICE
from fluxhero.tests.oracles.prices import example_series, with_some_gaps

N_BARS = 250
OWN_SCALE = {"time", "session_open", "session_close"}  # inputs that no unit of price can change


class Case(NamedTuple):
    """One indicator with parameters."""

    indicator: Indicator
    params: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.indicator.name}{self.params}"

    def inputs(self, n_bars: int = N_BARS, seed: int = 1) -> list[FloatArray]:
        return example_series(self.indicator.name, n_bars, seed)

    def named_inputs(self, n_bars: int = N_BARS) -> list[tuple[str, FloatArray]]:
        return list(zip(self.indicator.inputs, self.inputs(n_bars), strict=True))

    def compute(self, inputs: list[FloatArray], state: FloatArray | None = None) -> FloatArray:
        """Outputs as rows; a given state is carried on."""
        state = self.indicator.init(*self.params) if state is None else state
        outputs = np.empty((len(self.indicator.outputs), inputs[0].size))
        self.indicator.run(*inputs, *self.params, state, *outputs)
        return outputs


NAMES = sorted(set(INDICATORS) & set(FACTS))  # a test below asserts that they are the same
CASES = [Case(INDICATORS[name], params) for name in NAMES for params in FACTS[name].params]


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(params=[INDICATORS[name] for name in NAMES], ids=NAMES)
def indicator(request: pytest.FixtureRequest) -> Indicator:
    found: Indicator = request.param
    return found


def assert_same_bits(actual: FloatArray, expected: FloatArray) -> None:
    """Equal as integers: NaN and the sign of zero count too."""
    view = np.int64
    np.testing.assert_array_equal(
        np.ascontiguousarray(actual).view(view), np.ascontiguousarray(expected).view(view)
    )


def test_agrees_with_the_plain_oracle(case: Case) -> None:
    inputs = case.inputs()
    expected = FACTS[case.indicator.name].oracle(*[series.tolist() for series in inputs], *case.params)
    np.testing.assert_allclose(case.compute(inputs), np.array(expected), rtol=1e-9, atol=1e-12)


def test_agrees_with_the_plain_oracle_where_bars_are_missing(case: Case) -> None:
    inputs = with_some_gaps(case.inputs())
    expected = with_gaps(
        FACTS[case.indicator.name].oracle, [series.tolist() for series in inputs], case.params
    )
    np.testing.assert_allclose(case.compute(inputs), np.array(expected), rtol=1e-9, atol=1e-12)


def test_truncating_the_future_keeps_the_past(case: Case) -> None:
    inputs = with_some_gaps(case.inputs())
    whole = case.compute(inputs)
    for cut in (0, 1, 2, 13, 57, 124, 125, 249):
        assert_same_bits(case.compute([series[:cut].copy() for series in inputs]), whole[:, :cut])


def test_poisoning_the_future_changes_nothing(case: Case) -> None:
    inputs = case.inputs()
    whole = case.compute(inputs)
    for cut in (1, 31, 100, 200):
        poisoned = [np.where(np.arange(N_BARS) < cut, series, np.nan) for series in inputs]
        outputs = case.compute(poisoned)
        assert_same_bits(outputs[:, :cut], whole[:, :cut])
        assert np.isnan(outputs[:, cut:]).all()


@pytest.mark.parametrize("case", CASES, ids=str)
@given(cuts=st.lists(st.integers(0, N_BARS), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_any_split_of_time_gives_the_same_bits(case: Case, cuts: list[int]) -> None:
    inputs = with_some_gaps(case.inputs())
    whole_state = case.indicator.init(*case.params)
    whole = case.compute(inputs, whole_state)
    state, parts = case.indicator.init(*case.params), []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), N_BARS], strict=True):
        state = pickle.loads(pickle.dumps(state))
        parts.append(case.compute([series[start:stop].copy() for series in inputs], state))
    assert_same_bits(np.concatenate(parts, axis=1), whole)
    assert_same_bits(state, whole_state)


def test_bar_by_bar_equals_batch(case: Case) -> None:
    inputs = with_some_gaps(case.inputs())
    state = case.indicator.init(*case.params)
    bars = [case.compute([series[t : t + 1].copy() for series in inputs], state) for t in range(N_BARS)]
    assert_same_bits(np.concatenate(bars, axis=1), case.compute(inputs))


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_before", [0, 1, 120])
def test_gap_leaves_state_untouched(case: Case, unknown: float, n_before: int) -> None:
    inputs = case.inputs(n_before + 1)
    state = case.indicator.init(*case.params)
    case.compute([series[:n_before].copy() for series in inputs], state)
    before = state.copy()
    for i in range(len(inputs)):
        bar = [series[n_before:].copy() for series in inputs]
        bar[i][0] = unknown
        assert np.isnan(case.compute(bar, state)).all()
        assert_same_bits(state, before)


def test_warmup_is_as_declared(case: Case) -> None:
    is_known = ~np.isnan(case.compute(case.inputs()))
    warmup = case.indicator.warmup(*case.params)
    assert is_known[0].tolist() == [t >= warmup for t in range(N_BARS)]
    assert is_known[:, warmup:].all()


def test_rows_equal_run(indicator: Indicator) -> None:
    cases = [case for case in CASES if case.indicator.name == indicator.name]
    n_inputs, n_outputs = len(indicator.inputs), len(indicator.outputs)
    first = n_inputs + 1  # a row that nobody may touch lies between inputs and outputs
    work = np.full((first + n_outputs * len(cases), N_BARS), -1.0)
    work[:n_inputs] = cases[0].inputs()
    states = [indicator.init(*case.params) for case in cases]
    packed = np.full((len(cases), max(state.size for state in states)), -7.0)
    for row, state in zip(packed, states, strict=True):
        row[: state.size] = state
    src = np.tile(np.arange(n_inputs), (len(cases), 1))
    dst = first + np.arange(n_outputs * len(cases)).reshape(len(cases), n_outputs)
    params = np.array([case.params for case in cases], dtype=np.float64)

    indicator.rows(work, src, dst, params, packed)

    for i, case in enumerate(cases):
        assert_same_bits(work[dst[i]], case.compute(case.inputs(), states[i]))
        assert_same_bits(packed[i, : states[i].size], states[i])
        assert (packed[i, states[i].size :] == -7.0).all()
    assert (work[n_inputs] == -1.0).all()


def test_every_indicator_is_registered_has_its_facts_and_is_public() -> None:
    found = {}
    for file in pkgutil.iter_modules(indicators.__path__):
        members = vars(importlib.import_module(f"{indicators.__name__}.{file.name}")).values()
        found |= {
            m.name: file.name
            for m in members
            if isinstance(m, Indicator) and m.step.__module__.endswith(f".{file.name}")
        }
    assert found == indicators.FILE_OF
    assert set(INDICATORS) == set(FACTS) == set(found)
    assert set(fx.indicators.__all__) == {*found, "varying"}
    for indicator in INDICATORS.values():
        assert getattr(fx.indicators, indicator.name) is indicator.public
    with pytest.raises(AttributeError, match="there is no indicator 'smaa'"):
        fx.indicators.smaa  # noqa: B018
    with pytest.raises(KeyError):
        INDICATORS["smaa"]


def test_whole_numbers_are_the_same_for_the_step_and_for_the_public_function(indicator: Indicator) -> None:
    parts = anatomy(indicator.step, len(indicator.inputs), len(indicator.outputs))
    assert parts.int_params == tuple(param.is_int for param in indicator.params)


def test_names_and_defaults_are_those_of_the_public_function(indicator: Indicator) -> None:
    arguments = inspect.signature(indicator.public).parameters.values()
    keywords = {a.name: a.default for a in arguments if a.kind is a.KEYWORD_ONLY}
    assert keywords == {param.name: param.default for param in indicator.params}
    assert len(arguments) == len(indicator.inputs) + len(indicator.params)
    assert indicator.public.__name__ == indicator.name
    for param in indicator.params:
        assert param.low <= param.default <= param.high


def test_public_function_equals_run_and_leaves_its_input_alone(indicator: Indicator) -> None:
    defaults = tuple(int(p.default) if p.is_int else p.default for p in indicator.params)
    inputs = Case(indicator, defaults).inputs()
    copies = [series.copy() for series in inputs]
    for kept in copies:
        kept.flags.writeable = False
    outputs = indicator.public(*copies)
    assert getattr(outputs, "_fields", indicator.outputs) == indicator.outputs
    assert_same_bits(np.atleast_2d(outputs), Case(indicator, defaults).compute(inputs))


def test_example_of_the_docstring_runs(indicator: Indicator) -> None:
    (example,) = doctest.DocTestFinder().find(indicator.public, globs=indicator.public.__globals__)
    results = doctest.DocTestRunner().run(example)
    assert results.attempted > 0
    assert results.failed == 0


def as_list(values: FloatArray) -> list[float]:
    return [*values.tolist()]


def as_series(values: FloatArray) -> pd.Series:
    return pd.Series(values, index=pd.date_range("2024-01-01", periods=values.size, tz="UTC"))


def as_every_second(values: FloatArray) -> FloatArray:
    return np.repeat(values, 2)[::2]


@pytest.mark.parametrize("form", [as_list, as_series, as_every_second])
def test_any_form_of_array_is_accepted(indicator: Indicator, form: Callable[[FloatArray], ArrayLike]) -> None:
    inputs = example_series(indicator.name, 60)
    plain, other = indicator.public(*inputs), indicator.public(*[form(series) for series in inputs])
    np.testing.assert_array_equal(plain, other)


def test_no_bars_give_no_values(indicator: Indicator) -> None:
    outputs = indicator.public(*[[] for _ in indicator.inputs])
    assert np.array(outputs).size == 0


def test_one_bar_is_warmup_or_a_value(indicator: Indicator) -> None:
    defaults = [param.default for param in indicator.params]
    outputs = np.atleast_2d(np.array(indicator.public(*[[1.0] for _ in indicator.inputs])).T)
    assert np.isnan(outputs).all() == (indicator.warmup(*defaults) > 0)


@pytest.mark.parametrize("price", [0.0, 1e-200, 1e-8, 100.1, 1e12, 1e140, -5.0])
def test_a_price_that_never_moves_gives_values_in_bounds(case: Case, price: float) -> None:
    facts = FACTS[case.indicator.name]
    if facts.is_positive and price <= 0.0:
        price = 3.0
    inputs = [series if name in OWN_SCALE else np.full(120, price) for name, series in case.named_inputs(120)]
    outputs = dict(zip(case.indicator.outputs, case.compute(inputs), strict=True))
    for name, values in outputs.items():
        known = values[case.indicator.warmup(*case.params) :]
        assert np.isfinite(known).all()
        if name in facts.flat:
            assert (known == (price if facts.flat[name] == PRICE else facts.flat[name])).all(), name


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 1e30, 1e140])
def test_tiny_and_huge_prices_give_numbers(case: Case, factor: float) -> None:
    inputs = [series if name in OWN_SCALE else series * factor for name, series in case.named_inputs()]
    assert np.isfinite(case.compute(inputs)[:, case.indicator.warmup(*case.params) :]).all()


def test_bad_parameters_are_refused_by_name_value_and_bounds(indicator: Indicator) -> None:
    inputs = example_series(indicator.name, 30)
    for param in indicator.params:
        kind = "whole number" if param.is_int else "number"
        allowed = f"`{param.name}` must be a {kind} from {param.low:g} to {param.high:g}, was "
        for bad in (param.low - 1, param.high + 1, np.nan, np.inf, "14", None, True, [3], 1 + 2j):
            with pytest.raises(ValueError) as caught:
                indicator.public(*inputs, **{param.name: bad})
            assert str(caught.value) == allowed + repr(bad)
        if param.is_int:
            with pytest.raises(ValueError, match=rf"`{param.name}` must be a whole number .*, was 7\.5"):
                indicator.public(*inputs, **{param.name: 7.5})


def test_whole_numbers_may_come_as_floats(indicator: Indicator) -> None:
    inputs = example_series(indicator.name, 90)
    params = {param.name: np.float64(param.default) for param in indicator.params}
    np.testing.assert_array_equal(indicator.public(*inputs, **params), indicator.public(*inputs))


def test_arrays_of_the_wrong_kind_are_refused_by_name(indicator: Indicator) -> None:
    names = list(inspect.signature(indicator.public).parameters)[: len(indicator.inputs)]
    good = example_series(indicator.name, 30)
    for i, name in enumerate(names):
        for bad, message in (
            (np.ones((2, 30)), "must have one dimension, time; it has 2"),
            (3.0, "must have one dimension, time; it has 0"),
            (["a", "b"], "must be an array of numbers"),
            ([None, "b"], "must be an array of numbers"),
            (np.ones(30, dtype=complex), "must be an array of numbers"),
            (np.ones(30, dtype="datetime64[ns]"), "must be an array of numbers"),
            ([[1.0], [1.0, 2.0]], "must be an array of numbers"),
        ):
            with pytest.raises(ValueError, match=f"`{name}` {message}"):
                indicator.public(*good[:i], bad, *good[i + 1 :])
    if len(good) > 1:
        with pytest.raises(ValueError, match=f"`{names[0]}` has 30 bars but `{names[-1]}` has 29"):
            indicator.public(*good[:-1], good[-1][1:])


PLAIN_PYTHON = """
import hashlib
from fluxhero.tests.kernels.test_indicators import CASES
from fluxhero.tests.oracles.prices import with_some_gaps
for case in CASES:
    bits = case.compute(with_some_gaps(case.inputs(90))).tobytes()
    print(case.indicator.name, case.params, hashlib.sha256(bits).hexdigest())
"""


def digests_of_all_cases(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PLAIN_PYTHON],
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_plain_python_gives_the_same_bits_as_compiled_code() -> None:
    assert digests_of_all_cases(NUMBA_DISABLE_JIT="1") == digests_of_all_cases(NUMBA_DISABLE_JIT="0")


@pytest.mark.parametrize("case", [case for case in CASES if case.indicator.dense is not None], ids=str)
def test_a_shortcut_gives_the_same_bits_and_leaves_gaps_to_the_step(case: Case) -> None:
    dense = case.indicator.dense
    assert dense is not None
    for n_bars in (0, 1, 2, 5, 63, 64, 65, N_BARS, 5_000):
        inputs = case.inputs(n_bars)
        outputs = np.empty((len(case.indicator.outputs), n_bars))
        assert dense(*inputs, *case.params, *outputs)
        assert_same_bits(outputs, case.compute(inputs))
    for unknown in (np.nan, np.inf, -np.inf, 1e307):
        for i in range(len(case.indicator.inputs)):
            inputs = case.inputs()
            inputs[i][N_BARS // 2] = unknown
            assert not dense(*inputs, *case.params, *outputs[:, :N_BARS])
            params = zip(case.indicator.params, case.params, strict=True)
            found = case.indicator.public(*inputs, **{param.name: value for param, value in params})
            assert_same_bits(np.atleast_2d(found), case.compute(inputs))
