"""Every indicator as a function, NumPy in and out: ``fx.indicators.atr(high, low, close, lookback=14)``."""

from .adx import adx
from .atr import atr
from .bollinger import bollinger
from .ema import ema
from .kama import efficiency_ratio, kama
from .linear_regression import linear_regression
from .previous import previous
from .regime import regime, volatility_regime
from .rsi import rsi
from .sma import sma

__all__ = [
    "adx",
    "atr",
    "bollinger",
    "efficiency_ratio",
    "ema",
    "kama",
    "linear_regression",
    "previous",
    "regime",
    "rsi",
    "sma",
    "volatility_regime",
]
