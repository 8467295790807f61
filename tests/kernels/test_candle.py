"""Shapes of bars, and gaps between them."""

import numpy as np
import pytest

from fluxhero.kernels.indicators.candle import candle
from fluxhero.kernels.indicators.gap import gap, session_gap
from fluxhero.tests.oracles.prices import example_bars, real_bars


def test_parts_of_a_bar_add_up() -> None:
    bars = example_bars(300)
    shape = candle(bars["open"], bars["high"], bars["low"], bars["close"])
    has_range = bars["high"] > bars["low"]
    whole = shape.body + shape.upper_wick + shape.lower_wick
    np.testing.assert_allclose(whole[has_range], 1.0, rtol=1e-12)
    assert (whole[~has_range] == 0.0).all()
    assert (shape.close_location[~has_range] == 0.5).all()
    for part in (shape.body, shape.upper_wick, shape.lower_wick, shape.close_location):
        assert ((part >= 0.0) & (part <= 1.0)).all()
    np.testing.assert_array_equal(np.abs(shape.direction), shape.body)


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        ((10.0, 14.0, 10.0, 14.0), (1.0, 1.0, 0.0, 0.0, 1.0, 4.0 / 14.0)),  # a bar without wicks
        ((14.0, 14.0, 10.0, 10.0), (1.0, -1.0, 0.0, 0.0, 0.0, 0.4)),
        ((12.0, 14.0, 10.0, 12.0), (0.0, 0.0, 0.5, 0.5, 0.5, 4.0 / 12.0)),  # opens where it closes
        ((13.0, 14.0, 10.0, 14.0), (0.25, 0.25, 0.0, 0.75, 1.0, 4.0 / 14.0)),  # a long lower wick
        ((10.0, 10.0, 10.0, 10.0), (0.0, 0.0, 0.0, 0.0, 0.5, 0.0)),
    ],
)
def test_known_shapes(bar: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert tuple(float(part[0]) for part in candle(*[[price] for price in bar])) == expected


def test_mirrored_bars_swap_their_wicks() -> None:
    bars = {name: np.round(series * 64.0) / 64.0 for name, series in example_bars(200).items()}
    ours = candle(bars["open"], bars["high"], bars["low"], bars["close"])
    mirrored = candle(300.0 - bars["open"], 300.0 - bars["low"], 300.0 - bars["high"], 300.0 - bars["close"])
    np.testing.assert_array_equal(mirrored.upper_wick, ours.lower_wick)
    np.testing.assert_array_equal(mirrored.direction, -ours.direction)
    np.testing.assert_allclose(mirrored.close_location, 1.0 - ours.close_location, atol=1e-12)


def test_a_close_of_zero_or_less_has_no_shape() -> None:
    assert np.isnan(candle([1.0, 1.0], [2.0, 2.0], [-2.0, -2.0], [0.0, -1.0])).all()


def test_gap_reaches_across_unknown_bars() -> None:
    opens, closes = [10.0, 11.0, np.nan, 9.0, 12.0], [10.0, 10.0, 50.0, 0.0, 12.0]
    np.testing.assert_array_equal(gap(opens, closes), [np.nan, 0.1, np.nan, np.nan, 0.2])


def test_gap_is_the_open_against_the_close_before() -> None:
    bars = real_bars("SPY daily", 500)
    expected = bars["open"][1:] / bars["close"][:-1] - 1.0
    np.testing.assert_allclose(gap(bars["open"], bars["close"])[1:], expected, atol=1e-15)


def test_session_gap_of_sessions_of_one_bar_is_the_gap() -> None:
    bars = real_bars("SPY daily", 500)
    days = np.arange(500.0) * 86_400.0
    np.testing.assert_array_equal(
        session_gap(bars["open"], bars["close"], days), gap(bars["open"], bars["close"])
    )


def test_session_gap_is_held_until_the_next_session() -> None:
    opens, closes = [10.0, 10.0, 12.0, 13.0, 9.0, 9.0], [10.0, 10.0, 13.0, 10.0, 9.0, 9.0]
    sessions = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
    expected = [np.nan, np.nan, 0.2, 0.2, -0.1, -0.1]
    np.testing.assert_allclose(session_gap(opens, closes, sessions), expected, rtol=1e-12)


def test_session_gap_begins_with_the_first_known_bar_of_a_session() -> None:
    opens, closes = [10.0, np.nan, 11.0, 12.0], [10.0, 10.0, 11.0, 12.0]
    np.testing.assert_allclose(
        session_gap(opens, closes, [0.0, 1.0, 1.0, 1.0]), [np.nan, np.nan, 0.1, 0.1], rtol=1e-12
    )
