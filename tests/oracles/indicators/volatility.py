"""How far prices move."""

import talib

from fluxhero.kernels.types import FloatArray

from .facts import NAN, PRICE, Facts, Outputs, Series, root, total, true_ranges, wilder, windows


def atr_oracle(high: Series, low: Series, close: Series, lookback: int) -> Outputs:
    return ([NAN, *wilder(true_ranges(high, low, close), lookback)][: len(close)],)


def bollinger_oracle(values: Series, lookback: int, n_std: float) -> Outputs:
    middle, upper, lower = [], [], []
    for window in windows(values, lookback):
        if window is None:
            mean = deviation = NAN
        else:
            mean = window[0] + total(value - window[0] for value in window) / lookback
            deviation = root(total((value - mean) ** 2 for value in window) / lookback)
        middle.append(mean)
        upper.append(mean + n_std * deviation)
        lower.append(mean - n_std * deviation)
    return middle, upper, lower


def talib_bollinger(close: FloatArray, lookback: int, n_std: float) -> tuple[FloatArray, ...]:
    upper, middle, lower = talib.BBANDS(close, lookback, n_std, n_std)
    return middle, upper, lower


FACTS = {
    "atr": Facts(
        atr_oracle,
        [(1,), (2,), (5,), (14,)],
        talib=lambda high, low, close, lookback: (talib.ATR(high, low, close, lookback),),
        talib_params=[(2,), (14,), (50,)],
        flat={"atr": 0.0},
    ),
    "bollinger": Facts(
        bollinger_oracle,
        [(1, 2.0), (2, 1.5), (7, 0.0), (20, 2.0)],
        talib=talib_bollinger,
        talib_params=[(2, 2.0), (20, 2.0), (200, 1.5)],
        flat={"middle": PRICE, "upper": PRICE, "lower": PRICE},
    ),
}
