"""After a million bars every indicator is where 80-bit arithmetic says it is.

The judge is each indicator's oracle on long doubles. It sees only the last bars, as many as the indicator
remembers: an error carried over from anywhere before them would show. What never forgets brings an oracle
that is given all bars.
"""

import numpy as np
import pytest

from fluxhero.kernels.decorator import is_compiling
from fluxhero.kernels.registry import INDICATORS
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.indicators import FACTS
from fluxhero.tests.oracles.prices import long_series

N_BARS = 1_000_000 if is_compiling() else 20_000
N_JUDGED = 20  # last bars that are compared


def relative_error(actual: FloatArray, exact: FloatArray, scale: float) -> float:
    return float(np.max(np.abs(actual - exact) / np.maximum(np.abs(exact), scale)))


@pytest.mark.parametrize("name", [name for name in INDICATORS if name in FACTS and FACTS[name].tail])
def test_a_million_bars_leave_no_error_behind(name: str) -> None:
    indicator, facts = INDICATORS[name], FACTS[name]
    inputs = long_series(name, N_BARS)
    for params in facts.params[-2:]:
        outputs = np.empty((len(indicator.outputs), N_BARS))
        indicator.run(*inputs, *params, indicator.init(*params), *outputs)
        tail = [[np.longdouble(value) for value in series[-facts.tail :]] for series in inputs]
        exact = np.array(facts.oracle(*tail, *params), dtype=np.float64)[:, -N_JUDGED:]
        judged = outputs[:, -N_JUDGED:]
        assert np.array_equal(np.isnan(judged), np.isnan(exact))
        for actual, right, whole in zip(judged, exact, outputs, strict=True):
            known = ~np.isnan(right)
            scale = np.nanmax(np.abs(whole)) if facts.crosses_zero else 1e-300
            assert relative_error(actual[known], right[known], scale) < 1e-9
