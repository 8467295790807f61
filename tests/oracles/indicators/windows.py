"""Statistics of a window."""

from collections.abc import Callable

import numpy as np
import talib

from fluxhero.kernels.types import FloatArray

from .facts import NAN, PRICE, Facts, Outputs, Series, root, total, windows


def of_each_window(values: Series, lookback: int, statistic: Callable[[Series], float]) -> Outputs:
    return ([NAN if w is None else statistic(w) for w in windows(values, lookback)],)


def centred(window: Series) -> list[float]:
    """Deviations from the mean, by way of a value of the window: prices have digits that deviations lack."""
    deviations = [value - window[0] for value in window]
    mean = total(deviations) / len(window)
    return [deviation - mean for deviation in deviations]


def is_flat(window: Series) -> bool:
    return max(window) == min(window)


def moment(window: Series, power: int) -> float:
    return total(deviation**power for deviation in centred(window)) / len(window)


def covariance(xs: Series, ys: Series) -> float:
    return total(dx * dy for dx, dy in zip(centred(xs), centred(ys), strict=True)) / len(xs)


def rolling_std_oracle(values: Series, lookback: int) -> Outputs:
    return of_each_window(values, lookback, lambda w: root(moment(w, 2)))


def rolling_min_oracle(values: Series, lookback: int) -> Outputs:
    return of_each_window(values, lookback, min)


def rolling_max_oracle(values: Series, lookback: int) -> Outputs:
    return of_each_window(values, lookback, max)


def z_score_oracle(values: Series, lookback: int) -> Outputs:
    return of_each_window(
        values, lookback, lambda w: 0.0 if is_flat(w) else centred(w)[-1] / root(moment(w, 2))
    )


def rank(window: Series) -> float:
    others = window[:-1]
    n_smaller = sum(value < window[-1] for value in others)
    n_equal = sum(value == window[-1] for value in others)
    return (n_smaller + n_equal / 2) / len(others)


def rolling_rank_oracle(values: Series, lookback: int) -> Outputs:
    return of_each_window(values, lookback, rank)


def quantile(window: Series, q: float) -> float:
    """Straight line between the two values around place (n - 1) q."""
    ordered, place = sorted(window), (len(window) - 1) * q
    before = int(place)
    after = min(before + 1, len(window) - 1)
    return ordered[before] + (place - before) * (ordered[after] - ordered[before])


def rolling_quantile_oracle(values: Series, lookback: int, q: float) -> Outputs:
    return of_each_window(values, lookback, lambda w: quantile(w, q))


def rolling_median_oracle(values: Series, lookback: int) -> Outputs:
    return of_each_window(values, lookback, lambda w: quantile(w, 0.5))


def skewness_oracle(values: Series, lookback: int) -> Outputs:
    return of_each_window(
        values, lookback, lambda w: 0.0 if is_flat(w) else moment(w, 3) / root(moment(w, 2)) ** 3
    )


def kurtosis_oracle(values: Series, lookback: int) -> Outputs:
    return of_each_window(
        values, lookback, lambda w: 0.0 if is_flat(w) else moment(w, 4) / moment(w, 2) ** 2 - 3
    )


def correlation_oracle(x: Series, y: Series, lookback: int) -> Outputs:
    out = []
    for xs, ys in zip(windows(x, lookback), windows(y, lookback), strict=True):
        if xs is None or ys is None:
            out.append(NAN)
        elif is_flat(xs) or is_flat(ys):
            out.append(0.0)
        else:
            out.append(covariance(xs, ys) / (root(moment(xs, 2)) * root(moment(ys, 2))))
    return (out,)


def beta_oracle(x: Series, y: Series, lookback: int) -> Outputs:
    out = []
    for xs, ys in zip(windows(x, lookback), windows(y, lookback), strict=True):
        if xs is None or ys is None:
            out.append(NAN)
        else:
            out.append(0.0 if is_flat(xs) else covariance(xs, ys) / moment(xs, 2))
    return (out,)


def example_x(rng: np.random.Generator, n_bars: int) -> FloatArray:
    """Returns of a market, which stands still for a while."""
    returns = rng.standard_t(4, n_bars) * 1e-3
    returns[n_bars // 2 : n_bars // 2 + 40] = 0.0
    return returns


def example_y(rng: np.random.Generator, n_bars: int) -> FloatArray:
    """Returns of a stock that follows it."""
    return 0.8 * example_x(rng, n_bars) + rng.normal(0.0, 1e-3, n_bars)


PAIR = {"x": example_x, "y": example_y}

FACTS = {
    "beta": Facts(beta_oracle, [(2,), (3,), (60,)], flat={"beta": 0.0}, series=PAIR, crosses_zero=True),
    "correlation": Facts(
        correlation_oracle,
        [(2,), (3,), (60,)],
        flat={"correlation": 0.0},
        series=PAIR,
        crosses_zero=True,
    ),
    "kurtosis": Facts(kurtosis_oracle, [(2,), (7,), (60,)], flat={"kurtosis": 0.0}, crosses_zero=True),
    "rolling_max": Facts(
        rolling_max_oracle,
        [(1,), (2,), (20,)],
        talib=lambda close, lookback: (talib.MAX(close, lookback),),
        talib_params=[(2,), (20,), (200,)],
        flat={"rolling_max": PRICE},
    ),
    "rolling_median": Facts(rolling_median_oracle, [(1,), (2,), (7,), (20,)], flat={"rolling_median": PRICE}),
    "rolling_min": Facts(
        rolling_min_oracle,
        [(1,), (2,), (20,)],
        talib=lambda close, lookback: (talib.MIN(close, lookback),),
        talib_params=[(2,), (20,), (200,)],
        flat={"rolling_min": PRICE},
    ),
    "rolling_quantile": Facts(
        rolling_quantile_oracle,
        [(1, 0.5), (2, 0.25), (7, 0.0), (7, 1.0), (20, 0.9)],
        flat={"rolling_quantile": PRICE},
    ),
    "rolling_rank": Facts(
        rolling_rank_oracle, [(2,), (3,), (20,)], flat={"rolling_rank": 0.5}, crosses_zero=True
    ),
    "rolling_std": Facts(
        rolling_std_oracle,
        [(1,), (2,), (20,)],
        talib=lambda close, lookback: (talib.STDDEV(close, lookback),),
        talib_params=[(5,), (20,), (200,)],
        flat={"rolling_std": 0.0},
    ),
    "skewness": Facts(skewness_oracle, [(2,), (7,), (60,)], flat={"skewness": 0.0}, crosses_zero=True),
    "z_score": Facts(z_score_oracle, [(2,), (3,), (20,)], flat={"z_score": 0.0}, crosses_zero=True),
}
