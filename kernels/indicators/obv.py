"""On-balance volume, and how a sum that never ends is kept exact."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state
from ..types import FloatArray


class LongSum(NamedTuple):
    """A running sum that may go on for ever.

    Values are added up in blocks of 64; what rounding takes from the sum when a block joins it is kept beside
    it. That error is itself a float and found without a branch (Knuth, The Art of Computer Programming 2,
    4.2.2, theorem B). Whole shares below 2^53 would need none of this; fractions of coins do. Compensating
    every value takes 1.4 times as long and gains nothing: a block is small beside its sum.
    """

    n_values: int  # in the running block
    head: float  # their sum
    total: float  # of the blocks before
    lost: float  # what rounding has taken from that


NOTHING = LongSum(0, 0.0, 0.0, 0.0)  # a fresh sum


@kernel
def long_add(state: LongSum, value: float) -> tuple[LongSum, float]:
    """Add a value and return the new state and the sum."""
    n_values, head, total, lost = state
    if n_values == 64:
        joined = total + head
        part = joined - total
        lost += (total - (joined - part)) + (head - part)
        n_values, head, total = 0, 0.0, joined
    head += value
    return LongSum(n_values + 1, head, total, lost), total + (lost + head)


class ObvState(NamedTuple):
    """Header of the state; there is no ring."""

    previous_close: float  # quote currency; NaN before the first valid bar
    balance: LongSum  # unit of the volume


def obv_init() -> FloatArray:
    """Make a fresh state."""
    return fresh_state([np.nan, *NOTHING])


def obv_warmup() -> int:
    """Leading NaN values."""
    return 0


@kernel
def obv_step(state: ObvState, close: float, volume: float) -> tuple[ObvState, float]:
    """Advance by one bar and return the new state and the balance."""
    if not np.isfinite(close + volume):
        return state, np.nan
    signed = volume  # also on the first bar, where there is nothing to compare with
    if close < state.previous_close:
        signed = -volume
    if close == state.previous_close:
        signed = 0.0
    balance, total = long_add(state.balance, signed)
    return ObvState(close, balance), total


def obv(close: ArrayLike, volume: ArrayLike) -> FloatArray:
    """On-balance volume: volume of rising bars less that of falling ones, since the first bar.

    Parameters
    ----------
    close : array_like, shape (n_bars,), quote currency
        Closes of consecutive bars, oldest first.
    volume : array_like, shape (n_bars,), shares, contracts or coins
        Volume of each bar.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `volume`
        ``out[t]`` uses bars ``0..t`` only. There is no warm-up.

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: obv[t] = obv[t-1] + volume[t] * sign(close[t] - close[t-1]), obv[0] = volume[0].

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was. The
    first bar counts with its whole volume, as in TA-Lib; others begin at 0. The level therefore says where
    the data began and little else: use its changes. It never forgets, so rounding is made good: also after
    millions of fractional volumes the sum is right to its last digits.

    References
    ----------
    Granville, J. E. (1963). Granville's New Key to Stock Market Profits.

    Examples
    --------
    >>> obv([10.0, 11.0, 11.0, 9.0], [5.0, 7.0, 4.0, 2.0])
    array([ 5., 12., 12., 10.])
    """
    return evaluate(OBV, {"close": close, "volume": volume})[0]


OBV = Indicator(
    name="obv",
    inputs=("close", "volume"),
    params=(),
    outputs=("obv",),
    init=obv_init,
    warmup=obv_warmup,
    step=obv_step,
    public=obv,
)
