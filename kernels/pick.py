"""The value of one of several series, chosen bar by bar: what makes a lookback that changes."""

import numpy as np

from .decorator import entry, kernel
from .types import FloatArray, IntArray


@kernel
def whole_period(period: float, low: int, high: int) -> int:
    """A period as a whole number: rounded half up, then kept within its bounds."""
    rounded = np.floor(period + 0.5)  # kept within bounds first: no int is large enough for every float
    return low if rounded < low else high if rounded > high else int(rounded)


@entry
def pick_rows(work: FloatArray, src: IntArray, dst: IntArray, params: FloatArray, states: FloatArray) -> None:
    """Choose, bar by bar, among rows of a feature graph.

    A row of `src` is the row of the period, then those of the same indicator with every lookback from
    ``params[i, 0]`` to ``params[i, 1]``. Unknown while the period or the longest of them is.
    """
    for i in range(src.shape[0]):
        low, high = int(params[i, 0]), int(params[i, 1])
        for t in range(work.shape[1]):
            period, longest = work[src[i, 0], t], work[src[i, src.shape[1] - 1], t]
            value = np.nan
            if np.isfinite(period) and not np.isnan(longest):
                value = work[src[i, 1 + whole_period(period, low, high) - low], t]
            work[dst[i, 0], t] = value
