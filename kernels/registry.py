"""Every indicator, by name: what the planner, the audit and the tests go through."""

from .adx import ADX
from .atr import ATR
from .bollinger import BOLLINGER
from .ema import EMA
from .indicator import Indicator, IndicatorParam
from .kama import EFFICIENCY_RATIO, KAMA
from .linear_regression import LINEAR_REGRESSION
from .previous import PREVIOUS
from .regime import REGIME, VOLATILITY_REGIME
from .rsi import RSI
from .sma import SMA

__all__ = ["INDICATORS", "Indicator", "IndicatorParam"]

INDICATORS: dict[str, Indicator] = {
    indicator.name: indicator
    for indicator in (
        ADX,
        ATR,
        BOLLINGER,
        EFFICIENCY_RATIO,
        EMA,
        KAMA,
        LINEAR_REGRESSION,
        PREVIOUS,
        REGIME,
        RSI,
        SMA,
        VOLATILITY_REGIME,
    )
}
