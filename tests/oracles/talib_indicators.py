"""TA-Lib's version of an indicator, where it has one: ``{indicator: callable(*inputs, *params) -> outputs}``.

One table for the tests of agreement and for benchmarks.
"""

from collections.abc import Callable

import talib

from fluxhero.kernels.types import FloatArray

Outputs = tuple[FloatArray, ...]


def adx(high: FloatArray, low: FloatArray, close: FloatArray, lookback: int) -> Outputs:
    return (
        talib.ADX(high, low, close, lookback),
        talib.PLUS_DI(high, low, close, lookback),
        talib.MINUS_DI(high, low, close, lookback),
    )


def bollinger(close: FloatArray, lookback: int, n_std: float) -> Outputs:
    upper, middle, lower = talib.BBANDS(close, lookback, n_std, n_std)
    return middle, upper, lower


TALIB: dict[str, Callable[..., Outputs]] = {
    "adx": adx,
    "atr": lambda high, low, close, lookback: (talib.ATR(high, low, close, lookback),),
    "bollinger": bollinger,
    "ema": lambda close, lookback: (talib.EMA(close, lookback),),
    "kama": lambda close, lookback, fast, slow: (talib.KAMA(close, lookback),),  # always 2 and 30
    "linear_regression": lambda close, lookback: (talib.LINEARREG_SLOPE(close, lookback),),
    "rsi": lambda close, lookback: (talib.RSI(close, lookback),),
    "sma": lambda close, lookback: (talib.SMA(close, lookback),),
}
