"""What a test must know about an indicator, and the words that plain-Python oracles share.

An oracle takes lists (oldest first, no gaps) and parameters, and returns one list per output, as long as the
input, with NaN where there is no value yet. It is slow and obvious: one window at a time, nothing carried
that the definition does not carry. It must work on ``np.longdouble`` too (80 bits: the judge of drift after a
million bars), so it uses `total` and `root`, never ``math.fsum`` and ``math.sqrt``.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fluxhero.kernels.types import FloatArray

NAN = math.nan
PRICE = "price"  # stands for the price itself, in `Facts.flat`
Series = Sequence[float]
Outputs = tuple[list[float], ...]
Example = Callable[[np.random.Generator, int], FloatArray]


@dataclass(frozen=True)
class Facts:
    """One indicator's oracle, and what the tests of all indicators need to be told about it."""

    oracle: Callable[..., Outputs]
    params: list[tuple[float, ...]]  # sets to test, in the order of the indicator's parameters
    talib: Callable[..., tuple[FloatArray, ...]] | None = None  # TA-Lib's version of the first outputs
    talib_params: list[tuple[float, ...]] = field(default_factory=list)  # sets on which they agree
    flat: dict[str, float | str] = field(default_factory=dict)  # outputs on a flat price; PRICE = the price
    series: dict[str, Example] = field(default_factory=dict)  # examples of inputs that are no bar field
    tail: int = 1_000  # bars after which the state holds nothing of what was before; 0 = it never forgets
    is_positive: bool = False  # prices of 0 and below are unknown to it
    crosses_zero: bool = False  # judged by the size of its values, where rounding shows near 0


def total(values: Iterable[float]) -> float:
    """Sum, exact for floats, in 80 bits for long doubles."""
    listed = list(values)
    return math.fsum(listed) if all(isinstance(value, (int, float)) for value in listed) else sum(listed)


def root(value: float) -> Any:
    """Square root in the type of `value`."""
    return math.sqrt(value) if isinstance(value, float) else np.sqrt(value)


def windows(values: Series, length: int) -> list[list[float] | None]:
    """Last `length` values at each bar, or None where there are not so many."""
    return [list(values[t + 1 - length : t + 1]) if t + 1 >= length else None for t in range(len(values))]


def wilder(values: Series, lookback: int) -> list[float]:
    """Wilder's smoothing: mean of the first values, then ``(previous * (n - 1) + new) / n``."""
    out = [NAN] * len(values)
    for t in range(lookback - 1, len(values)):
        if t == lookback - 1:
            out[t] = total(values[:lookback]) / lookback
        else:
            out[t] = (out[t - 1] * (lookback - 1) + values[t]) / lookback
    return out


def changes(values: Series) -> list[float]:
    return [after - before for before, after in itertools.pairwise(values)]


def true_ranges(high: Series, low: Series, close: Series) -> list[float]:
    """Of every bar but the first."""
    return [
        max(high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1]))
        for t in range(1, len(close))
    ]
