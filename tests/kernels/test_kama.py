"""Efficiency ratio and adaptive average: the checks of their definition."""

import numpy as np
import pytest

from fluxhero.kernels.indicators.kama import efficiency_ratio, kama
from fluxhero.kernels.types import FloatArray

SLOWEST, FASTEST = (2 / 31) ** 2, (2 / 3) ** 2


def smoothing(close: FloatArray) -> FloatArray:
    """Share of the way to the price that the average took at each bar."""
    average = kama(close)
    return np.diff(average) / (close[1:] - average[:-1])


def test_straight_line_is_fully_efficient() -> None:
    assert (efficiency_ratio(np.arange(50.0))[10:] == 1.0).all()
    assert (efficiency_ratio(-0.1 * np.arange(50.0))[10:] > 1.0 - 1e-14).all()


def test_back_and_forth_is_not_efficient() -> None:
    close = 100.0 + np.arange(60) % 2
    assert (efficiency_ratio(close)[10:] == 0.0).all()
    assert (efficiency_ratio(close, lookback=11)[11:] < 0.1).all()


def test_ten_days_of_one_percent_are_followed_closely() -> None:
    close = np.cumprod(np.full(30, 1.01))
    assert (efficiency_ratio(close)[10:] > 0.7).all()
    assert (smoothing(close)[10:] > 0.3).all()
    assert (np.abs(kama(close)[20:] / close[20:] - 1.0) < 0.02).all()


def test_chop_is_hardly_followed() -> None:
    close = 100.0 + 0.5 * (1.0 - 2.0 * (np.arange(60.0) % 2.0))
    assert (efficiency_ratio(close)[10:] < 0.3).all()
    assert (smoothing(close)[12:] < 0.1).all()


def test_smoothing_stays_between_slowest_and_fastest() -> None:
    close = 100.0 + np.cumsum(np.random.default_rng(8).normal(size=500))
    share = smoothing(close)[10:]
    assert share.min() > SLOWEST * (1.0 - 1e-9)
    assert share.max() < FASTEST * (1.0 + 1e-9)


def test_flat_window_is_not_efficient_and_moves_the_average_slowly() -> None:
    close = np.concatenate([np.arange(20.0), np.full(30, 19.0)])
    assert (efficiency_ratio(close)[29:] == 0.0).all()
    np.testing.assert_allclose(smoothing(close)[29:35], SLOWEST, rtol=1e-6)


def test_fast_must_not_exceed_slow() -> None:
    with pytest.raises(ValueError, match="`fast` must not exceed `slow`, were 30 and 2"):
        kama(np.arange(50.0), fast=30, slow=2)
