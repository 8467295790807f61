"""Fit of the line from volatility to smoothing weight that the indicator ``alpha`` draws.

History is cut into windows. In each one the weight is looked for whose exponential average would have come
closest to the next close; a straight line through these weights against the window's ATR ratio is what the
market rewarded. Each window weighs the same, however much its prices moved.

Nothing here knows about later bars: the ratio of a bar is held against errors of the bars after it, and the
last ratio, whose outcome is still open, counts for nothing. To use a fit without look-ahead give it the bars
before the first one that is traded with it.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..kernels.indicator import checked_series
from ..kernels.indicators.alpha import BASE_RATIO, alpha_ema
from ..kernels.types import FloatArray
from .errors import DataError, ParameterError

GRID = np.linspace(0.02, 1.0, 50)  # weights that are tried; wider than the bounds, which would bend the line
MIN_RATIO_SPREAD = 0.02  # below it a slope is noise divided by next to nothing


class AlphaFit(NamedTuple):
    """What ``fit_alpha`` returns; the first four are the parameters of the indicator ``alpha``."""

    base: float  # intercept: weight where the ATR is half its mean
    slope: float
    low: float  # bounds, as given
    high: float
    r_squared: float  # share of the best weights' variance that the line explains
    n_windows: int  # that the line was drawn through


def fit_alpha(
    close: ArrayLike,
    atr: ArrayLike,
    atr_mean: ArrayLike,
    *,
    window: int = 100,
    min_windows: int = 20,
    low: float = 0.1,
    high: float = 0.6,
) -> AlphaFit:
    """Line from the ATR ratio to the weight that would have served best, by least squares over windows.

    Parameters
    ----------
    close : array_like, shape (n_bars,), quote currency
        Closes of consecutive bars, oldest first: history only.
    atr, atr_mean : array_like, shape (n_bars,), quote currency
        Average true range and its mean over a longer time, as ``alpha`` takes them.
    window : int, bars, >= 10
        Length of each stretch for which one best weight is found. Short ones give many uncertain weights,
        long ones few that mix calm and storm.
    min_windows : int, >= 3
        How many windows a line needs at least.
    low, high : float, 0 to 1, low <= high
        Bounds of the weight, passed on.

    Returns
    -------
    AlphaFit
        ``alpha(atr, atr_mean, base=fit.base, slope=fit.slope, low=fit.low, high=fit.high)`` applies it.

    Raises
    ------
    DataError
        If the arrays differ in length, there are too few bars, or the ATR ratio never changes.
    ParameterError
        If a parameter is out of bounds.
    ImportError
        If scikit-learn is not installed.

    Notes
    -----
    Formula: a[w] = argmin over a of sum (P[t+1] - E_a[t])^2 over the bars t of window w, E_a the exponential
    average of weight a; then a[w] = base + slope (mean ATR / ATR_MA - 0.5) by least squares

    Prices of liquid markets are so close to a random walk that the last close is nearly the best forecast of
    the next: on daily SPY, hourly Bitcoin and minutes of SPY the fitted weight is 0.85 to 1 with a slope near
    0 (`r_squared` below 0.04), and the bounds decide. The default line of ``alpha`` smooths more than that on
    purpose: for rules that would rather be late than be shaken out. Look at `r_squared` before using a fit.

    NaN policy: bars with an unknown value, or an ATR mean that is not above 0, are left out as if they had
    never been. Windows without any movement are skipped.

    References
    ----------
    Muth, J. F. (1960). Optimal Properties of Exponentially Weighted Forecasts. JASA 55.
    """
    _check(window, min_windows, low, high)
    prices, ratios = _known(close, atr, atr_mean)
    n_windows = max(prices.size - 1, 0) // window
    if n_windows < min_windows:
        raise DataError(
            f"the fit needs {min_windows} windows of {window} bars and one bar more, "
            f"{min_windows * window + 1} known bars; there are {prices.size}"
        )
    used = n_windows * window
    prices, ratios = prices[-used - 1 :], ratios[-used - 1 : -1]  # the newest whole windows

    errors = np.stack([_window_errors(prices, weight, n_windows) for weight in GRID])
    moved = errors.min(axis=0) < errors.max(axis=0)
    best = GRID[errors.argmin(axis=0)][moved]
    usual = ratios.reshape(n_windows, window).mean(axis=1)[moved]
    if best.size < min_windows:
        raise DataError(f"the price moves in {best.size} windows only; the fit needs {min_windows}")
    if np.ptp(usual) < MIN_RATIO_SPREAD:
        raise DataError(
            f"the ATR ratio is {usual[0]:g} in all {best.size} windows; no line can be told from it"
        )

    LinearRegression = _regression()
    x = (usual - BASE_RATIO)[:, None]
    line = LinearRegression().fit(x, best)
    r_squared = float(line.score(x, best)) if np.ptp(best) > 0.0 else 0.0
    return AlphaFit(float(line.intercept_), float(line.coef_[0]), low, high, r_squared, int(best.size))


def _check(window: int, min_windows: int, low: float, high: float) -> None:
    for name, value, least in (("window", window, 10), ("min_windows", min_windows, 3)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ParameterError(f"`{name}` must be a whole number of at least {least}, was {value!r}")
    if not 0.0 <= low <= high <= 1.0:
        raise ParameterError(
            f"`low` and `high` must satisfy 0 <= low <= high <= 1, were {low!r} and {high!r}"
        )


def _known(close: ArrayLike, atr: ArrayLike, atr_mean: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Closes and ATR ratios of the bars where both are known."""
    names = ("close", "atr", "atr_mean")
    columns = [checked_series(name, given) for name, given in zip(names, (close, atr, atr_mean), strict=True)]
    for name, column in zip(names[1:], columns[1:], strict=True):
        if column.size != columns[0].size:
            raise DataError(
                f"`close` has {columns[0].size} bars but `{name}` has {column.size}; align them first"
            )
    known = np.isfinite(columns).all(axis=0) & (columns[2] > 0.0)
    prices, ranges, usual = (column[known] for column in columns)
    return prices, ranges / usual


def _window_errors(prices: FloatArray, weight: float, n_windows: int) -> FloatArray:
    """Squared errors of the average as a forecast of the next close, summed over each window."""
    average = alpha_ema(prices, np.full(prices.size, weight))
    errors: FloatArray = ((prices[1:] - average[:-1]) ** 2).reshape(n_windows, -1).sum(axis=1)
    return errors


def _regression() -> Any:
    """Class of scikit-learn, which takes a second to import and which nothing else needs."""
    try:
        from sklearn.linear_model import LinearRegression
    except ImportError:
        raise ImportError("`fit_alpha` needs scikit-learn: pip install fluxhero[ml]") from None
    return LinearRegression
