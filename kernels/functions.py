"""Every indicator as a function, NumPy in and out: ``fx.indicators.atr(high, low, close, lookback=14)``."""

from collections.abc import Callable
from typing import Any

from .indicators import FILE_OF
from .registry import INDICATORS

__all__ = sorted([*FILE_OF, "varying"])


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in FILE_OF:
        raise AttributeError(f"there is no indicator {name!r}; there are {', '.join(FILE_OF)}")
    return INDICATORS[name].public


def __dir__() -> list[str]:
    return __all__
