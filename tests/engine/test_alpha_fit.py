"""The fitted line from volatility to smoothing weight: it finds what was planted, and reads the past only."""

import sys

import numpy as np
import pytest

from fluxhero.engine.alpha_fit import AlphaFit, fit_alpha
from fluxhero.engine.errors import DataError, ParameterError
from fluxhero.kernels.decorator import is_compiling
from fluxhero.kernels.indicators.alpha import alpha
from fluxhero.kernels.indicators.atr import atr
from fluxhero.kernels.indicators.sma import sma
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.prices import real_bars

WINDOW = 200
History = tuple[FloatArray, FloatArray, FloatArray]


def planted(base: float, slope: float, n_windows: int = 60, seed: int = 1) -> History:
    """Closes for which an exponential average of the planted weight is the best forecast there is.

    The price is a level that walks, seen through noise. Its best average has weight a where the variance of
    the level's steps over that of the noise is a^2 / (1 - a) (Muth 1960).
    """
    rng = np.random.default_rng(seed)
    ratios = np.repeat(rng.uniform(0.5, 1.8, n_windows), WINDOW)
    weights = base + slope * (ratios - 0.5)
    steps = rng.normal(size=ratios.size) * weights / np.sqrt(1.0 - weights)
    close = 1_000.0 + np.cumsum(steps) + rng.normal(size=ratios.size)
    return close, 3.0 * ratios, np.full(ratios.size, 3.0)


@pytest.mark.parametrize(("base", "slope"), [(0.15, 0.35), (0.3, 0.0), (0.6, -0.3)])
def test_finds_the_planted_line(base: float, slope: float) -> None:
    n_windows, tolerance = (200, 0.04) if is_compiling() else (40, 0.1)
    fit = fit_alpha(*planted(base, slope, n_windows), window=WINDOW)
    assert fit.base == pytest.approx(base, abs=tolerance)
    assert fit.slope == pytest.approx(slope, abs=tolerance)
    assert fit.n_windows == n_windows - 1  # one bar more than whole windows is needed
    assert (fit.r_squared > 0.5) == (slope != 0.0)


def test_a_fit_is_what_the_indicator_takes() -> None:
    history = planted(0.15, 0.35, n_windows=40)
    fit = fit_alpha(*history, window=WINDOW, low=0.2, high=0.5)
    weights = alpha(*history[1:], base=fit.base, slope=fit.slope, low=fit.low, high=fit.high)
    assert weights.min() >= 0.2
    assert weights.max() <= 0.5


def test_the_unit_of_the_price_does_not_matter() -> None:
    close, ranges, mean = planted(0.15, 0.35, n_windows=30)
    fit, scaled = fit_alpha(close, ranges, mean), fit_alpha(1e-6 * close, 1e3 * ranges, 1e3 * mean)
    assert scaled == pytest.approx(fit, rel=1e-9)


def test_the_last_ratio_has_no_outcome_yet_and_counts_for_nothing() -> None:
    close, ranges, mean = planted(0.15, 0.35, n_windows=30)
    fit = fit_alpha(close, ranges, mean)
    ranges[-1] *= 100.0
    assert fit_alpha(close, ranges, mean) == fit
    ranges[-2] *= 100.0
    assert fit_alpha(close, ranges, mean) != fit


def test_what_comes_after_the_history_cannot_reach_it() -> None:
    history = planted(0.15, 0.35, n_windows=30)
    cut = 4_321
    fit = fit_alpha(*[column[:cut] for column in history])
    for column in history:
        column[cut:] = 1e9
    assert fit_alpha(*[column[:cut] for column in history]) == fit


def test_a_ratio_is_held_against_later_errors_only() -> None:
    """The weight that serves follows the ratio by one window: seen too early, the line would be lost."""
    close, ranges, mean = planted(0.15, 0.35, n_windows=60)
    right = fit_alpha(
        close[: 50 * WINDOW + 1], ranges[: 50 * WINDOW + 1], mean[: 50 * WINDOW + 1], window=WINDOW
    )
    early = fit_alpha(close[WINDOW:], ranges[:-WINDOW], mean[WINDOW:], window=WINDOW)
    assert right.r_squared > 0.5
    assert early.r_squared < 0.2


def test_price_that_walks_at_random_wants_no_smoothing() -> None:
    _, ranges, mean = planted(0.3, 0.0, n_windows=30)
    fit = fit_alpha(np.cumsum(np.random.default_rng(2).normal(size=mean.size)), ranges, mean, window=WINDOW)
    assert fit.base > 0.9
    assert abs(fit.slope) < 0.1


def test_unknown_bars_are_left_out() -> None:
    history = planted(0.15, 0.35, n_windows=30)
    fit = fit_alpha(*history)
    holes = [np.insert(column, [5, 700, 701], np.nan) for column in history]
    assert fit_alpha(*holes) == fit
    holes[2][5] = 0.0
    assert fit_alpha(*holes) == fit


def test_real_bars_give_a_line_within_reason() -> None:
    bars = real_bars("SPY daily", 2_200)
    ranges = atr(bars["high"], bars["low"], bars["close"])
    fit = fit_alpha(bars["close"], ranges, sma(ranges, lookback=50))
    assert isinstance(fit, AlphaFit)
    assert 0.0 < fit.base < 1.5
    assert 0.0 <= fit.r_squared <= 1.0
    assert fit.n_windows == (2_200 - 63 - 1) // 100


def test_too_little_history_is_refused_with_numbers() -> None:
    close, ranges, mean = planted(0.15, 0.35, n_windows=10)
    with pytest.raises(DataError, match=r"needs 20 windows of 100 bars .* 2001 known bars; there are 2000"):
        fit_alpha(close, ranges, mean)
    with pytest.raises(DataError, match="there are 0"):
        fit_alpha([], [], [])


def test_a_ratio_that_never_changes_is_refused() -> None:
    close, _, mean = planted(0.3, 0.0, n_windows=30)
    with pytest.raises(DataError, match="the ATR ratio is 1 in all 59 windows"):
        fit_alpha(close, mean, mean)


def test_a_price_that_never_moves_is_refused() -> None:
    _, ranges, mean = planted(0.3, 0.0, n_windows=30)
    with pytest.raises(DataError, match="the price moves in 0 windows only; the fit needs 20"):
        fit_alpha(np.full(mean.size, 5.0), ranges, mean)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    close, ranges, mean = planted(0.3, 0.0, n_windows=30)
    with pytest.raises(DataError, match="`close` has 6000 bars but `atr_mean` has 5999"):
        fit_alpha(close, ranges, mean[1:])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"window": 9}, "`window` must be a whole number of at least 10, was 9"),
        ({"window": 20.0}, "`window` must be a whole number of at least 10, was 20.0"),
        ({"min_windows": 2}, "`min_windows` must be a whole number of at least 3, was 2"),
        ({"low": 0.7}, "`low` and `high` must satisfy 0 <= low <= high <= 1, were 0.7 and 0.6"),
        ({"high": 1.1}, "`low` and `high` must satisfy 0 <= low <= high <= 1, were 0.1 and 1.1"),
    ],
)
def test_bad_parameters_are_refused(params: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        fit_alpha(*planted(0.3, 0.0, n_windows=30), **params)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ImportError, match=r"pip install fluxhero\[ml\]"):
        fit_alpha(*planted(0.15, 0.35, n_windows=30))
