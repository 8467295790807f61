"""Money flow index: share of the traded value that went through rising bars."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..bar import SAME
from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import next_slot


class MfiState(NamedTuple):
    """Header of the state; the ring has two numbers per slot (see ``windows`` for the way sums are kept).

    A slot holds the flow into a bar that rose and into one that fell, one of them 0, later the tail sums of
    both.
    """

    previous: float  # quote currency; high + low + close of the bar before, NaN before the first valid one
    slot: int  # of the ring, which the next bar takes; 0 begins a block
    head_up: float  # quote currency times volume, since the block began
    head_down: float  # quote currency times volume, since the block began


def mfi_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(MfiState(np.nan, 0, 0.0, 0.0), 2 * int(lookback))


def mfi_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback)


@kernel
def mfi_step(
    state: MfiState, ring: FloatArray, high: float, low: float, close: float, volume: float, lookback: int
) -> tuple[MfiState, float]:
    """Advance by one bar and return the new state and the index."""
    price = high + low + close  # three times the typical price: the factor leaves the share
    flow = abs(price * volume)
    if not np.isfinite(flow):
        return state, np.nan
    previous, slot, head_up, head_down = state
    if np.isnan(previous):
        return MfiState(price, slot, head_up, head_down), np.nan
    if slot == 0:
        head_up, head_down, tail_up, tail_down = 0.0, 0.0, 0.0, 0.0
        for i in range(lookback - 1, -1, -1):
            old_up, old_down = ring[2 * i], ring[2 * i + 1]
            ring[2 * i], ring[2 * i + 1] = tail_up, tail_down  # of the bars after i
            tail_up += old_up
            tail_down += old_down
    edge = SAME * abs(previous)
    up = flow if price > previous + edge else 0.0
    down = flow if price < previous - edge else 0.0
    head_up += up
    head_down += down
    rising, falling = head_up + ring[2 * slot], head_down + ring[2 * slot + 1]
    whole = rising + falling
    ring[2 * slot], ring[2 * slot + 1] = up, down
    if whole <= 0.0:  # written so that NaN stays NaN
        rising, whole = 0.5, 1.0
    return MfiState(price, next_slot(slot, lookback), head_up, head_down), 100.0 * (rising / whole)


def mfi(
    high: ArrayLike, low: ArrayLike, close: ArrayLike, volume: ArrayLike, *, lookback: int = 14
) -> FloatArray:
    """Share of the value traded in bars whose typical price rose, from 0 to 100; an RSI that weighs volume.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    volume : array_like, shape (n_bars,), shares, contracts or coins
        Volume of each bar.
    lookback : int, bars, >= 1
        Number of changes of the typical price that the window holds.

    Returns
    -------
    ndarray of float64, shape (n_bars,), 0 to 100
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: 100 R / (R + F) with R (F) the sum of p * volume over the bars of the last `lookback` whose p is
    above (below) that of the bar before, p = (high + low + close) / 3.

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was. A bar
    counts for neither side if its typical price did not change, or by no more than rounding can explain
    (2e-14 of it), as in TA-Lib. Where nothing flowed it is 50, as a flat ``rsi`` is; TA-Lib gives 0 there.

    References
    ----------
    Quong, G. and Soudack, A. (1989). "Volume-Weighted RSI: Money Flow". Technical Analysis of Stocks &
    Commodities 7(3).

    Examples
    --------
    >>> price = [1.0, 2.0, 4.0, 3.0]
    >>> mfi(price, price, price, [5.0, 9.0, 3.0, 12.0], lookback=2)
    array([ nan,  nan, 100.,  25.])
    """
    series = {"high": high, "low": low, "close": close, "volume": volume}
    return evaluate(MFI, series, lookback=lookback)[0]


MFI = Indicator(
    name="mfi",
    inputs=("high", "low", "close", "volume"),
    params=(lookback_param(14),),
    outputs=("mfi",),
    init=mfi_init,
    warmup=mfi_warmup,
    step=mfi_step,
    public=mfi,
)
