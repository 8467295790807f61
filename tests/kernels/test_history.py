"""A history cut off at the left: how many bars each indicator needs to agree with the whole one."""

import numpy as np
import pytest

from fluxhero.kernels.history import settling_bars
from fluxhero.kernels.registry import INDICATORS
from fluxhero.tests.oracles.indicators import FACTS
from fluxhero.tests.oracles.prices import long_series

# What the definition lets live for ever: sums without a window, and what has seen no session begin.
ENDLESS = {"obv", "accumulation_distribution"}


@pytest.mark.parametrize("name", INDICATORS)
def test_a_later_start_agrees_after_the_bars_that_are_told(name: str) -> None:
    indicator = INDICATORS[name]
    params = FACTS[name].params[-1]
    settled = settling_bars(indicator, *params)
    if name in ENDLESS:
        assert settled is None
        return
    assert settled is not None
    assert settled >= 0
    # Other prices, another start: what was measured on invented bars holds there, with some room.
    inputs, start = long_series(name, 20_000), 7_777
    whole, part = (np.empty((len(indicator.outputs), 20_000)) for _ in range(2))
    indicator.run(*inputs, *params, indicator.init(*params), *whole)
    later = [series[start:].copy() for series in inputs]
    outputs = part[:, start:].copy()
    indicator.run(*later, *params, indicator.init(*params), *outputs)
    room = 2 * settled + 2_000
    for full, cut in zip(whole[:, start + room :], outputs[:, room:], strict=True):
        np.testing.assert_allclose(cut, full, rtol=1e-7, atol=1e-7 * np.nanmax(np.abs(full)))


@pytest.mark.parametrize("name", ["sma", "bollinger", "rolling_median", "donchian", "previous", "wma"])
def test_a_window_forgets_at_once(name: str) -> None:
    indicator = INDICATORS[name]
    params = FACTS[name].params[-1]
    assert settling_bars(indicator, *params) == indicator.warmup(*params)


def test_an_exponential_mean_forgets_slowly() -> None:
    settled = settling_bars(INDICATORS["ema"], 20)
    assert settled is not None
    assert 100 < settled < 300  # (1 - 2/21)^n reaches 1e-9 of a price's differences at about 150
